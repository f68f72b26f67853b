// Counting questions by the second.

#include "system/budget.h"

#include "upstream_502/words/text.h"

namespace upstream_502 {

// A bit that is always set, and Mix, which keeps apart what differs, see to it
// that no key is 0.
uint64_t ProbeKey(absl::string_view peer, int kind) {
  const uint64_t text = HashText(0, peer.data(), peer.size());
  return Mix(text, uint64_t{1} << 63 | static_cast<uint64_t>(kind) << 32);
}

bool Budget::Take(uint64_t key, int64_t now_ms) {
  const int64_t second = now_ms / 1000;
  if (second != second_) {
    *this = Budget();
    second_ = second;
  }
  if (taken_ == kPerSecond) {
    return false;
  }
  if (!IsFirst(key)) {
    if (repeats_ == kRepeats) {
      return false;
    }
    ++repeats_;
  }
  ++taken_;
  return true;
}

bool Budget::IsFirst(uint64_t key) {
  // No more than kPerSecond keys come here: there is always a free place.
  size_t place = key % kRoom;
  while (keys_[place] != 0) {
    if (keys_[place] == key) {
      return false;
    }
    place = (place + 1) % kRoom;
  }
  keys_[place] = key;
  return true;
}

bool LongQuestions::Take(Kind kind, int64_t now_ms) {
  if (last_us_[kind] < kLongUs) {
    return true;
  }
  const int64_t second = now_ms / 1000;
  if (second != second_) {
    second_ = second;
    taken_ = 0;
  }
  if (taken_ == kPerSecond) {
    return false;
  }
  ++taken_;
  return true;
}

}  // namespace upstream_502
