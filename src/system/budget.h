// How often the kernel is asked: a flood of failures must not turn into a flood
// of questions, nor keep the first failure of its kind from being asked about.
//
//   if (budget.Take(ProbeKey(peer, cause), now_ms)) {
//     prober.Probe(request, &evidence);
//   }

#ifndef UPSTREAM_502_SYSTEM_BUDGET_H_
#define UPSTREAM_502_SYSTEM_BUDGET_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// What counts as one kind of failure: a cause, or whatever tells causes apart.
// Never 0.
uint64_t ProbeKey(absl::string_view peer, int kind);

// Of one process. Times are of a clock that never falls.
class Budget {
 public:
  static constexpr int kPerSecond = 50;
  // Failures of a kind already asked about in this second get no more, so that
  // kPerSecond - kRepeats kinds always find room.
  static constexpr int kRepeats = 10;

  // Whether this failure may be asked about; counts it if so.
  bool Take(uint64_t key, int64_t now_ms);

 private:
  // Whether `key` is new in this second; notes it if there is room.
  bool IsFirst(uint64_t key);

  static constexpr size_t kRoom = 64;
  static_assert(kRoom > kPerSecond);

  int64_t second_ = INT64_MIN;
  int taken_ = 0;
  int repeats_ = 0;
  std::array<uint64_t, kRoom> keys_ = {};  // by their hash; 0: free
};

// The questions whose price grows with what runs on the machine. One that was
// cheap the last time may always be asked, one that took long only twice a
// second: for the rest of it the last answer has to do, see Prober::Recall.
class LongQuestions {
 public:
  enum Kind : uint8_t {
    kInetListeners,
    kInetPort,  // who listens on one port
    kUnixListeners,
    kConnections
  };
  static constexpr size_t kKinds = 4;
  static constexpr int kPerSecond = 2;
  static constexpr int64_t kLongUs = 100;

  bool Take(Kind kind, int64_t now_ms);
  void Took(Kind kind, int64_t us) { last_us_[kind] = us; }

 private:
  // The first one is taken for long.
  std::array<int64_t, kKinds> last_us_ = {kLongUs, kLongUs, kLongUs, kLongUs};
  int64_t second_ = INT64_MIN;
  int taken_ = 0;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_BUDGET_H_
