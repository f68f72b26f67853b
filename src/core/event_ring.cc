#include "upstream_502/event_ring.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <type_traits>

#include "upstream_502/escape.h"
#include "upstream_502/text.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr size_t kTexts = 7;

// What precedes the text: the words' checksum, the id, the facts, the rows,
// and the lengths of the texts.
struct Prefix {
  uint64_t checksum;
  uint64_t id;
  EventFacts facts;
  EventRows rows;
  uint32_t serial;
  uint16_t lengths[kTexts];
  uint16_t unused[3];
};
constexpr size_t kChecksumWord = 0;
static_assert(std::has_unique_object_representations_v<Prefix>);
static_assert(sizeof(Prefix) % sizeof(uint64_t) == 0);

constexpr size_t kSlotBytes = kEventWords * sizeof(uint64_t);
constexpr size_t kTextBytes = kSlotBytes - sizeof(Prefix);

// Names are kept before the message and the URI, which share the rest.
constexpr size_t kNameLimits[] = {128, kPeerNameMax, 16, 80, 36};
constexpr size_t kNames = std::size(kNameLimits);

constexpr size_t WordsFor(size_t text_bytes) {
  return (sizeof(Prefix) + text_bytes + sizeof(uint64_t) - 1) /
         sizeof(uint64_t);
}

// A polynomial: any word that changed and any two that changed places show.
constexpr uint64_t AddWord(uint64_t sum, uint64_t word) {
  return sum * kMultiplier + word;
}

// In place of a call of memcpy for a few bytes each.
char* Append(absl::string_view text, char* out) {
  const char* in = text.data();
  const size_t size = text.size();
  if (size >= sizeof(uint64_t)) {
    const size_t last = size - sizeof(uint64_t);
    for (size_t i = 0; i < last; i += sizeof(uint64_t)) {
      std::memcpy(out + i, in + i, sizeof(uint64_t));
    }
    std::memcpy(out + last, in + last, sizeof(uint64_t));
  } else {
    for (size_t i = 0; i < size; ++i) {
      out[i] = in[i];
    }
  }
  return out + size;
}

// One word of a slot that may be being written.
template <typename Field>
Field PeekAt(const EventSlot& slot, size_t offset) {
  const uint64_t word = slot.words[offset / sizeof(uint64_t)].load(kRelaxed);
  Field field;
  std::memcpy(&field,
              reinterpret_cast<const char*>(&word) + offset % sizeof(uint64_t),
              sizeof(field));
  return field;
}

// Values of a newer binary may be unknown to this one.
bool IsKnown(const EventFacts& facts) {
  return static_cast<size_t>(facts.cause) < kCauseCount &&
         facts.phase <= Phase::kBody && facts.protocol <= Protocol::kTunnel &&
         static_cast<size_t>(facts.errno_class) < kErrnoClassCount;
}

}  // namespace

void EncodeEvent(uint64_t id, uint32_t serial, const EventFacts& facts,
                 const EventText& text, const EventRows& rows,
                 EncodedEvent* encoded) {
  absl::string_view texts[kTexts] = {text.upstream, text.peer, text.method,
                                     text.host, text.request_id};
  if (rows.upstream != EventRows::kNone) {
    texts[0] = "";
  }
  if (rows.peer != EventRows::kNone) {
    texts[1] = "";
  }
  size_t left = kTextBytes;
  for (size_t i = 0; i < kNames; ++i) {
    if (texts[i].size() > kNameLimits[i]) [[unlikely]] {
      texts[i] = CutUtf8(texts[i], kNameLimits[i]);
    }
    left -= texts[i].size();
  }
  texts[kNames] = text.message;
  texts[kNames + 1] = text.uri;
  if (text.message.size() + text.uri.size() > left) [[unlikely]] {
    const size_t uri_share = std::min(text.uri.size(), left / 2);
    texts[kNames] = CutUtf8(text.message, left - uri_share);
    texts[kNames + 1] = CutUtf8(text.uri, left - texts[kNames].size());
  }

  char* const begin = reinterpret_cast<char*>(encoded->words);
  auto* prefix = new (begin) Prefix{0, id, facts, rows, serial, {}, {}};
  char* out = begin + sizeof(Prefix);
  for (size_t i = 0; i < kTexts; ++i) {
    prefix->lengths[i] = static_cast<uint16_t>(texts[i].size());
    out = Append(texts[i], out);
  }
  const auto bytes = static_cast<size_t>(out - begin);
  encoded->used = WordsFor(bytes - sizeof(Prefix));
  // What is left of the last word.
  const size_t rest = encoded->used * sizeof(uint64_t) - bytes;
  encoded->words[encoded->used - 1] &= UINT64_MAX >> 8 * rest;
}

SlotPeek PeekSlot(const EventSlot& slot) {
  return {PeekAt<uint64_t>(slot, offsetof(Prefix, id)),
          PeekAt<uint32_t>(slot, offsetof(Prefix, serial)),
          PeekAt<uint8_t>(
              slot, offsetof(Prefix, facts) + offsetof(EventFacts, cause))};
}

void CopySlot(const EventSlot& from, EventSlot* to) {
  for (size_t i = 0; i < kEventWords; ++i) {
    to->words[i].store(from.words[i].load(kRelaxed), kRelaxed);
  }
}

void WriteSlot(EventSlot* slot, const EncodedEvent& encoded) {
  // A reader that sees the event sees the rows it names.
  std::atomic_thread_fence(std::memory_order_release);
  uint64_t sum = encoded.used;
  for (size_t i = kChecksumWord + 1; i < encoded.used; ++i) {
    sum = AddWord(sum, encoded.words[i]);
    slot->words[i].store(encoded.words[i], kRelaxed);
  }
  slot->words[kChecksumWord].store(sum, kRelaxed);
}

bool ReadSlot(const EventSlot& slot, Event* event, EventRows* rows) {
  uint64_t words[kEventWords];
  for (size_t i = 0; i < kEventWords; ++i) {
    words[i] = slot.words[i].load(kRelaxed);
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  Prefix prefix;
  std::memcpy(&prefix, words, sizeof(prefix));
  size_t text_bytes = 0;
  for (uint16_t length : prefix.lengths) {
    text_bytes += length;
  }
  if (text_bytes > kTextBytes || !IsKnown(prefix.facts)) {
    return false;
  }
  uint64_t sum = WordsFor(text_bytes);
  for (size_t i = kChecksumWord + 1; i < WordsFor(text_bytes); ++i) {
    sum = AddWord(sum, words[i]);
  }
  if (prefix.checksum != sum) {
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
  *rows = prefix.rows;
  return true;
}

}  // namespace upstream_502
