// What the tests of copies share: a store with one upstream and one peer.

#ifndef UPSTREAM_502_T_UNIT_STORE_COPIES_H_
#define UPSTREAM_502_T_UNIT_STORE_COPIES_H_

#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "upstream_502/store/copy.h"

namespace upstream_502 {

// The first millisecond of a minute and of a span of `recent_causes`.
inline constexpr int64_t kNow = 28333334 * kMinuteMs;
static_assert(kNow % kRecentMs == 0);
inline constexpr size_t kLast = kHistoryMinutes - 1;

class CopyTest : public testing::Test {
 protected:
  CopyTest() {
    upstream_ = store_.FindOrAddUpstream("backend", Protocol::kHttp);
    peer_ = store_.FindOrAddPeer(upstream_, "127.0.0.1:80");
  }

  Snapshot Take(int64_t now) const {
    Snapshot snapshot;
    Copy(store_, now, &snapshot);
    return snapshot;
  }
  UpstreamStats TakeUpstream(int64_t now) const {
    return Take(now).upstreams.at(0);
  }

  void Request(int64_t now, int count = 1) {
    for (int i = 0; i < count; ++i) {
      store_.AddRequest(upstream_, static_cast<uint32_t>(i), now, 1);
      store_.AddAttempt(peer_, static_cast<uint32_t>(i), now, true);
    }
  }
  void Fail(int64_t now, Cause cause = Cause::kReadTimeout) {
    store_.AddFailedAttempt(upstream_, peer_, 0, now, {.cause = cause});
  }
  uint64_t Write(Cause cause) {
    const uint64_t id = store_.ReserveEvents(1);
    store_.WriteEvent(id, {.cause = cause}, {});
    return id;
  }

  const SharedMemory memory_{size_t{2} << 20};
  Store store_ = Store::Create(memory_.data(), memory_.size(), {64}, kNow);
  uint32_t upstream_ = 0;
  uint32_t peer_ = 0;
};

inline std::vector<uint64_t> Requests(const UpstreamStats& stats) {
  std::vector<uint64_t> requests;
  for (const Minute& minute : stats.history.buckets) {
    requests.push_back(minute.requests);
  }
  return requests;
}

inline uint64_t Sum(const std::vector<uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_STORE_COPIES_H_
