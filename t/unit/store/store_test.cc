#include "upstream_502/store/store.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "upstream_502/store/copy.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1700000000000;
constexpr uint32_t kEvents = 16;

class StoreTest : public testing::Test {
 protected:
  Snapshot Take() const {
    Snapshot snapshot;
    Copy(store_, kNow, &snapshot);
    return snapshot;
  }

  const SharedMemory memory_{size_t{4} << 20};
  Store store_ = Store::Create(memory_.data(), memory_.size(), {kEvents}, kNow);
};

TEST_F(StoreTest, BeginsEmptyWhateverTheMemoryHeld) {
  const Snapshot snapshot = Take();
  EXPECT_TRUE(snapshot.upstreams.empty());
  EXPECT_TRUE(snapshot.events.empty());
  EXPECT_EQ(snapshot.zone.peers, 0U);
  EXPECT_EQ(snapshot.zone.events_total, 0U);
  EXPECT_EQ(snapshot.zone.overflow, 0U);
  EXPECT_EQ(snapshot.server.start_time, kNow);
  EXPECT_EQ(snapshot.server.load_time, 0);
  EXPECT_EQ(snapshot.server.generation, 0U);
  for (const Histogram& histogram : snapshot.totals.time_to_failure) {
    EXPECT_EQ(histogram.count, 0U);
  }
}

TEST_F(StoreTest, RowsBeginEmptyWhateverTheMemoryHeld) {
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kGrpc);
  store_.FindOrAddPeer(upstream, "p");
  const Snapshot snapshot = Take();
  ASSERT_EQ(snapshot.upstreams.size(), 1U);
  const UpstreamStats& stats = snapshot.upstreams[0];
  EXPECT_FALSE(stats.seen);
  EXPECT_EQ(stats.protocol, Protocol::kGrpc);
  EXPECT_EQ(stats.requests + stats.attempts + stats.failures + stats.rescued,
            0U);
  EXPECT_EQ(SumResponses(stats.responses), 0U);
  EXPECT_EQ(stats.time_to_failure.count + stats.time_to_failure.sum, 0U);
  for (const Minute& minute : stats.history.buckets) {
    EXPECT_EQ(minute.requests + minute.failures + minute.responses_502, 0U);
  }
  ASSERT_EQ(stats.peers.size(), 1U);
  EXPECT_EQ(stats.peers[0].attempts + stats.peers[0].failures, 0U);
  EXPECT_EQ(stats.peers[0].last_success, 0);
  EXPECT_EQ(stats.peers[0].first_failure, 0);
  EXPECT_EQ(stats.peers[0].last_failure, 0);
}

TEST_F(StoreTest, FindsARowAgainByItsName) {
  const uint32_t one = store_.FindOrAddUpstream("one", Protocol::kHttp);
  const uint32_t two = store_.FindOrAddUpstream("two", Protocol::kHttp);
  EXPECT_NE(one, two);
  EXPECT_EQ(store_.FindOrAddUpstream("one", Protocol::kHttp), one);
  const uint32_t peer = store_.FindOrAddPeer(one, "127.0.0.1:80");
  EXPECT_EQ(store_.FindOrAddPeer(one, "127.0.0.1:80"), peer);
  EXPECT_NE(store_.FindOrAddPeer(one, "127.0.0.1:81"), peer);
  EXPECT_NE(store_.FindOrAddPeer(two, "127.0.0.1:80"), peer);
}

