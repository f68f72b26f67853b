// One slot of a ring of events: written by whoever comes, read by whoever
// looks. There is no lock and no order to keep, so nothing is ever stuck: the
// words carry a checksum, and a slot that is being written, or was torn by two
// writers or a killed process, reads as absent until the next event comes.

#ifndef UPSTREAM_502_EVENT_RING_H_
#define UPSTREAM_502_EVENT_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "upstream_502/event.h"
#include "upstream_502/layout.h"
#include "upstream_502/text.h"

namespace upstream_502 {

inline constexpr size_t kWord = sizeof(uint64_t);

// Names are kept before the message and the URI, which share the rest.
inline constexpr size_t kNameLimits[] = {128, kPeerNameMax, 16, 80, 36};
inline constexpr size_t kNames = std::size(kNameLimits);

// What precedes the texts: the words' checksum, the id, the facts, the rows,
// and the lengths of the texts. Each text begins with a word of its own.
struct SlotPrefix {
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
static_assert(std::has_unique_object_representations_v<SlotPrefix>);
static_assert(offsetof(SlotPrefix, checksum) == 0);
static_assert(sizeof(EventFacts) % kWord == 0);

inline constexpr size_t kPrefixWords = sizeof(SlotPrefix) / kWord;
static_assert(kPrefixWords * kWord == sizeof(SlotPrefix));
inline constexpr size_t kTextBytes = (kEventWords - kPrefixWords) * kWord;

// A slot that was never written must not read as an event.
inline constexpr uint64_t kFirstSum = kMultiplier;

// A polynomial: any word that changed and any two that changed places show.
constexpr uint64_t AddWord(uint64_t sum, uint64_t word) {
  return sum * kMultiplier + word;
}

// The bytes that a text takes, zeroes behind it included.
constexpr size_t Padded(size_t size) {
  return (size + kWord - 1) & ~(kWord - 1);
}

// A text of one to seven bytes as a word, with zeroes behind.
inline uint64_t ShortWord(const char* text, size_t size) {
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

  [[gnu::always_inline]] void Put(uint64_t word) {
    sum_ = AddWord(sum_, word);
    at_++->store(word, std::memory_order_relaxed);
  }

  [[gnu::always_inline]] void PutText(absl::string_view text) {
    const char* const p = text.data();
    const size_t size = text.size();
    if (size < kWord) {
      if (size != 0) {
        Put(ShortWord(p, size));
      }
      return;
    }
    const size_t whole = size & ~(kWord - 1);
    for (size_t i = 0; i < whole; i += kWord) {
      const auto word = Load<uint64_t>(p + i);
      sum_ = AddWord(sum_, word);
      at_[i / kWord].store(word, std::memory_order_relaxed);
    }
    at_ += whole / kWord;
    if (whole != size) {
      Put(Load<uint64_t>(p + size - kWord) >> 8 * (-size % kWord));
    }
  }

  uint64_t sum() const { return sum_; }

 private:
  Counter* at_;
  uint64_t sum_ = kFirstSum;
};

// Whether nothing needs to be left out or cut; most texts are far from that.
inline bool FitsAsItIs(const EventText& text, const EventRows& rows) {
  constexpr size_t kNamesAtMost =
      Padded(kNameLimits[2]) + Padded(kNameLimits[3]) + Padded(kNameLimits[4]);
  return rows.upstream != EventRows::kNone && rows.peer != EventRows::kNone &&
         text.method.size() <= kNameLimits[2] &&
         text.host.size() <= kNameLimits[3] &&
         text.request_id.size() <= kNameLimits[4] &&
         text.message.size() + text.uri.size() <=
             kTextBytes - kNamesAtMost - 2 * kWord;
}

// `text` fits. `named`: with the names of upstream and peer, where there are
// no rows for them.
[[gnu::always_inline]] inline void WriteWords(
    EventSlot* slot, uint64_t id, uint32_t serial, const EventFacts& facts,
    const EventText& text, const EventRows& rows, bool named) {
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
  writer.Put(serial |
             (named ? uint64_t{text.upstream.size()} << 32 |
                          uint64_t{text.peer.size()} << 40
                    : 0) |
             uint64_t{text.method.size()} << 48 |
             uint64_t{text.host.size()} << 56);
  writer.Put(text.request_id.size() | uint64_t{text.message.size()} << 32 |
             uint64_t{text.uri.size()} << 48);
  if (named) {
    writer.PutText(text.upstream);
    writer.PutText(text.peer);
  }
  writer.PutText(text.method);
  writer.PutText(text.host);
  writer.PutText(text.request_id);
  writer.PutText(text.message);
  writer.PutText(text.uri);
  slot->words[0].store(writer.sum(), std::memory_order_relaxed);
}

// The same for an event of which something must be left out or cut.
[[gnu::cold]] void WriteFitted(EventSlot* slot, uint64_t id, uint32_t serial,
                               const EventFacts& facts, const EventText& text,
                               const EventRows& rows);

// Stores an event. Text is cut so that all of it fits, at UTF-8 boundaries; the
// message keeps at least half of what names leave free. Names of `rows` are
// left out. `serial` counts the events of this cause.
[[gnu::always_inline]] inline void WriteSlot(EventSlot* slot, uint64_t id,
                                             uint32_t serial,
                                             const EventFacts& facts,
                                             const EventText& text,
                                             const EventRows& rows) {
  if (FitsAsItIs(text, rows)) [[likely]] {
    WriteWords(slot, id, serial, facts, text, rows, false);
  } else {
    WriteFitted(slot, id, serial, facts, text, rows);
  }
}

// One word of a slot that may be being written.
template <typename Field>
Field PeekAt(const EventSlot& slot, size_t offset) {
  const uint64_t word =
      slot.words[offset / kWord].load(std::memory_order_relaxed);
  Field field;
  std::memcpy(&field, reinterpret_cast<const char*>(&word) + offset % kWord,
              sizeof(field));
  return field;
}

// What the slot seems to hold, without a look at the rest.
struct SlotPeek {
  uint64_t id;  // 0: nothing
  uint32_t serial;
  uint8_t cause;  // maybe none of Cause
};
inline SlotPeek PeekSlot(const EventSlot& slot) {
  return {PeekAt<uint64_t>(slot, offsetof(SlotPrefix, id)),
          PeekAt<uint32_t>(slot, offsetof(SlotPrefix, serial)),
          PeekAt<uint8_t>(
              slot, offsetof(SlotPrefix, facts) + offsetof(EventFacts, cause))};
}

// Copies a slot as it is, whole or not.
void CopySlot(const EventSlot& from, EventSlot* to);

// False where the slot holds nothing that can be read whole. Names that `rows`
// stands for are empty in `event`.
bool ReadSlot(const EventSlot& slot, Event* event, EventRows* rows);

}  // namespace upstream_502

#endif  // UPSTREAM_502_EVENT_RING_H_
