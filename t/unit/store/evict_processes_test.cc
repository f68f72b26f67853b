// Rows that come and go while workers add: what workers count is exact, and
// nothing that is in use loses its row.

#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr int64_t kStart = 1763675000000;
constexpr Rings kRings = {.events = 16, .incidents = 4};
constexpr uint32_t kPeers = 100000;
constexpr uint32_t kUpstreams = 3;
constexpr uint32_t kWorkers = 2;

using Tally = std::atomic<uint32_t>;

// What the processes tell each other, and what they did, peer by peer.
struct Books {
  std::atomic<int64_t> now{kStart};
  Tally newest{1};  // peers 1 to this one have come
  std::atomic<bool> end{false};
  Tally turn{0};  // of the workers' event loops, that is to end
  Tally answered[kWorkers]{};
  Tally attempts[kPeers + 1]{};
  Tally failures[kPeers + 1]{};
};

std::string AddrOf(uint32_t peer) { return absl::StrCat("10.0.0.1:", peer); }
std::string NameOf(uint32_t peer) {
  return absl::StrCat("upstream ", peer % kUpstreams);
}
uint32_t NumberOf(absl::string_view addr) {
  return static_cast<uint32_t>(
      std::stoul(std::string(addr.substr(addr.find(':') + 1))));
}

class EvictProcesses : public testing::Test {
 protected:
  EvictProcesses()
      : memory_(size_t{9} << 20),
        shared_(sizeof(Books)),
        store_(Store::Create(memory_.data(), memory_.size(), kRings, kStart)),
        books_(*new (shared_.data()) Books) {
    store_.SetInactive(24 * kHourMs);
    room_ = store_.arena().capacity.peers;
    active_ = room_ / 8;
  }

  struct Found {
    uint32_t number;
    uint32_t upstream;
    uint32_t peer;
  };
  Found Find(uint32_t number, int64_t now_ms) {
    const uint32_t upstream =
        store_.FindOrAddUpstream(NameOf(number), Protocol::kHttp);
    return {number, upstream,
            store_.FindOrAddPeer(upstream, AddrOf(number), now_ms)};
  }
  void Count(const Found& found, uint32_t worker, int64_t now_ms, bool fails) {
    store_.AddRequest(found.upstream, worker, now_ms, 1);
    if (fails) {
      store_.AddFailedAttempt(found.upstream, found.peer, worker, now_ms,
                              {.time_ms = now_ms});
      ++books_.failures[found.number];
    } else {
      store_.AddAttempt(found.peer, worker, now_ms, true);
    }
    ++books_.attempts[found.number];
  }

  // A peer among those in use, or one that may be on its way out.
  uint32_t ChooseActive(std::mt19937* random) const {
    const uint32_t newest = books_.newest;
    return newest -
           static_cast<uint32_t>((*random)()) % std::min(active_, newest);
  }
  uint32_t ChooseOld(std::mt19937* random) const {
    const uint32_t back =
        active_ + static_cast<uint32_t>((*random)()) % (room_ - active_);
    const uint32_t newest = books_.newest;
    return back < newest ? newest - back : 1;
  }

