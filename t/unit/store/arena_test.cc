#include "upstream_502/store/arena.h"

#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

constexpr int64_t kNow = 1700000000000;
constexpr uint32_t kEvents = 8;

class AttachTest : public testing::Test {
 protected:
  AttachTest() {
    upstream_ = store_.FindOrAddUpstream("u", Protocol::kHttp);
    peer_ = store_.FindOrAddPeer(upstream_, "p");
    store_.AddRequest(upstream_, 0, kNow, 1);
    store_.AddFailedAttempt(upstream_, peer_, 0, kNow,
                            {.cause = Cause::kReadTimeout});
    store_.WriteEvent(store_.ReserveEvents(1), {.cause = Cause::kReadTimeout},
                      {.message = "the message"});
  }

  std::optional<Store> AttachHere() const {
    const auto store = Store::Attach(memory_.data(), memory_.size(), {kEvents});
    return store ? std::optional<Store>(*store) : std::nullopt;
  }

  Header& header() { return *store_.arena().header; }
  UpstreamRow& upstream() { return store_.arena().upstreams[upstream_]; }
  PeerRow& peer() { return store_.arena().peers[peer_]; }

  const SharedMemory memory_{size_t{1} << 20};
  Store store_ = Store::Create(memory_.data(), memory_.size(), {kEvents}, kNow);
  uint32_t upstream_ = 0;
  uint32_t peer_ = 0;
};

TEST_F(AttachTest, FindsEverythingAtAnotherAddress) {
  auto store = Store::Attach(memory_.Map(), memory_.size(), {kEvents});
  ASSERT_TRUE(store.has_value());
  ASSERT_NE(store->arena().header, store_.arena().header);
  Snapshot snapshot;
  Copy(*store, kNow, &snapshot);
  EXPECT_EQ(snapshot.totals.requests, 1U);
  ASSERT_EQ(snapshot.events.size(), 1U);
  EXPECT_EQ(snapshot.events[0].message, "the message");
  EXPECT_EQ(store->FindOrAddUpstream("u", Protocol::kHttp), upstream_);
  EXPECT_EQ(store->FindOrAddPeer(upstream_, "p"), peer_);
  // Both go on with the same memory.
  EXPECT_EQ(store_.FindOrAddPeer(upstream_, "q"),
            store->FindOrAddPeer(upstream_, "q"));
  EXPECT_EQ(store->ReserveEvents(1), 2U);
}

TEST_F(AttachTest, OutlivesTheProcessThatLaidItOut) {
  const SharedMemory memory(size_t{1} << 20);
  EXPECT_TRUE(EndedWell(Fork([&memory] {
    Store store = Store::Create(memory.data(), memory.size(), {4}, kNow);
    store.AddRequest(store.FindOrAddUpstream("u", Protocol::kHttp), 0, kNow, 1);
  })));
  const auto store = Store::Attach(memory.Map(), memory.size(), {4});
  ASSERT_TRUE(store.has_value());
  Snapshot snapshot;
  Copy(*store, kNow, &snapshot);
  EXPECT_EQ(snapshot.totals.requests, 1U);
}

TEST_F(AttachTest, RefusesMemoryThatIsNoStore) {
  const SharedMemory junk(size_t{1} << 20);
  EXPECT_FALSE(Store::Attach(junk.data(), junk.size(), {kEvents}).has_value());
  std::memset(junk.data(), 0, junk.size());
  EXPECT_FALSE(Store::Attach(junk.data(), junk.size(), {kEvents}).has_value());
  EXPECT_FALSE(Store::Attach(junk.data(), 64, {kEvents}).has_value());
}

TEST_F(AttachTest, RefusesAnotherSizeOrOtherRings) {
  EXPECT_TRUE(AttachHere().has_value());
  EXPECT_FALSE(Store::Attach(memory_.data(), memory_.size() - 4096, {kEvents}));
  EXPECT_FALSE(Store::Attach(memory_.data(), memory_.size(), {kEvents + 1}));
  EXPECT_FALSE(Store::Attach(memory_.data(), memory_.size(), {UINT32_MAX}));
  EXPECT_FALSE(Store::Attach(memory_.data(), memory_.size(), {kEvents, 127}));
}

TEST_F(AttachTest, RefusesAnotherLayout) {
  ++header().layout;
  EXPECT_FALSE(AttachHere().has_value());
  --header().layout;
  EXPECT_TRUE(AttachHere().has_value());
  header().magic = 0;  // killed while laying it out
  EXPECT_FALSE(AttachHere().has_value());
}

TEST_F(AttachTest, RefusesWhatIsOutOfBounds) {
  const auto refuses = [this](auto& field, auto value) {
    const auto saved = static_cast<decltype(value)>(field);
    field = value;
    const bool refused = !AttachHere().has_value();
    field = saved;
    return refused;
  };
  Capacity& capacity = header().capacity;
  EXPECT_TRUE(refuses(capacity.upstreams, capacity.upstreams + 1));
  EXPECT_TRUE(refuses(capacity.peers, UINT32_MAX));
  EXPECT_TRUE(refuses(capacity.upstream_index, uint32_t{0}));
  EXPECT_TRUE(refuses(capacity.peer_index, capacity.peer_index * 2));
  EXPECT_TRUE(refuses(header().upstreams, capacity.upstreams + 1));
  EXPECT_TRUE(refuses(header().peers, UINT32_MAX));
  EXPECT_TRUE(refuses(upstream().name_length,
                      static_cast<uint32_t>(kUpstreamNameMax + 1)));
  EXPECT_TRUE(
      refuses(peer().addr_length, static_cast<uint16_t>(kPeerNameMax + 1)));
  EXPECT_TRUE(refuses(peer().upstream, capacity.upstreams));
  EXPECT_TRUE(AttachHere().has_value());
}

