// Many at work in one store at once, and some of them killed.

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "store/stepped_child.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1700000000000;

// Everything that a request with a failed attempt does.
void Work(Store store, int round, int64_t now) {
  const std::string name = absl::StrCat("upstream ", round % 3);
  const std::string addr = absl::StrCat("127.0.0.1:", 8000 + round % 7);
  const uint32_t upstream = store.FindOrAddUpstream(name, Protocol::kHttp);
  const uint32_t peer = store.FindOrAddPeer(upstream, addr);
  const auto worker = static_cast<uint32_t>(round);
  store.AddRequest(upstream, worker, now, 1);
  const Cause cause = static_cast<Cause>(round % 5);
  store.AddFailedAttempt(upstream, peer, worker, now,
                         {.cause = cause,
                          .errno_class = ErrnoClass::kReset,
                          .response_time = round});
  store.AddResponse(upstream, 502, Origin::kNginx, now);
  const uint64_t id = store.ReserveEvents(1);
  store.WriteEvent(
      id, {.time_ms = now, .cause = cause},
      {.upstream = name, .peer = addr, .message = absl::StrCat("event ", id)});
}

uint64_t Sum(const CauseCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

// What holds at any moment, whoever is at work or was killed.
void ExpectSane(const Snapshot& snapshot) {
  for (const UpstreamStats& upstream : snapshot.upstreams) {
    EXPECT_EQ(upstream.name.compare(0, 9, "upstream "), 0);
    EXPECT_EQ(upstream.failures, Sum(upstream.causes));
    EXPECT_LE(Sum(upstream.recent_causes), upstream.failures);
    Minute sum;
    for (const Minute& minute : upstream.history.buckets) {
      sum.requests += minute.requests;
      sum.failures += minute.failures;
      sum.responses_502 += minute.responses_502;
    }
    EXPECT_LE(sum.requests, upstream.requests);
    EXPECT_LE(sum.failures, upstream.failures);
    EXPECT_LE(sum.responses_502, SumResponses(upstream.responses));
    for (const PeerStats& peer : upstream.peers) {
      EXPECT_EQ(peer.addr.compare(0, 10, "127.0.0.1:"), 0);
      EXPECT_EQ(peer.failures, Sum(peer.causes));
      PeerMinute recent;
      for (const PeerMinute& minute : peer.recent.buckets) {
        recent.attempts += minute.attempts;
        recent.failures += minute.failures;
      }
      EXPECT_LE(recent.attempts, peer.attempts);
      EXPECT_LE(recent.failures, peer.failures);
    }
  }
  for (size_t i = 0; i < snapshot.events.size(); ++i) {
    const Event& event = snapshot.events[i];
    EXPECT_EQ(event.message, absl::StrCat("event ", event.id));
    EXPECT_TRUE(i == 0 || event.id < snapshot.events[i - 1].id);
  }
}

Snapshot Take(const Store& store, int64_t now) {
  Snapshot snapshot;
  Copy(store, now, &snapshot);
  ExpectSane(snapshot);
  return snapshot;
}

TEST(StoreThreads, MakeOneRowOfOneName) {
  const SharedMemory memory(size_t{8} << 20);
  Store store = Store::Create(memory.data(), memory.size(), {1}, kNow);
  constexpr int kThreads = 4;
  constexpr uint32_t kNames = 1000;
  std::vector<uint32_t> rows[kThreads];
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (auto& mine : rows) {
    threads.emplace_back([&ready, &mine, store]() mutable {
      ++ready;
      while (ready.load() < kThreads) {
      }
      for (uint32_t i = 0; i < kNames; ++i) {
        const uint32_t upstream = store.FindOrAddUpstream(
            absl::StrCat("upstream ", i % 10), Protocol::kHttp);
        mine.push_back(
            store.FindOrAddPeer(upstream, absl::StrCat("127.0.0.1:", i)));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const auto& mine : rows) {
    EXPECT_EQ(mine, rows[0]);
  }
  // A row that lost a race may stay unused; how many depends on the scheduler.
  EXPECT_GE(store.arena().header->peers.load(), kNames);
  EXPECT_LE(store.arena().header->peers.load(), kThreads * kNames);
  Take(store, kNow);
}

TEST(StoreThreads, LoseNoCount) {
  const SharedMemory memory(size_t{4} << 20);
  const Store store = Store::Create(memory.data(), memory.size(), {64}, kNow);
  constexpr int kThreads = 4;
  constexpr int kRounds = 5000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([store] {
      for (int round = 0; round < kRounds; ++round) {
        Work(store, round, kNow + round * 20);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    Take(store, kNow + i * 5000);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  constexpr uint64_t kAll = kThreads * kRounds;
  const Snapshot snapshot = Take(store, kNow + kRounds * 20);
  EXPECT_EQ(snapshot.totals.requests, kAll);
  EXPECT_EQ(snapshot.totals.attempts, kAll);
  EXPECT_EQ(snapshot.totals.failures, kAll);
  EXPECT_EQ(Sum(snapshot.totals.causes), kAll);
  EXPECT_EQ(ResponsesWithCode(snapshot.totals.responses, 502), kAll);
  EXPECT_EQ(snapshot.zone.events_total, kAll);
  EXPECT_EQ(snapshot.zone.overflow, 0U);
  EXPECT_GE(snapshot.events.size(), 60U);
  uint64_t requests = 0;
  for (uint64_t minute : snapshot.totals.requests_history.buckets) {
    requests += minute;
  }
  EXPECT_EQ(requests, kAll);
}

TEST(StoreThreads, ResetWhileOthersWork) {
  const SharedMemory memory(size_t{4} << 20);
  Store store = Store::Create(memory.data(), memory.size(), {64}, kNow);
  std::atomic<bool> stop{false};
  std::thread worker([&stop, store] {
    for (int round = 0; !stop.load(); ++round) {
      Work(store, round, kNow);
    }
  });
  for (int i = 0; i < 100; ++i) {
    store.Reset(kNow + i);
    Take(store, kNow);
  }
  stop = true;
  worker.join();
  store.Reset(kNow);
  Work(store, 1, kNow);
  const Snapshot snapshot = Take(store, kNow);
  EXPECT_EQ(snapshot.totals.requests, 1U);
  EXPECT_EQ(snapshot.events.size(), 1U);
}

TEST(StoreProcesses, LoseNoCount) {
  const SharedMemory memory(size_t{4} << 20);
  const Store store = Store::Create(memory.data(), memory.size(), {64}, kNow);
  constexpr int kProcesses = 3;
  constexpr int kRounds = 5000;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(Fork([store] {
      for (int round = 0; round < kRounds; ++round) {
        Work(store, round, kNow);
      }
    }));
  }
  for (pid_t child : children) {
    EXPECT_TRUE(EndedWell(child));
  }
  constexpr uint64_t kAll = kProcesses * kRounds;
  const Snapshot snapshot = Take(store, kNow);
  EXPECT_EQ(snapshot.totals.requests, kAll);
  EXPECT_EQ(snapshot.totals.failures, kAll);
  EXPECT_EQ(snapshot.zone.events_total, kAll);
}

TEST(StoreProcesses, AreKilledWithoutHarm) {
  const SharedMemory memory(size_t{4} << 20);
  const Store store = Store::Create(memory.data(), memory.size(), {64}, kNow);
  for (int i = 0; i < 50; ++i) {
    const pid_t child = Fork([store, i] {
      for (int round = 0;; ++round) {
        Work(store, round, kNow + i * kMinuteMs + round);
      }
    });
    usleep(static_cast<useconds_t>(500 + i * 37));
    kill(child, SIGKILL);
    EXPECT_FALSE(EndedWell(child));
    Take(store, kNow + i * kMinuteMs);
  }
  const uint64_t before = Take(store, kNow).totals.requests;
  for (int round = 0; round < 1000; ++round) {
    Work(store, round, kNow);
  }
  const Snapshot after = Take(store, kNow);
  EXPECT_EQ(after.totals.requests, before + 1000);
  EXPECT_GE(after.events.size(), 64U);  // every slot is at work again
  EXPECT_LE(after.zone.peers, 21 + 50U);
}

// What a process that is killed here and now leaves behind is in `memory`;
// another one goes on with it.
void ExpectUsable(const SharedMemory& memory, char* scratch) {
  std::memcpy(scratch, memory.data(), memory.size());
  const auto store = Store::Attach(scratch, memory.size(), {1});
  ASSERT_TRUE(store.has_value());
  const int64_t now = kNow + kMinuteMs;
  const Snapshot before = Take(*store, now);
  Work(*store, 1, now);
  const Snapshot after = Take(*store, now);
  EXPECT_EQ(after.totals.requests, before.totals.requests + 1);
  EXPECT_EQ(after.totals.failures, before.totals.failures + 1);
  ASSERT_FALSE(after.events.empty());
  EXPECT_EQ(after.events[0].id, after.zone.events_total);
  EXPECT_EQ(after.zone.overflow, 0U);
}

TEST(StoreProcesses, MayEndAtAnyInstruction) {
  const SharedMemory memory(Arena::MinimumSize({1}) + (size_t{64} << 10));
  const SharedMemory scratch(memory.size());
  const Store store = Store::Create(memory.data(), memory.size(), {1}, kNow);
  const auto prepare = [store] { Work(store, 0, kNow); };
  const auto body = [store] {
    Work(store, 1, kNow + kMinuteMs);  // new rows, a new minute
  };
  SteppedChild child(prepare, body);
  if (!child.IsRunning()) {
    GTEST_SKIP() << "no ptrace here";
  }
  const int changes = StepThrough(
      &child, memory, [&] { ExpectUsable(memory, scratch.data()); });
  EXPECT_TRUE(child.EndedWell()) << "after " << changes << " changes";
  EXPECT_GT(changes, 100);
}

TEST(StoreProcesses, GiveBackTheRowThatLostTheRace) {
  const SharedMemory memory(Arena::MinimumSize({1}));
  Store store = Store::Create(memory.data(), memory.size(), {1}, kNow);
  const uint32_t upstream = store.FindOrAddUpstream("u", Protocol::kHttp);
  const auto nothing = [] {};
  const auto add = [&store, upstream] {
    store.FindOrAddPeer(upstream, "127.0.0.1:80");
  };
  SteppedChild first(nothing, add);
  SteppedChild second(nothing, add);
  if (!first.IsRunning() || !second.IsRunning()) {
    GTEST_SKIP() << "no ptrace here";
  }
  while (first.IsRunning() && store.arena().header->peers.load() < 1) {
    first.Step();
  }
  while (second.IsRunning() && store.arena().header->peers.load() < 2) {
    second.Step();
  }
  first.Finish();
  second.Finish();
  EXPECT_TRUE(first.EndedWell());
  EXPECT_TRUE(second.EndedWell());
  EXPECT_EQ(store.arena().header->peers.load(), 1U);
  EXPECT_EQ(store.FindOrAddPeer(upstream, "127.0.0.1:80"), 0U);
  EXPECT_EQ(store.FindOrAddPeer(upstream, "127.0.0.1:81"), 1U);
}

}  // namespace
}  // namespace upstream_502
