// Rows that come and go: sums stay exact, and what is used keeps its row.

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "store/stepped_child.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr int64_t kStart = 1763675000000;
constexpr int64_t kHour = 60 * kMinuteMs;
constexpr Rings kRings = {.events = 16, .incidents = 4};

class EvictTest : public testing::Test {
 protected:
  explicit EvictTest(size_t size = size_t{9} << 20)
      : memory_(new (std::align_val_t{4096}) char[size]()) {
    store_ = Store::Create(memory_, size, kRings, kStart);
    store_.SetInactive(24 * kHour);
    upstream_ = store_.FindOrAddUpstream("app", Protocol::kHttp);
  }
  ~EvictTest() override { operator delete[](memory_, std::align_val_t{4096}); }

  uint32_t Use(const std::string& addr, int64_t now_ms, bool fails = false) {
    const uint32_t peer = store_.FindOrAddPeer(upstream_, addr, now_ms);
    Count(peer, now_ms, fails);
    return peer;
  }
  void Count(uint32_t peer, int64_t now_ms, bool fails = false) {
    store_.AddRequest(upstream_, 0, now_ms, 1);
    if (fails) {
      store_.AddFailedAttempt(upstream_, peer, 0, now_ms, {.time_ms = now_ms});
    } else {
      store_.AddAttempt(peer, 0, now_ms, true);
    }
  }

  UpstreamStats Take(int64_t now_ms) const { return TakeFrom(store_, now_ms); }
  static UpstreamStats TakeFrom(const Store& store, int64_t now_ms) {
    Snapshot snapshot;
    Copy(store, now_ms, &snapshot);
    return snapshot.upstreams.front();
  }

  // Its attempts are those of its peers.
  static void ExpectBalance(const UpstreamStats& stats) {
    uint64_t attempts = 0;
    uint64_t failures = 0;
    for (const PeerStats& peer : stats.peers) {
      attempts += peer.attempts;
      failures += peer.failures;
    }
    EXPECT_EQ(attempts, stats.attempts);
    EXPECT_EQ(failures, stats.failures);
  }

  static bool Has(const UpstreamStats& stats, const std::string& addr) {
    return std::any_of(
        stats.peers.begin(), stats.peers.end(),
        [&addr](const PeerStats& peer) { return peer.addr == addr; });
  }

  char* memory_;
  Store store_;
  uint32_t upstream_ = 0;
};

std::string Addr(uint32_t i) { return "10.0.0.1:" + std::to_string(i); }

// 100,000 peers, each of which is used for some hours, through a zone for some
// 3,000.
TEST_F(EvictTest, LetsPeersComeAndGo) {
  const uint32_t room = store_.arena().capacity.peers;
  ASSERT_GT(room, 2000U);
  constexpr uint32_t kPeers = 100000;
  const uint32_t active = room / 8;  // at any time
  const int64_t step = 36 * kHour / room;
  std::mt19937 random(502);
  int64_t now = kStart;
  uint64_t most = 0;
  for (uint32_t newest = 0; newest < kPeers; ++newest) {
    now += step;
    Use(Addr(newest), now, newest % 7 == 0);
    for (int i = 0; i < 3; ++i) {
      const uint32_t back =
          static_cast<uint32_t>(random()) % std::min(active, newest + 1);
      Use(Addr(newest - back), now, random() % 5 == 0);
    }
    if (newest % 5000 == 4999) {
      const UpstreamStats stats = Take(now);
      ExpectBalance(stats);
      most = std::max<uint64_t>(most, stats.peers.size());
      // Within the last hour.
      for (int64_t at = 0; at * step < kHour; ++at) {
        EXPECT_TRUE(Has(stats, Addr(newest - static_cast<uint32_t>(at))));
      }
    }
  }
  const UpstreamStats stats = Take(now);
  ExpectBalance(stats);
  EXPECT_EQ(stats.attempts, uint64_t{4} * kPeers);
  EXPECT_LE(most, room + 1);
  EXPECT_GT(store_.arena().header->evicted.load(), kPeers - 2 * room);
  EXPECT_EQ(store_.arena().header->overflow.load(), 0U);
}