TEST_F(AttachTest, RefusesAnIndexThatPointsOutside) {
  auto* words = reinterpret_cast<Word*>(memory_.data() + sizeof(Header));
  const auto* end = reinterpret_cast<const Word*>(&store_.arena().upstreams[0]);
  int refused = 0;
  for (Word* word = words; word < end; ++word) {
    if (const uint32_t saved = *word; saved != 0) {
      *word = header().capacity.peers + 1;
      EXPECT_FALSE(AttachHere().has_value());
      *word = saved;
      ++refused;
    }
  }
  EXPECT_EQ(refused, 2);
}

TEST_F(AttachTest, ReadsWhatANewerBinaryWroteAsUnknown) {
  upstream().protocol = 200;
  peer().last_cause = 200;
  Snapshot snapshot;
  Copy(store_, kNow, &snapshot);
  EXPECT_EQ(snapshot.upstreams[0].protocol, Protocol::kUnknown);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].last_cause, Cause::kUnknown);
}

TEST_F(AttachTest, FindsItsRowsThroughTheIndex) {
  const Arena& arena = store_.arena();
  int upstreams = 0;
  for (uint32_t i = 0; i < arena.capacity.upstream_index; ++i) {
    if (arena.IndexedUpstream(i) != kNoPeer) {
      EXPECT_EQ(arena.IndexedUpstream(i), upstream_);
      ++upstreams;
    }
  }
  int peers = 0;
  for (uint32_t i = 0; i < arena.capacity.peer_index; ++i) {
    if (arena.IndexedPeer(i) != kNoPeer) {
      EXPECT_EQ(arena.IndexedPeer(i), peer_);
      ++peers;
    }
  }
  EXPECT_EQ(upstreams, 1);
  EXPECT_EQ(peers, 1);
  EXPECT_EQ(arena.OtherPeer(upstream_), arena.capacity.peers + upstream_);
}

TEST_F(AttachTest, NamesItsRows) {
  const Arena& arena = store_.arena();
  EXPECT_EQ(NameOf(upstream()), "u");
  EXPECT_EQ(NameOf(peer()), "p");
  EXPECT_EQ(NameOf(arena.upstreams[kOtherUpstream]), kOtherName);
  EXPECT_EQ(NameOf(arena.upstreams[kNoUpstream]), kNoneName);
  EXPECT_EQ(NameOf(arena.peers[arena.OtherPeer(upstream_)]), kOtherName);
  // Whatever another process has left there.
  upstream().name_length = UINT32_MAX;
  peer().addr_length = UINT16_MAX;
  EXPECT_EQ(NameOf(upstream()).size(), kUpstreamNameMax);
  EXPECT_EQ(NameOf(peer()).size(), kPeerNameMax);
}

TEST_F(AttachTest, KeepsItsRowsAndIdsOverAReset) {
  Arena arena = store_.arena();
  arena.Reset(kNow + 1);
  EXPECT_EQ(arena.header->start_time.load(), kNow + 1);
  EXPECT_EQ(arena.header->events.load(), 1U);
  EXPECT_EQ(arena.header->events_floor.load(), 1U);
  EXPECT_EQ(NameOf(peer()), "p");
  EXPECT_EQ(peer().causes[static_cast<size_t>(Cause::kReadTimeout)].load(), 0U);
  EXPECT_TRUE(AttachHere().has_value());
}

// Whatever stands in the memory: it is refused, or can be worked with.
TEST_F(AttachTest, SurvivesAnyBytes) {
  const std::string good(memory_.data(), memory_.size());
  const auto peers_end = static_cast<uint64_t>(
      reinterpret_cast<const char*>(&store_.arena().peers[peer_ + 1]) -
      memory_.data());
  uint64_t random = 502;
  int attached = 0;
  for (int round = 0; round < 1500; ++round) {
    std::memcpy(memory_.data(), good.data(), good.size());
    for (int i = 0; i <= round % 4; ++i) {
      random = random * 6364136223846793005 + 1442695040888963407;
      const uint64_t at = (random >> 20) % (peers_end / 4) * 4;
      const auto value = static_cast<uint32_t>(random >> (random >> 59));
      std::memcpy(memory_.data() + at, &value, sizeof(value));
    }
    auto store = AttachHere();
    if (!store) {
      continue;
    }
    ++attached;
    Snapshot snapshot;
    Copy(*store, kNow, &snapshot);
    const uint32_t row = store->FindOrAddUpstream("new", Protocol::kHttp);
    store->AddAttempt(store->FindOrAddPeer(row, "new"), 0, kNow, true);
    store->AddFailedAttempt(row, kNoPeer, 0, kNow, {});
    store->Reset(kNow);
    Copy(*store, kNow, &snapshot);
  }
  EXPECT_GT(attached, 100);
  EXPECT_LT(attached, 1500);
}

}  // namespace
}  // namespace upstream_502
