// What the parts of a probe share: which questions a cause asks, the probe at
// work, and the list it may leave in the evidence.

#ifndef UPSTREAM_502_SYSTEM_PROBE_JOB_H_
#define UPSTREAM_502_SYSTEM_PROBE_JOB_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"
#include "system/probe.h"
#include "upstream_502/verdict/evidence.h"

namespace upstream_502 {

// Questions, as bits.
enum Ask : uint16_t {
  kAskConnection = 1 << 0,  // our own end
  kAskOtherEnd = 1 << 1,    // whether it was accepted, what was read
  kAskListener = 1 << 2,    // whether somebody listens, the queue
  kAskOthers = 1 << 3,      // what is listened on instead
  kAskMemory = 1 << 4,
  kAskEarly = 1 << 5,   // an answer that was not read
  kAskSpeaks = 1 << 6,  // what protocol that is
  kAskHeader = 1 << 7,  // how long the header is
  kAskPath = 1 << 8,
  kAskConfined = 1 << 9,
  kAskLimits = 1 << 10,
  kAskHosts = 1 << 11,
};

struct Prober::Job {
  const ProbeRequest& request;
  unsigned asks;
  Address ours;    // kNone: not known
  Address theirs;  // kNone: a unix socket, or not known
  Evidence* evidence;

  bool Asks(Ask ask) const { return (asks & ask) != 0; }

  // What is answered depends on the peer and on what is asked of it.
  uint64_t Key() const {
    return ProbeKey(request.peer, Asks(kAskOthers) ? 1 : 0);
  }
};

// Items with ", " between them, as many as fit; the others are counted.
class ItemList {
 public:
  void Add(absl::string_view item) {
    ++count_;
    const absl::string_view comma = size_ == 0 ? "" : ", ";
    if (size_ + comma.size() + item.size() <= sizeof(text_)) {
      Append(comma);
      Append(item);
    }
  }

  // The items of another list behind those of this one.
  void Add(const ItemList& other) {
    const size_t count = count_ + other.count_;
    absl::string_view rest(other.text_, other.size_);
    while (!rest.empty()) {
      const absl::string_view item = rest.substr(0, rest.find(", "));
      Add(item);
      rest.remove_prefix(std::min(item.size() + 2, rest.size()));
    }
    count_ = count;
  }

  void Keep(Named named, Evidence* evidence) const {
    if (count_ == 0) {
      return;
    }
    static_assert(sizeof(text_) <= Evidence::kTextRoom);
    evidence->named = named;
    evidence->named_count = static_cast<uint16_t>(count_);
    evidence->text_size = static_cast<uint8_t>(size_);
    std::memcpy(evidence->text.data(), text_, size_);
  }

 private:
  void Append(absl::string_view text) {
    std::memcpy(text_ + size_, text.data(), text.size());
    size_ += text.size();
  }

  char text_[Evidence::kTextRoom];
  size_t size_ = 0;
  size_t count_ = 0;
};

// A queue, a number of bytes: what does not fit is as much as fits.
inline int32_t Clipped(uint64_t number) {
  return number > INT32_MAX ? INT32_MAX : static_cast<int32_t>(number);
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_PROBE_JOB_H_
