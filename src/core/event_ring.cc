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
constexpr size_t kWord = sizeof(uint64_t);

// Names are kept before the message and the URI, which share the rest.
constexpr size_t kNameLimits[] = {128, kPeerNameMax, 16, 80, 36};
constexpr size_t kNames = std::size(kNameLimits);

// What precedes the texts: the words' checksum, the id, the facts, the rows,
// and the lengths of the texts. Each text begins with a word of its own.
struct Prefix {
  uint64_t checksum;
  uint64_t id;
  EventFacts facts;
  EventRows rows;
  uint32_t serial;
  uint8_t names[kNames];
  uint8_t unused[3];
  uint16_t message;
  uint16_t uri;
};
static_assert(std::has_unique_object_representations_v<Prefix>);
static_assert(offsetof(Prefix, checksum) == 0);
static_assert(sizeof(EventFacts) % kWord == 0);

constexpr size_t kPrefixWords = sizeof(Prefix) / kWord;
static_assert(kPrefixWords * kWord == sizeof(Prefix));
constexpr size_t kTextBytes = (kEventWords - kPrefixWords) * kWord;

// A slot that was never written must not read as an event.
constexpr uint64_t kFirstSum = kMultiplier;

// A polynomial: any word that changed and any two that changed places show.
constexpr uint64_t AddWord(uint64_t sum, uint64_t word) {
  return sum * kMultiplier + word;
}

// The bytes that a text takes, zeroes behind it included.
constexpr size_t Padded(size_t size) {
  return (size + kWord - 1) & ~(kWord - 1);
}

// A text of one to seven bytes as a word, with zeroes behind.
uint64_t ShortWord(const char* text, size_t size) {
  if (size >= 4) {
    return Load<uint32_t>(text) | Load<uint32_t>(text + size - 4)
                                      << 8 * (size - 4);
  }
  return Load<uint8_t>(text) |
         Load<uint8_t>(text + size / 2) << 8 * (size / 2) |
         Load<uint8_t>(text + size - 1) << 8 * (size - 1);
}

// Puts word after word into a slot, and what they sum up to.
class SlotWriter {
 public:
  explicit SlotWriter(EventSlot* slot) : at_(slot->words + 1) {}

  void Put(uint64_t word) {
    sum_ = AddWord(sum_, word);
    at_++->store(word, kRelaxed);
  }

  [[gnu::always_inline]] void PutText(absl::string_view text) {
    const char* p = text.data();
    size_t left = text.size();
    if (left < kWord) {
      if (left != 0) {
        Put(ShortWord(p, left));
      }
      return;
    }
    for (; left >= kWord; left -= kWord, p += kWord) {
      Put(Load<uint64_t>(p));
    }
    if (left != 0) {
      Put(Load<uint64_t>(p + left - kWord) >> 8 * (kWord - left));
    }
  }

  uint64_t sum() const { return sum_; }

 private:
  Counter* at_;
  uint64_t sum_ = kFirstSum;
};

// Whether nothing needs to be left out or cut; most texts are far from that.
bool FitsAsItIs(const EventText& text, const EventRows& rows) {
  constexpr size_t kNamesAtMost =
      Padded(kNameLimits[2]) + Padded(kNameLimits[3]) + Padded(kNameLimits[4]);
  return rows.upstream != EventRows::kNone && rows.peer != EventRows::kNone &&
         text.method.size() <= kNameLimits[2] &&
         text.host.size() <= kNameLimits[3] &&
         text.request_id.size() <= kNameLimits[4] &&
         text.message.size() + text.uri.size() <=
             kTextBytes - kNamesAtMost - 2 * kWord;
}

[[gnu::cold]] EventText Fit(EventText text, const EventRows& rows) {
  if (rows.upstream != EventRows::kNone) {
    text.upstream = {};
  }
  if (rows.peer != EventRows::kNone) {
    text.peer = {};
  }
  absl::string_view* const names[kNames] = {
      &text.upstream, &text.peer, &text.method, &text.host, &text.request_id};
  size_t left = kTextBytes;
  for (size_t i = 0; i < kNames; ++i) {
    *names[i] = CutUtf8(*names[i], kNameLimits[i]);
    left -= Padded(names[i]->size());
  }
  if (Padded(text.message.size()) + Padded(text.uri.size()) > left) {
    const size_t half = left / 2 & ~(kWord - 1);
    const size_t uri_share = std::min(Padded(text.uri.size()), half);
    text.message = CutUtf8(text.message, left - uri_share);
    text.uri = CutUtf8(text.uri, left - Padded(text.message.size()));
  }
  return text;
}