TEST_F(StoreTest, KeepsNamesThatClientsChooseWithinTheirShare) {
  const uint32_t share = store_.arena().capacity.upstreams / kChosenShare;
  const auto resolved = [this](uint32_t i) {
    return store_.FindOrAddUpstream("host" + std::to_string(i), Protocol::kHttp,
                                    UpstreamKind::kResolved);
  };
  for (uint32_t i = 0; i < share; ++i) {
    EXPECT_NE(resolved(i), kOtherUpstream) << i;
  }
  EXPECT_EQ(resolved(share), kOtherUpstream);
  EXPECT_NE(resolved(0), kOtherUpstream);
  EXPECT_EQ(store_.arena().header->overflow.load(), 1U);
  const uint32_t configured = store_.FindOrAddUpstream("u", Protocol::kHttp);
  EXPECT_NE(configured, kOtherUpstream);
  // What was resolved and is configured now makes room for another.
  EXPECT_NE(store_.FindOrAddUpstream("host0", Protocol::kHttp), kOtherUpstream);
  EXPECT_NE(resolved(share), kOtherUpstream);
  EXPECT_EQ(resolved(share + 1), kOtherUpstream);
}

TEST_F(StoreTest, KeepsPeersThatClientsChooseWithinTheirShare) {
  const uint32_t place =
      store_.FindOrAddUpstream("(a /)", Protocol::kHttp, UpstreamKind::kPlace);
  const uint32_t share = store_.arena().capacity.peers / kChosenShare;
  for (uint32_t i = 0; i <= share; ++i) {
    const uint32_t peer = store_.FindOrAddPeer(place, std::to_string(i));
    EXPECT_EQ(store_.IsOther(peer), i == share) << i;
  }
  const uint32_t configured = store_.FindOrAddUpstream("u", Protocol::kHttp);
  EXPECT_FALSE(store_.IsOther(store_.FindOrAddPeer(configured, "10.0.0.1:80")));
}

TEST_F(StoreTest, TellsNamesOfAnyLengthApart) {
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  std::set<uint32_t> rows;
  std::vector<std::string> names;
  for (size_t length = 0; length <= 40; ++length) {
    names.emplace_back(length, 'a');
    for (size_t at = 0; at < length; ++at) {
      names.push_back(names[names.size() - 1 - at]);
      names.back()[at] = '\0';
    }
  }
  for (const std::string& name : names) {
    rows.insert(store_.FindOrAddPeer(upstream, name));
  }
  EXPECT_EQ(rows.size(), names.size());
  for (const std::string& name : names) {
    rows.erase(store_.FindOrAddPeer(upstream, name));
  }
  EXPECT_TRUE(rows.empty());
}

TEST_F(StoreTest, TellsNamesApartWhoseHashesAreTheSame) {
  // The hash of eight bytes is the upper half of a product, so that a name
  // can be found for any product: one that differs in the lower half only.
  constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;
  uint64_t inverse = kFactor;
  for (int i = 0; i < 6; ++i) {
    inverse *= 2 - kFactor * inverse;
  }
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  const uint64_t seed = upstream + 8;
  uint64_t word;
  std::memcpy(&word, "10.0.0.1", sizeof(word));
  const uint64_t other = ((((word ^ seed) * kFactor) ^ 1) * inverse) ^ seed;
  const std::string name(reinterpret_cast<const char*>(&other), sizeof(other));
  EXPECT_EQ(store_.FindOrAddPeer(upstream, "10.0.0.1"), 0U);
  EXPECT_EQ(store_.FindOrAddPeer(upstream, name), 1U);
  EXPECT_EQ(store_.FindOrAddPeer(upstream, "10.0.0.1"), 0U);
  EXPECT_EQ(store_.FindOrAddPeer(upstream, name), 1U);
  EXPECT_EQ(store_.arena().peers[0].hash, store_.arena().peers[1].hash);
}

TEST_F(StoreTest, CutsLongNamesAtACharacter) {
  std::string name(kUpstreamNameMax - 1, 'n');
  name += "\xC3\xA9 and more";
  const uint32_t row = store_.FindOrAddUpstream(name, Protocol::kHttp);
  EXPECT_EQ(store_.FindOrAddUpstream(name, Protocol::kHttp), row);
  const uint32_t peer = store_.FindOrAddPeer(row, name);
  EXPECT_EQ(store_.FindOrAddPeer(row, name), peer);
  const Snapshot snapshot = Take();
  ASSERT_EQ(snapshot.upstreams.size(), 1U);
  EXPECT_EQ(snapshot.upstreams[0].name, std::string(kUpstreamNameMax - 1, 'n'));
  EXPECT_EQ(snapshot.upstreams[0].peers[0].addr,
            std::string(kPeerNameMax, 'n'));
}