TEST_F(EvictTest, KeepsWhatIsUsed) {
  const uint32_t room = store_.arena().capacity.peers;
  for (uint32_t i = 0; i < room; ++i) {
    Use(Addr(i), kStart);
  }
  // A full zone in which everything is used: no room.
  const uint32_t late = Use("late", kStart + 23 * kHour);
  EXPECT_TRUE(store_.IsOther(late));
  EXPECT_EQ(store_.arena().header->evicted.load(), 0U);
  Use(Addr(7), kStart + 23 * kHour);
  Use("late", kStart + 25 * kHour);  // makes room,
  EXPECT_GT(store_.arena().header->evicted.load(), 0U);
  EXPECT_FALSE(store_.IsOther(Use("late", kStart + 26 * kHour)));
  const UpstreamStats stats = Take(kStart + 26 * kHour);
  EXPECT_TRUE(Has(stats, Addr(7)));
  ExpectBalance(stats);
}

// However long it was stopped between finding the row and adding to it.
TEST_F(EvictTest, CountsForOtherWhatALateWriterAdds) {
  const uint32_t writer = JoinWriters(store_.arena(), 1, 1);
  const uint32_t room = store_.arena().capacity.peers;
  const uint32_t held = Use(Addr(0), kStart);
  for (uint32_t i = 1; i < room; ++i) {
    Use(Addr(i), kStart + kHour);
  }
  const int64_t later = kStart + 26 * kHour;
  Use("new", later);
  EXPECT_FALSE(store_.IsPeer(held, upstream_, Addr(0).data(), Addr(0).size()));
  Count(held, later);  // found before
  UpstreamStats stats = Take(later);
  EXPECT_FALSE(Has(stats, Addr(0)));
  ExpectBalance(stats);
  for (uint32_t i = 0; i < 100; ++i) {
    const int64_t much_later = later + 100 * kHour + i;
    EXPECT_TRUE(
        store_.IsOther(Use("stranger" + std::to_string(i), much_later)));
  }
  Count(held, later + 200 * kHour);
  ExpectBalance(Take(later + 200 * kHour));
  PassRound(store_.arena(), writer);
  for (uint32_t i = 0; i < 100; ++i) {
    EXPECT_FALSE(store_.IsOther(
        Use("stranger" + std::to_string(i), later + 201 * kHour)));
  }
  stats = Take(later + 201 * kHour);
  ExpectBalance(stats);
  for (const PeerStats& peer : stats.peers) {
    EXPECT_TRUE(peer.addr == kOtherName || peer.attempts == 1) << peer.addr;
  }
}

// Rows that somebody was about to fill for a new peer.
uint32_t InTheMaking(const Arena& arena) {
  std::vector<bool> named(arena.capacity.peers);
  for (uint32_t i = 0; i < arena.capacity.peer_index; ++i) {
    if (const uint32_t row = arena.IndexedPeer(i); row != kNoPeer) {
      named[row] = true;
    }
  }
  uint32_t count = 0;
  for (uint32_t row = 0; row < arena.capacity.peers; ++row) {
    const uint32_t round = arena.peers[row].retired.load();
    count += !named[row] && (round == 0 || round == kTakenAgain) ? 1U : 0U;
  }
  return count;
}