  // A worker. In a turn of its event loop it finds rows that it adds to at the
  // end, and counts others meanwhile.
  void Work(uint32_t worker) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // or it goes on when the test crashes
    const uint32_t place = JoinWriters(store_.arena(), worker + 2, 1);
    std::mt19937 random(worker);
    while (!books_.end) {
      std::vector<Found> held(32);
      for (Found& one : held) {
        one = Find(ChooseOld(&random), books_.now);
      }
      const uint32_t turn = books_.answered[worker];
      for (int64_t last = 0; turn == books_.turn && !books_.end;) {
        const int64_t now = books_.now;
        if (now == last) {
          sched_yield();
        }
        for (int i = 0; i < 4 && now != last; ++i) {
          Count(Find(ChooseActive(&random), now), worker, now, i == 0);
        }
        last = now;
      }
      for (const Found& one : held) {
        Count(one, worker, books_.now, false);
      }
      PassRound(store_.arena(), place);
      ++books_.answered[worker];
    }
    LeaveWriters(store_.arena(), place);
  }

  // Brings one peer after the other. Time does not pass faster than the event
  // loops go round.
  void BringPeers() {
    const uint32_t place = JoinWriters(store_.arena(), 1, 1);
    const int64_t step = 60 * kHourMs / room_;
    for (uint32_t peer = 2; peer <= kPeers; ++peer) {
      const int64_t now = books_.now + step;
      Count(Find(peer, now), kWorkers, now, peer % 7 == 0);
      books_.newest = peer;
      books_.now = now;
      PassRound(store_.arena(), place);
      if (peer % 200 == 0) {
        EndTurn();
      }
      if (peer % 5000 == 0) {
        ExpectRows();
      }
    }
    LeaveWriters(store_.arena(), place);
  }

  void EndTurn() {
    const uint32_t turn = ++books_.turn;
    for (const Tally& answered : books_.answered) {
      while (answered != turn) {
        sched_yield();
      }
    }
  }

  Snapshot Take() const {
    Snapshot snapshot;
    Copy(store_, books_.now, &snapshot);
    return snapshot;
  }

  // Of all that were used for the last hours.
  void ExpectRows() const {
    std::vector<bool> has(kPeers + 1);
    size_t rows = 0;
    for (const UpstreamStats& upstream : Take().upstreams) {
      for (const PeerStats& peer : upstream.peers) {
        if (peer.addr != kOtherName) {
          has[NumberOf(peer.addr)] = true;
          ++rows;
        }
      }
    }
    EXPECT_LE(rows, room_);
    const uint32_t newest = books_.newest;
    for (uint32_t peer = newest - active_ + 1; peer <= newest; ++peer) {
      EXPECT_TRUE(has[peer]) << peer << " of " << newest;
    }
  }

  // With nobody at work: what has its row yet has all of its counts, or, where
  // it was away, no others'; the rest is "(other)"'s.
  void ExpectExact(const UpstreamStats& upstream) const {
    uint64_t attempts = 0;
    uint64_t failures = 0;
    for (const PeerStats& peer : upstream.peers) {
      attempts += peer.attempts;
      failures += peer.failures;
      if (peer.addr == kOtherName) {
        continue;
      }
      const uint32_t number = NumberOf(peer.addr);
      EXPECT_EQ(NameOf(number), upstream.name);
      EXPECT_LE(peer.attempts, books_.attempts[number]) << number;
      EXPECT_LE(peer.failures, books_.failures[number]) << number;
      if (number > kPeers - active_) {
        EXPECT_EQ(peer.attempts, books_.attempts[number]) << number;
        EXPECT_EQ(peer.failures, books_.failures[number]) << number;
      }
    }
    EXPECT_EQ(attempts, Sum(books_.attempts, upstream.name));
    EXPECT_EQ(failures, Sum(books_.failures, upstream.name));
    EXPECT_EQ(upstream.attempts, attempts);
    EXPECT_EQ(upstream.failures, failures);
    EXPECT_EQ(upstream.requests, attempts);
  }

  static uint64_t Sum(const Tally (&tallies)[kPeers + 1],
                      absl::string_view upstream) {
    uint64_t sum = 0;
    for (uint32_t peer = 1; peer <= kPeers; ++peer) {
      sum += NameOf(peer) == upstream ? tallies[peer].load() : 0;
    }
    return sum;
  }

  const SharedMemory memory_;
  const SharedMemory shared_;
  Store store_;
  Books& books_;
  uint32_t room_ = 0;
  uint32_t active_ = 0;  // peers in use at any time
};

TEST_F(EvictProcesses, LoseNoCountAndNoRowInUse) {
  ASSERT_GT(room_, 2000U);
  Count(Find(1, kStart), kWorkers, kStart, false);
  std::vector<pid_t> workers;
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    workers.push_back(Fork([this, worker] { Work(worker); }));
  }
  BringPeers();
  books_.end = true;
  for (const pid_t worker : workers) {
    EXPECT_TRUE(EndedWell(worker));
  }
  ExpectRows();
  EXPECT_GT(store_.arena().header->evicted.load(), kPeers - 2 * room_);
  EXPECT_EQ(store_.arena().header->overflow.load(), 0U);

  const Snapshot snapshot = Take();
  ASSERT_EQ(snapshot.upstreams.size(), kUpstreams);
  for (const UpstreamStats& upstream : snapshot.upstreams) {
    ExpectExact(upstream);
  }
}

}  // namespace
}  // namespace upstream_502