TEST_F(StoreTest, KnowsItsReservedRows) {
  EXPECT_EQ(store_.arena().header->upstreams.load(), 2U);
  store_.AddResponse(kNoUpstream, 502, Origin::kConfig, kNow);
  store_.AddRequest(kOtherUpstream, 0, kNow, 1);
  const Snapshot snapshot = Take();
  ASSERT_EQ(snapshot.upstreams.size(), 2U);
  EXPECT_EQ(snapshot.upstreams[0].name, "(none)");
  EXPECT_EQ(snapshot.upstreams[1].name, "(other)");
}

TEST_F(StoreTest, TakesTheFirstProtocolThatIsSaid) {
  const uint32_t row = store_.FindOrAddUpstream("u", Protocol::kUnknown);
  store_.SetProtocol(row, Protocol::kUnknown);
  store_.SetProtocol(row, Protocol::kFastcgi);
  store_.SetProtocol(row, Protocol::kHttp);
  EXPECT_EQ(Take().upstreams[0].protocol, Protocol::kFastcgi);
}

TEST_F(StoreTest, SpreadsPeersThatDifferInTheirLastCharacters) {
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  const uint32_t peers = 300;
  for (uint32_t i = 0; i < peers; ++i) {
    store_.FindOrAddPeer(upstream, absl::StrCat("10.0.0.1:", 8000 + i));
  }
  // A run of rows is what a search walks through.
  uint32_t run = 0;
  uint32_t longest = 0;
  for (uint32_t i = 0; i < store_.arena().header->capacity.peer_index; ++i) {
    run = store_.arena().IndexedPeer(i) == kNoPeer ? 0 : run + 1;
    longest = std::max(longest, run);
  }
  EXPECT_EQ(store_.arena().header->peers.load(), peers);
  EXPECT_LT(longest, 40U);
}

TEST_F(StoreTest, CountsUnderOtherWhenPeersAreFull) {
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  const uint32_t capacity = store_.arena().header->capacity.peers;
  for (uint32_t i = 0; i < capacity; ++i) {
    EXPECT_FALSE(store_.IsOther(
        store_.FindOrAddPeer(upstream, absl::StrCat("10.0.0.1:", i))));
  }
  EXPECT_EQ(Take().zone.overflow, 0U);
  const uint32_t other = store_.FindOrAddPeer(upstream, "10.0.0.2:80");
  EXPECT_TRUE(store_.IsOther(other));
  EXPECT_EQ(store_.FindOrAddPeer(upstream, "10.0.0.3:80"), other);
  store_.AddAttempt(other, 0, kNow, true);
  const Snapshot snapshot = Take();
  EXPECT_EQ(snapshot.zone.overflow, 2U);
  EXPECT_EQ(snapshot.zone.peers, capacity);
  EXPECT_EQ(snapshot.zone.peers_max, capacity);
  ASSERT_EQ(snapshot.upstreams[0].peers.size(), capacity + 1);
  EXPECT_EQ(snapshot.upstreams[0].peers.back().addr, "(other)");
  EXPECT_EQ(snapshot.upstreams[0].peers.back().attempts, 1U);
  // Those that were there before are still found.
  EXPECT_FALSE(store_.IsOther(store_.FindOrAddPeer(upstream, "10.0.0.1:0")));
}

