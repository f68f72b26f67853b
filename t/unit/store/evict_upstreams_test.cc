// Upstreams that come and go: what left the configuration makes room, and no
// sum falls.

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <string>

#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "store/stepped_child.h"
#include "upstream_502/store/check.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr int64_t kStart = 1763675000000;
constexpr int64_t kDay = 24 * kHourMs;
constexpr Rings kRings = {.events = 64, .incidents = 8};
constexpr size_t kSize = 1 << 20;

class EvictUpstreamsTest : public testing::Test {
 protected:
  EvictUpstreamsTest()
      : memory_(new (std::align_val_t{4096}) char[kSize]()),
        store_(Store::Create(memory_, kSize, kRings, kStart)) {
    store_.SetInactive(kDay);
    rows_ = store_.arena().capacity.upstreams - 2;
  }
  ~EvictUpstreamsTest() override {
    operator delete[](memory_, std::align_val_t{4096});
  }

  static std::string Name(uint32_t i) { return "app" + std::to_string(i); }

  // A configuration with `count` upstreams from `first` on.
  uint64_t Load(uint32_t first, uint32_t count, int64_t now_ms) {
    const uint64_t generation = store_.NoteLoad(now_ms);
    for (uint32_t i = first; i < first + count; ++i) {
      store_.FindUpstream(Name(i), now_ms);
    }
    for (uint32_t i = first; i < first + count; ++i) {
      Add(Name(i), now_ms);
    }
    return generation;
  }
  uint32_t Add(const std::string& name, int64_t now_ms,
               UpstreamKind kind = UpstreamKind::kConfigured) {
    return store_.FindOrAddUpstream(name, Protocol::kHttp, kind, now_ms);
  }

  // A request that fails at a peer, and its event.
  void Fail(const std::string& name, int64_t now_ms,
            UpstreamKind kind = UpstreamKind::kConfigured) {
    const uint32_t row = Add(name, now_ms, kind);
    FailAt(row, name, now_ms);
  }
  void FailAt(uint32_t row, const std::string& name, int64_t now_ms) {
    const uint32_t peer = store_.FindOrAddPeer(row, "10.0.0.1:80", now_ms);
    const Failure failure = {
        .time_ms = now_ms, .cause = Cause::kReadTimeout, .response_time = 7};
    store_.AddRequest(row, 0, now_ms, 1);
    store_.AddFailedAttempt(row, peer, 0, now_ms, failure);
    store_.AddResponse(row, 502, Origin::kNginx, now_ms);
    store_.WriteEvent(store_.ReserveEvents(1), failure, {.upstream = name},
                      {row});
    ++failed_;
  }

  Snapshot Take(int64_t now_ms) const {
    Snapshot snapshot;
    Copy(store_, now_ms, &snapshot, true);
    EXPECT_EQ(snapshot.totals.requests, failed_);
    EXPECT_EQ(snapshot.totals.failures, failed_);
    EXPECT_EQ(SumResponses(snapshot.totals.responses), failed_);
    EXPECT_TRUE(IsSound(store_.arena()));
    for (const UpstreamStats& upstream : snapshot.upstreams) {
      uint64_t attempts = 0;
      for (const PeerStats& peer : upstream.peers) {
        attempts += peer.attempts;
      }
      EXPECT_EQ(attempts, upstream.attempts) << upstream.name;
      EXPECT_EQ(upstream.time_to_failure.count, upstream.failures);
    }
    return snapshot;
  }

  static uint64_t FailuresOf(const std::string& name, Snapshot snapshot) {
    const UpstreamStats* found = FindUpstream(name, &snapshot.upstreams);
    return found == nullptr ? 0 : found->failures;
  }
  static bool Has(const std::string& name, Snapshot snapshot) {
    return FindUpstream(name, &snapshot.upstreams) != nullptr;
  }

  char* memory_;
  Store store_;
  uint32_t rows_;
  uint64_t failed_ = 0;
};

