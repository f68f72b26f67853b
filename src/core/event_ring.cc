#include "upstream_502/event_ring.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "upstream_502/escape.h"
#include "upstream_502/text.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr size_t kTexts = 7;

// What precedes the text: the words' checksum, the id, the facts and the
// lengths of the texts.
struct Prefix {
  uint64_t checksum;
  uint64_t id;
  EventFacts facts;
  uint16_t lengths[kTexts];
  uint16_t unused;
};
constexpr size_t kChecksumWord = 0;
constexpr size_t kIdWord = 1;
static_assert(std::has_unique_object_representations_v<Prefix>);
static_assert(sizeof(Prefix) % sizeof(uint64_t) == 0);

constexpr size_t kSlotBytes = kEventWords * sizeof(uint64_t);
constexpr size_t kTextBytes = kSlotBytes - sizeof(Prefix);

// Names are kept before the message and the URI, which share the rest. Those
// of upstream and peer are as long as in their rows, so that they match.
constexpr size_t kNameLimits[] = {kUpstreamNameMax, kPeerNameMax, 16, 80, 36};
constexpr size_t kNames = std::size(kNameLimits);

size_t WordsFor(size_t text_bytes) {
  return (sizeof(Prefix) + text_bytes + sizeof(uint64_t) - 1) /
         sizeof(uint64_t);
}

uint64_t Checksum(const uint64_t* words, size_t used) {
  uint64_t sum = used;
  for (size_t i = kChecksumWord + 1; i < used; ++i) {
    sum = Mix(sum, words[i]);
  }
  return sum;
}

// Values of a newer binary may be unknown to this one.
bool IsKnown(const EventFacts& facts) {
  return static_cast<size_t>(facts.cause) < kCauseCount &&
         facts.phase <= Phase::kBody &&
         facts.protocol <= Protocol::kMemcached &&
         static_cast<size_t>(facts.errno_class) < kErrnoClassCount;
}

}  // namespace

void EncodeEvent(uint64_t id, const EventFacts& facts, const EventText& text,
                 EncodedEvent* encoded) {
  absl::string_view texts[kTexts] = {
      text.upstream,   text.peer,    text.method, text.host,
      text.request_id, text.message, text.uri};
  size_t left = kTextBytes;
  for (size_t i = 0; i < kNames; ++i) {
    texts[i] = CutUtf8(texts[i], kNameLimits[i]);
    left -= texts[i].size();
  }
  const size_t uri_share = std::min(text.uri.size(), left / 2);
  texts[kNames] = CutUtf8(texts[kNames], left - uri_share);
  texts[kNames + 1] = CutUtf8(texts[kNames + 1], left - texts[kNames].size());

  Prefix prefix{};
  prefix.id = id;
  prefix.facts = facts;
  char* const begin = reinterpret_cast<char*>(encoded->words);
  char* out = begin + sizeof(Prefix);
  for (size_t i = 0; i < kTexts; ++i) {
    prefix.lengths[i] = static_cast<uint16_t>(texts[i].size());
    out += texts[i].copy(out, texts[i].size());
  }
  std::memcpy(begin, &prefix, sizeof(prefix));
  const auto bytes = static_cast<size_t>(out - begin);
  encoded->used = WordsFor(bytes - sizeof(Prefix));
  std::memset(out, 0, encoded->used * sizeof(uint64_t) - bytes);
  encoded->words[kChecksumWord] = Checksum(encoded->words, encoded->used);
}

uint64_t SlotId(const EventSlot& slot) {
  return slot.words[kIdWord].load(kRelaxed);
}

void WriteSlot(EventSlot* slot, const EncodedEvent& encoded) {
  if (SlotId(*slot) > encoded.words[kIdWord]) {
    return;
  }
  for (size_t i = 0; i < encoded.used; ++i) {
    slot->words[i].store(encoded.words[i], kRelaxed);
  }
}

bool ReadSlot(const EventSlot& slot, Event* event) {
  uint64_t words[kEventWords];
  for (size_t i = 0; i < kEventWords; ++i) {
    words[i] = slot.words[i].load(kRelaxed);
  }
  Prefix prefix;
  std::memcpy(&prefix, words, sizeof(prefix));
  size_t text_bytes = 0;
  for (uint16_t length : prefix.lengths) {
    text_bytes += length;
  }
  if (text_bytes > kTextBytes ||
      prefix.checksum != Checksum(words, WordsFor(text_bytes)) ||
      !IsKnown(prefix.facts)) {
    return false;
  }

  std::string* const texts[kTexts] = {
      &event->upstream,   &event->peer,    &event->method, &event->host,
      &event->request_id, &event->message, &event->uri};
  const char* in = reinterpret_cast<const char*>(words) + sizeof(prefix);
  for (size_t i = 0; i < kTexts; ++i) {
    texts[i]->assign(in, prefix.lengths[i]);
    in += prefix.lengths[i];
  }
  event->id = prefix.id;
  event->facts = prefix.facts;
  return true;
}

}  // namespace upstream_502