TEST_F(StoreTest, CountsUnderOtherWhenUpstreamsAreFull) {
  const uint32_t capacity = store_.arena().header->capacity.upstreams;
  for (uint32_t i = 2; i < capacity; ++i) {
    EXPECT_NE(store_.FindOrAddUpstream(absl::StrCat(i), Protocol::kHttp),
              kOtherUpstream);
  }
  EXPECT_EQ(store_.FindOrAddUpstream("more", Protocol::kHttp), kOtherUpstream);
  const uint32_t peer = store_.FindOrAddPeer(kOtherUpstream, "10.0.0.2:80");
  EXPECT_TRUE(store_.IsOther(peer));
  store_.AddRequest(kOtherUpstream, 0, kNow, 1);
  store_.AddAttempt(peer, 0, kNow, true);
  const Snapshot snapshot = Take();
  EXPECT_EQ(snapshot.zone.overflow, 1U);
  EXPECT_EQ(store_.arena().header->upstreams.load(), capacity);
  ASSERT_EQ(snapshot.upstreams.size(), capacity - 1);
  EXPECT_EQ(snapshot.upstreams[0].name, "(other)");
  EXPECT_EQ(snapshot.upstreams[0].peers[0].addr, "(other)");
}

TEST_F(StoreTest, WarnsOnceAMinuteWhileItOverflows) {
  EXPECT_FALSE(store_.TakeOverflowWarning(kNow));
  for (uint32_t i = 2; i <= store_.arena().header->capacity.upstreams; ++i) {
    store_.FindOrAddUpstream(absl::StrCat(i), Protocol::kHttp);
  }
  EXPECT_TRUE(store_.TakeOverflowWarning(kNow));
  store_.FindOrAddUpstream("more", Protocol::kHttp);
  EXPECT_FALSE(store_.TakeOverflowWarning(kNow + kMinuteMs - 1));
  EXPECT_TRUE(store_.TakeOverflowWarning(kNow + kMinuteMs));
  EXPECT_FALSE(store_.TakeOverflowWarning(kNow + 9 * kMinuteMs));
  // A clock that was set back must not silence it.
  store_.FindOrAddUpstream("more", Protocol::kHttp);
  EXPECT_TRUE(store_.TakeOverflowWarning(kNow - 9 * kMinuteMs));
}

TEST_F(StoreTest, KnowsARowByWhatItStandsFor) {
  const absl::string_view addr = "127.0.0.1:8080";
  const auto is_peer = [this](uint32_t peer, uint32_t upstream,
                              absl::string_view text) {
    return store_.IsPeer(peer, upstream, text.data(), text.size());
  };
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  const uint32_t other = store_.FindOrAddUpstream("v", Protocol::kHttp);
  const uint32_t peer = store_.FindOrAddPeer(upstream, addr);
  EXPECT_TRUE(is_peer(peer, upstream, addr));
  EXPECT_FALSE(is_peer(peer, other, addr));
  EXPECT_FALSE(is_peer(peer, upstream, "127.0.0.1:8081"));
  EXPECT_FALSE(is_peer(peer, upstream, "127.0.0.1:80800"));
  EXPECT_FALSE(is_peer(0, other, addr));
  EXPECT_FALSE(
      is_peer(store_.arena().OtherPeer(upstream), upstream, "(other)"));
  EXPECT_FALSE(is_peer(store_.FindOrAddPeer(upstream, "p"), upstream, "p"));
}

TEST_F(StoreTest, AddsSuccessesAndOtherAttempts) {
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  const uint32_t peer = store_.FindOrAddPeer(upstream, "127.0.0.1:8080");
  store_.AddRequest(upstream, 0, kNow, 1);
  store_.AddAttempt(peer, 0, kNow, false);
  EXPECT_EQ(Take().upstreams.at(0).peers.at(0).last_success, 0);
  store_.AddRequest(upstream, 9, kNow, 1);
  store_.AddAttempt(peer, 9, kNow, true);
  const Snapshot snapshot = Take();
  ASSERT_EQ(snapshot.upstreams.size(), 1U);
  const UpstreamStats& stats = snapshot.upstreams[0];
  EXPECT_EQ(stats.requests, 2U);
  EXPECT_EQ(stats.attempts, 2U);
  ASSERT_EQ(stats.peers.size(), 1U);
  EXPECT_EQ(stats.peers[0].attempts, 2U);
  EXPECT_EQ(stats.peers[0].last_success, kNow);
}

