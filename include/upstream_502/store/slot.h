// One slot of a ring of events: written by whoever comes, read by whoever
// looks. There is no lock and no order to keep, so nothing is ever stuck: the
// words carry a checksum, and a slot that is being written, or was torn by two
// writers or a killed process, reads as absent until the next event comes.

#ifndef UPSTREAM_502_STORE_SLOT_H_
#define UPSTREAM_502_STORE_SLOT_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>

#include "upstream_502/store/event.h"
#include "upstream_502/store/layout.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

inline constexpr size_t kWord = sizeof(uint64_t);

// Where the whole name of a long-named upstream is, which is cut in the slot:
// in its row, unless that is another's by now.
struct LongName {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t row = kNone;
  uint32_t hash = 0;
};

// Names are kept before the message and the URI, which share the rest.
// The last takes what others leave.
inline constexpr size_t kNameLimits[] = {128, kPeerNameMax, 16, 80, 36, 80};
inline constexpr size_t kNames = std::size(kNameLimits);

// The lengths of evidence and texts, beside the number of the event among those
// of its cause.
struct SlotLengths {
  uint32_t serial;
  uint8_t names[kNames];
  uint16_t evidence;  // bytes; 0: the kernel was not asked
  uint16_t message;
  uint16_t uri;
};

// What precedes the texts. Each of these begins with a word of its own;
// evidence, where there is some, comes first.
struct SlotPrefix {
  uint64_t checksum;  // of all words behind it
  uint64_t id;
  Failure failure;
  LongName long_name;
  SlotLengths lengths;
};
static_assert(std::has_unique_object_representations_v<SlotPrefix>);
static_assert(sizeof(SlotPrefix) == 2 * kWord + sizeof(Failure) +
                                        sizeof(LongName) + sizeof(SlotLengths));

inline constexpr size_t kPrefixWords = sizeof(SlotPrefix) / kWord;
inline constexpr size_t kTextBytes = (kEventWords - kPrefixWords) * kWord;

// Stores an event. Text is cut so that all of it fits, at UTF-8 boundaries; the
// message keeps at least half of what evidence and names leave free. `serial`
// counts the events of this cause.
void WriteSlot(EventSlot* slot, uint64_t id, uint32_t serial,
               const Failure& failure, const FailureText& text,
               const LongName& long_name, const Evidence* evidence = nullptr);

// What the slot seems to hold, without a look at the rest.
struct SlotPeek {
  uint64_t id;  // 0: nothing
  uint32_t serial;
  uint8_t cause;  // maybe none of Cause
};
SlotPeek PeekSlot(const EventSlot& slot);

// Copies a slot as it is, whole or not.
void CopySlot(const EventSlot& from, EventSlot* to);

// False where the slot holds nothing that can be read whole. Evidence that
// means nothing to this binary is left out, the rest of the event is not.
bool ReadSlot(const EventSlot& slot, Event* event, LongName* long_name);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_SLOT_H_