TEST_F(EvictUpstreamsTest, WhatLeftTheConfigurationMakesRoom) {
  Load(0, rows_, kStart);
  for (uint32_t i = 0; i < rows_; ++i) {
    Fail(Name(i), kStart + i);
  }
  const int64_t later = kStart + 2 * kDay;
  Load(1000, 5, later);
  const Snapshot snapshot = Take(later);
  for (uint32_t i = 1000; i < 1005; ++i) {
    EXPECT_TRUE(Has(Name(i), snapshot));
  }
  EXPECT_FALSE(Has(Name(0), snapshot));  // the one unused for longest
  EXPECT_TRUE(Has(Name(rows_ - 1), snapshot));
  EXPECT_GE(FailuresOf("(other)", snapshot), 5U);
  EXPECT_EQ(store_.arena().header->overflow.load(), 0U);
  EXPECT_GE(store_.arena().header->evicted.load(), 5U);
}

TEST_F(EvictUpstreamsTest, WhatAConfigurationNamesStays) {
  const uint64_t generation = Load(0, rows_, kStart);
  Fail(Name(0), kStart);
  const int64_t later = kStart + 5 * kDay;
  EXPECT_EQ(Add("new", later), kOtherUpstream);
  // Workers of that configuration have requests left.
  const uint32_t writer = JoinWriters(store_.arena(), 1, generation);
  Load(1, rows_, later + kMinuteMs);
  EXPECT_TRUE(Has(Name(0), Take(later + kMinuteMs)));
  EXPECT_EQ(Add("new", later + 2 * kMinuteMs), kOtherUpstream);
  LeaveWriters(store_.arena(), writer);
  EXPECT_NE(Add("new", later + 2 * kDay), kOtherUpstream);
  EXPECT_FALSE(Has(Name(0), Take(later + 2 * kDay)));
}

TEST_F(EvictUpstreamsTest, WhatWasUsedWithinTheTimeStays) {
  Load(0, rows_, kStart);
  Fail(Name(3), kStart + kDay);
  Load(1000, rows_, kStart + kDay + 10 * kMinuteMs);
  const Snapshot snapshot = Take(kStart + kDay + 10 * kMinuteMs);
  EXPECT_TRUE(Has(Name(3), snapshot));
  EXPECT_FALSE(Has(Name(4), snapshot));
}

// By a clock that was years ahead.
TEST_F(EvictUpstreamsTest, WhatLiesAheadIsUsedFromNowOn) {
  Load(0, rows_, kStart);
  for (uint32_t row = 0; row < rows_ + 2; ++row) {
    UpstreamRow& upstream = store_.arena().upstreams[row];
    upstream.named.store(kStart + 1000 * kDay);
    upstream.minute.store(kStart + 1000 * kDay);
  }
  Load(1000, 3, kStart + kHourMs);
  EXPECT_TRUE(Has(Name(0), Take(kStart + kHourMs)));
  Load(1000, 3, kStart + 3 * kDay);
  const Snapshot snapshot = Take(kStart + 3 * kDay);
  EXPECT_TRUE(Has(Name(1000), snapshot));
  EXPECT_FALSE(Has(Name(0), snapshot));
}

TEST_F(EvictUpstreamsTest, AReturningOneFindsItsRowAgain) {
  Load(0, 3, kStart);
  Fail(Name(2), kStart);
  Load(0, 2, kStart + kDay);
  Load(0, 3, kStart + 9 * kDay);
  EXPECT_EQ(FailuresOf(Name(2), Take(kStart + 9 * kDay)), 1U);
}