TEST(StoreSize, MinimumIsEnoughAndNothingBeyondIsTouched) {
  for (uint32_t events : {1U, 2U, 1000U}) {
    const SharedMemory memory((Arena::MinimumSize({events}) + 4095) / 4096 *
                              4096);
    Store store = Store::Create(memory.data(), memory.size(), {events}, kNow);
    const uint32_t row = store.FindOrAddUpstream("u", Protocol::kHttp);
    EXPECT_GT(row, kNoUpstream);
    EXPECT_FALSE(store.IsOther(store.FindOrAddPeer(row, "p")));
    for (uint32_t i = 0; i < 2 * events; ++i) {
      store.WriteEvent(store.ReserveEvents(1), {.cause = Cause::kUnknown}, {});
    }
    Snapshot snapshot;
    Copy(store, kNow, &snapshot);
    EXPECT_EQ(snapshot.zone.events, events);
    EXPECT_EQ(snapshot.zone.events_max, events);
    EXPECT_EQ(snapshot.zone.events_total, 2 * events);
  }
}

TEST(StoreSize, MoreMemoryHoldsMore) {
  uint32_t before = 0;
  for (size_t size = Arena::MinimumSize({64}); size < size_t{64} << 20;
       size += size / 2) {
    const SharedMemory memory(size);
    const Store store = Store::Create(memory.data(), size, {64}, kNow);
    EXPECT_GT(store.arena().header->capacity.peers, before);
    before = store.arena().header->capacity.peers;
  }
}

TEST_F(StoreTest, ResetForgetsCountsButNotRowsNorIds) {
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  const uint32_t peer = store_.FindOrAddPeer(upstream, "p");
  store_.NoteLoad(kNow - 5);
  store_.AddRequest(upstream, 1, kNow, 1);
  store_.AddAttempt(peer, 1, kNow, true);
  store_.AddFailedAttempt(upstream, peer, 0, kNow,
                          {.cause = Cause::kReadTimeout});
  store_.AddResponse(upstream, 504, Origin::kNginx, kNow);
  store_.AddRescued(upstream);
  const uint64_t pending = store_.ReserveEvents(1);
  store_.WriteEvent(store_.ReserveEvents(1), {}, {});
  store_.Reset(kNow);
  store_.WriteEvent(pending, {}, {});  // of before, written after
  const Snapshot snapshot = Take();
  EXPECT_TRUE(snapshot.events.empty());
  EXPECT_EQ(snapshot.server.start_time, kNow);
  EXPECT_EQ(snapshot.server.load_time, kNow - 5);
  EXPECT_EQ(snapshot.totals.requests + snapshot.totals.attempts +
                snapshot.totals.failures + snapshot.totals.rescued,
            0U);
  ASSERT_EQ(snapshot.upstreams.size(), 1U);
  EXPECT_TRUE(snapshot.upstreams[0].seen);
  EXPECT_EQ(SumResponses(snapshot.upstreams[0].responses), 0U);
  EXPECT_EQ(snapshot.upstreams[0].history.buckets.back().requests, 0U);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].last_success, 0);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].first_failure, 0);
  EXPECT_EQ(store_.FindOrAddPeer(upstream, "p"), peer);
  EXPECT_EQ(store_.ReserveEvents(1), 3U);
}

TEST_F(StoreTest, CountsTheMinuteAnewAfterAReset) {
  const uint32_t upstream = store_.FindOrAddUpstream("u", Protocol::kHttp);
  for (int i = 0; i < 5; ++i) {
    store_.AddRequest(upstream, 1, kNow - kMinuteMs, 1);
  }
  store_.AddRequest(upstream, 1, kNow, 1);
  store_.Reset(kNow);
  store_.AddRequest(upstream, 1, kNow, 1);
  const Snapshot snapshot = Take();
  EXPECT_EQ(snapshot.upstreams[0].requests, 1U);
  EXPECT_EQ(snapshot.upstreams[0].history.buckets.back().requests, 1U);
}

}  // namespace
}  // namespace upstream_502