// `text` fits.
[[gnu::always_inline]] inline void WriteWords(EventSlot* slot, uint64_t id,
                                              uint32_t serial,
                                              const EventFacts& facts,
                                              const EventText& text,
                                              const EventRows& rows) {
  // A reader that sees the event sees the rows it names.
  std::atomic_thread_fence(std::memory_order_release);
  SlotWriter writer(slot);
  writer.Put(id);
  const char* const fact = reinterpret_cast<const char*>(&facts);
#pragma GCC unroll 8
  for (size_t i = 0; i < sizeof(facts); i += kWord) {
    writer.Put(Load<uint64_t>(fact + i));
  }
  writer.Put(Load<uint64_t>(reinterpret_cast<const char*>(&rows)));
  writer.Put(serial | uint64_t{text.upstream.size()} << 32 |
             uint64_t{text.peer.size()} << 40 |
             uint64_t{text.method.size()} << 48 |
             uint64_t{text.host.size()} << 56);
  writer.Put(text.request_id.size() | uint64_t{text.message.size()} << 32 |
             uint64_t{text.uri.size()} << 48);
  writer.PutText(text.upstream);
  writer.PutText(text.peer);
  writer.PutText(text.method);
  writer.PutText(text.host);
  writer.PutText(text.request_id);
  writer.PutText(text.message);
  writer.PutText(text.uri);
  slot->words[0].store(writer.sum(), kRelaxed);
}

[[gnu::noinline, gnu::cold]] void WriteFitted(EventSlot* slot, uint64_t id,
                                              uint32_t serial,
                                              const EventFacts& facts,
                                              const EventText& text,
                                              const EventRows& rows) {
  WriteWords(slot, id, serial, facts, Fit(text, rows), rows);
}

// One word of a slot that may be being written.
template <typename Field>
Field PeekAt(const EventSlot& slot, size_t offset) {
  const uint64_t word = slot.words[offset / kWord].load(kRelaxed);
  Field field;
  std::memcpy(&field, reinterpret_cast<const char*>(&word) + offset % kWord,
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

void WriteSlot(EventSlot* slot, uint64_t id, uint32_t serial,
               const EventFacts& facts, const EventText& text,
               const EventRows& rows) {
  if (!FitsAsItIs(text, rows)) [[unlikely]] {
    WriteFitted(slot, id, serial, facts, text, rows);
    return;
  }
  EventText nameless = text;
  nameless.upstream = nameless.peer = {};
  WriteWords(slot, id, serial, facts, nameless, rows);
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

bool ReadSlot(const EventSlot& slot, Event* event, EventRows* rows) {
  uint64_t words[kEventWords];
  for (size_t i = 0; i < kEventWords; ++i) {
    words[i] = slot.words[i].load(kRelaxed);
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  Prefix prefix;
  std::memcpy(&prefix, words, sizeof(prefix));
  size_t text_bytes = Padded(prefix.message) + Padded(prefix.uri);
  for (const uint8_t length : prefix.names) {
    text_bytes += Padded(length);
  }
  if (text_bytes > kTextBytes || !IsKnown(prefix.facts)) {
    return false;
  }
  uint64_t sum = kFirstSum;
  for (size_t i = 1; i < kPrefixWords + text_bytes / kWord; ++i) {
    sum = AddWord(sum, words[i]);
  }
  if (prefix.checksum != sum) {
    return false;
  }

  const char* in = reinterpret_cast<const char*>(words) + sizeof(prefix);
  const auto take = [&in](std::string* out, size_t length) {
    out->assign(in, length);
    in += Padded(length);
  };
  std::string* const names[kNames] = {&event->upstream, &event->peer,
                                      &event->method, &event->host,
                                      &event->request_id};
  for (size_t i = 0; i < kNames; ++i) {
    take(names[i], prefix.names[i]);
  }
  take(&event->message, prefix.message);
  take(&event->uri, prefix.uri);
  event->id = prefix.id;
  event->facts = prefix.facts;
  *rows = prefix.rows;
  return true;
}

}  // namespace upstream_502