// A writer that has found the row adds to "(other)" at worst.
TEST_F(EvictUpstreamsTest, NobodyGetsARowThatAWriterKnows) {
  const uint32_t writer = JoinWriters(store_.arena(), 1, 99);
  const uint32_t held = Add("(place)", kStart, UpstreamKind::kPlace);
  const FailureRows remembered = store_.Remember(held);
  EXPECT_EQ(store_.RowOf(remembered), held);
  const uint32_t peer = store_.FindOrAddPeer(held, "10.0.0.1:80", kStart);
  store_.AddRequest(held, 0, kStart, 1);
  store_.AddFailedAttempt(held, peer, 0, kStart, {.response_time = 1});
  store_.AddResponse(held, 502, Origin::kNginx, kStart);
  ++failed_;
  Load(0, rows_ - 1, kStart + kHourMs);
  const int64_t later = kStart + 3 * kDay;
  Load(1000, rows_, later);  // all must wait
  EXPECT_EQ(store_.RowOf(remembered), kOtherUpstream);
  FailAt(held, "(place)", later);  // goes on
  EXPECT_EQ(FailuresOf("(other)", Take(later)), 2U);
  Add("new", later + kDay);
  EXPECT_FALSE(Has("new", Take(later + kDay)));
  EXPECT_FALSE(store_.HasRoomForUpstream());
  PassRound(store_.arena(), writer);
  // Not each request of one without a row goes through all.
  EXPECT_EQ(Add("new", later + kDay + 999), kOtherUpstream);
  EXPECT_TRUE(store_.HasRoomForUpstream());
  const uint32_t row = Add("new", later + kDay);
  EXPECT_NE(row, kOtherUpstream);
  EXPECT_EQ(store_.RowOf(remembered), kOtherUpstream);
  const Snapshot snapshot = Take(later + kDay);
  EXPECT_EQ(FailuresOf("new", snapshot), 0U);
  EXPECT_EQ(FailuresOf("(other)", snapshot), 2U);
}

// A note of an upstream that went is nobody's while its row is laid out anew.
TEST_F(EvictUpstreamsTest, ARowInTheMakingIsNobodys) {
  const SharedMemory memory(size_t{1} << 20);
  Store store = Store::Create(memory.data(), memory.size(), kRings, kStart);
  const uint32_t row = store.FindOrAddUpstream("old", Protocol::kHttp);
  const FailureRows old = store.Remember(row);
  EXPECT_EQ(store.RowOf(old), row);
  UpstreamRow* upstream = store.arena().upstreams + row;
  upstream->state.store(kRetired);
  SteppedChild child([] {},
                     [upstream] {
                       FillUpstream(upstream, HashText(0, "new", 3), "new",
                                    Protocol::kGrpc);
                     });
  const int changes = StepThrough(
      &child, memory, [&] { EXPECT_EQ(store.RowOf(old), kOtherUpstream); });
  EXPECT_TRUE(child.EndedWell());
  EXPECT_GT(changes, 4);
  EXPECT_FALSE(IsRetired(*upstream));
}

// Whoever takes rows out of use is killed at any instruction: the next one goes
// on.
TEST_F(EvictUpstreamsTest, AKillLosesNoRow) {
  const SharedMemory memory(Arena::MinimumSize(kRings) + 12 * 12288);
  Store store = Store::Create(memory.data(), memory.size(), kRings, kStart);
  store.SetInactive(kDay);
  const uint32_t rows = store.arena().capacity.upstreams - 2;
  for (uint32_t i = 0; i < rows; ++i) {
    const uint32_t row = store.FindOrAddUpstream(
        Name(i), Protocol::kHttp,
        i % 4 == 0 ? UpstreamKind::kResolved : UpstreamKind::kConfigured,
        kStart);
    ASSERT_NE(row, kOtherUpstream);
    store.AddRequest(row, 0, kStart, 1);
    store.AddAttempt(store.FindOrAddPeer(row, "10.0.0.1:80", kStart), 0, kStart,
                     true);
  }
  const uint64_t counted = store.arena().header->resolved.load();
  ASSERT_GT(rows, 8U);
  ASSERT_GT(counted, 1U);
  const int64_t later = kStart + 2 * kDay;
  store.NoteLoad(later);
  SteppedChild child([] {}, [&store, later] { store.KeepReserve(later); });
  const SharedMemory copy(memory.size());
  const int changes = StepThrough(&child, memory, [&] {
    std::memcpy(copy.data(), memory.data(), memory.size());
    Store left = *Store::Attach(copy.data(), copy.size(), kRings);
    for (int64_t minute = 1; minute <= 3; ++minute) {
      left.KeepReserve(later + minute * kMinuteMs + 1000);
    }
    const int64_t then = later + kHourMs;
    for (uint32_t i = 0; i < rows; ++i) {
      ASSERT_NE(left.FindOrAddUpstream("new" + Name(i), Protocol::kHttp,
                                       UpstreamKind::kConfigured,
                                       then + i * kMinuteMs * 2),
                kOtherUpstream)
          << i;
    }
    // Between the last two instructions that say so of one row.
    EXPECT_LE(left.arena().header->resolved.load(), 1U);
    EXPECT_GE(left.arena().header->evicted.load(), rows - 1);
  });
  EXPECT_TRUE(child.EndedWell());
  EXPECT_GT(changes, 10);
}