// Whoever takes rows out of use is killed at any instruction: but for the one
// that it was about to fill, none is lost.
TEST_F(EvictTest, AKillLosesNoRow) {
  const SharedMemory memory(Arena::MinimumSize(kRings) + 4 * 12288);
  Store store = Store::Create(memory.data(), memory.size(), kRings, kStart);
  store.SetInactive(24 * kHour);
  const uint32_t upstream = store.FindOrAddUpstream("app", Protocol::kHttp);
  const auto use = [&](Store* used, const std::string& addr, int64_t now_ms) {
    const uint32_t peer = used->FindOrAddPeer(upstream, addr, now_ms);
    used->AddAttempt(peer, 0, now_ms, true);
    return !used->IsOther(peer);
  };
  const uint32_t room = store.arena().capacity.peers;
  ASSERT_GT(room, 16U);
  for (uint32_t i = 0; i < room; ++i) {
    ASSERT_TRUE(use(&store, Addr(i), kStart));
  }
  const int64_t later = kStart + 26 * kHour;
  SteppedChild child([] {}, [&] { use(&store, "new", later); });
  const SharedMemory copy(memory.size());
  const int changes = StepThrough(&child, memory, [&] {
    std::memcpy(copy.data(), memory.data(), memory.size());
    Store left = *Store::Attach(copy.data(), copy.size(), kRings);
    const uint32_t lost = InTheMaking(left.arena());
    EXPECT_LE(lost, 1U);
    const UpstreamStats stats = TakeFrom(left, later);
    const uint32_t came = Has(stats, "new") ? 1 : 0;
    for (uint32_t i = 0; i < room - lost - came; ++i) {
      // At the same time nearly: those that are new must stay.
      ASSERT_TRUE(use(&left, "next" + Addr(i), later + (i + 1) * 2000)) << i;
    }
  });
  EXPECT_TRUE(child.EndedWell());
  EXPECT_GT(changes, 10);
}

// What is set back to zero, was never counted, or lies ahead is used from now
// on, and goes once it is not.
TEST_F(EvictTest, LetsGoWhatHasNoTimeOfItsOwn) {
  const uint32_t room = store_.arena().capacity.peers;
  for (uint32_t i = 0; i < room; ++i) {
    Use(Addr(i), kStart);
  }
  store_.Reset(kStart + kHour);
  store_.arena().peers[5].minute.store(kStart + 10000 * kHour);
  EXPECT_TRUE(store_.IsOther(Use("early", kStart + 2 * kHour)));
  for (uint32_t i = 0; i < room; ++i) {
    ASSERT_FALSE(store_.IsOther(
        Use("new" + std::to_string(i), kStart + 30 * kHour + i * 2000)))
        << i;
  }
}

// Ways through the index stay short, however many have come and gone, and lead
// to whoever has come.
TEST_F(EvictTest, FindsItsWayAfterManyHaveGone) {
  const SharedMemory memory(Arena::MinimumSize(kRings) + 38 * 8832);
  Store store = Store::Create(memory.data(), memory.size(), kRings, kStart);
  store.SetInactive(kHour);
  const Arena& arena = store.arena();
  ASSERT_GT(arena.capacity.peers, 100U);
  const uint32_t upstream = store.FindOrAddUpstream("app", Protocol::kHttp);
  int64_t now = kStart;
  for (uint32_t i = 0; i < 1000 * arena.capacity.peers; ++i) {
    now += kMinuteMs;
    const uint32_t row = store.FindOrAddPeer(upstream, Addr(i), now);
    store.AddAttempt(row, 0, now, true);
    ASSERT_EQ(store.FindOrAddPeer(upstream, Addr(i), now), row) << i;
  }
  EXPECT_EQ(arena.header->overflow.load(), 0U);
  uint32_t longest = 0;
  uint32_t way = 0;
  for (uint32_t i = 0; i < 2 * arena.capacity.peer_index; ++i) {
    const bool ends =
        arena.peer_index[i % arena.capacity.peer_index].load() == 0;
    way = ends ? 0 : way + 1;
    longest = std::max(longest, way);
  }
  EXPECT_LT(longest, arena.capacity.peer_index / 4);
}

TEST_F(EvictTest, FindsAReturningPeerAgain) {
  const uint32_t row = Use("10.0.0.9:80", kStart);
  EXPECT_EQ(Use("10.0.0.9:80", kStart + 100 * kHour), row);
}

TEST_F(EvictTest, NeverWithoutATime) {
  store_.SetInactive(0);
  const uint32_t room = store_.arena().capacity.peers;
  for (uint32_t i = 0; i < room + 10; ++i) {
    Use(Addr(i), kStart + i * kHour);
  }
  EXPECT_EQ(store_.arena().header->evicted.load(), 0U);
  EXPECT_EQ(store_.arena().header->overflow.load(), 10U);
}

}  // namespace
}  // namespace upstream_502