TEST_F(EvictUpstreamsTest, EventsAndIncidentsKeepTheName) {
  Load(0, rows_, kStart);
  for (int i = 0; i < 3; ++i) {
    Fail(Name(0), kStart);
  }
  Load(1000, rows_, kStart + 3 * kDay);
  Fail(Name(1000), kStart + 3 * kDay);
  const Snapshot snapshot = Take(kStart + 3 * kDay);
  ASSERT_FALSE(Has(Name(0), snapshot));
  EXPECT_EQ(snapshot.events.at(0).upstream, Name(1000));
  EXPECT_EQ(snapshot.events.at(3).upstream, Name(0));
  EXPECT_EQ(snapshot.incidents.at(0).upstream, Name(0));
  EXPECT_FALSE(snapshot.incidents.at(0).open);
  EXPECT_EQ(snapshot.incidents.at(0).failures, 3U);
}

TEST_F(EvictUpstreamsTest, HistoryGoesAlong) {
  Load(0, 1, kStart);
  for (int i = 0; i < 4; ++i) {
    Fail(Name(0), kStart + i * kHourMs);
  }
  Load(1, rows_ - 1, kStart + 4 * kHourMs);
  const int64_t later = kStart + 30 * kHourMs;
  Fail(Name(1), later);
  const Snapshot before = Take(later);
  Load(1000, rows_, later);
  const Snapshot after = Take(later);
  ASSERT_FALSE(Has(Name(0), after));
  EXPECT_EQ(before.totals.requests_hours, after.totals.requests_hours);
  EXPECT_EQ(before.totals.requests_history.buckets,
            after.totals.requests_history.buckets);
}

// 1000 names through a quarter of a small zone.
TEST_F(EvictUpstreamsTest, WhatTargetsResolveToComesAndGoes) {
  Load(0, rows_ / 2, kStart);
  int64_t now = kStart;
  for (uint32_t i = 0; i < 1000; ++i) {
    now += 3 * kHourMs;
    Fail("host" + std::to_string(i), now, UpstreamKind::kResolved);
    if (i % 50 == 49) {
      const Snapshot snapshot = Take(now);
      EXPECT_TRUE(Has("host" + std::to_string(i), snapshot));
      EXPECT_TRUE(Has(Name(0), snapshot));
    }
  }
  EXPECT_EQ(store_.arena().header->overflow.load(), 0U);
  EXPECT_LE(store_.arena().header->resolved.load(),
            store_.arena().capacity.upstreams / kChosenShare);
}

TEST_F(EvictUpstreamsTest, ARestartKeepsWhatWent) {
  Load(0, rows_, kStart);
  for (uint32_t i = 0; i < rows_; ++i) {
    Fail(Name(i), kStart);
  }
  const uint32_t writer = JoinWriters(store_.arena(), 1, 99);
  Load(1000, 1, kStart + 3 * kDay);
  EXPECT_NE(writer, kNoWriter);
  const uint64_t other = FailuresOf("(other)", Take(kStart + 3 * kDay));
  EXPECT_GT(other, 0U);
  Arena arena = store_.arena();
  Mend(&arena);
  EXPECT_EQ(FailuresOf("(other)", Take(kStart + 3 * kDay)), other);
  EXPECT_NE(Add("new", kStart + 3 * kDay), kOtherUpstream);
  Take(kStart + 3 * kDay);
}

}  // namespace
}  // namespace upstream_502
