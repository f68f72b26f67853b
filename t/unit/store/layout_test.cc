#include "upstream_502/store/layout.h"

#include <type_traits>

#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

template <typename T>
constexpr bool kIsPlain =
    std::is_standard_layout_v<T>&& std::is_trivially_destructible_v<T> &&
    !std::is_polymorphic_v<T>;

TEST(Layout, IsPlainData) {
  EXPECT_TRUE(kIsPlain<Header>);
  EXPECT_TRUE(kIsPlain<UpstreamRow>);
  EXPECT_TRUE(kIsPlain<PeerRow>);
  EXPECT_TRUE(kIsPlain<EventSlot>);
  EXPECT_TRUE(kIsPlain<IncidentSlot>);
}

TEST(Layout, RowsAndShardsFillWholeCacheLines) {
  EXPECT_EQ(sizeof(Header) % kCacheLine, 0U);
  EXPECT_EQ(sizeof(UpstreamRow) % kCacheLine, 0U);
  EXPECT_EQ(sizeof(PeerRow) % kCacheLine, 0U);
  EXPECT_EQ(sizeof(EventSlot) % kCacheLine, 0U);
  EXPECT_EQ(sizeof(IncidentSlot) % kCacheLine, 0U);
  EXPECT_EQ(offsetof(UpstreamRow, shards) % kCacheLine, 0U);
  EXPECT_EQ(offsetof(PeerRow, shards) % kCacheLine, 0U);
}

// Where a new row takes the place of an old one, whose address it has yet.
TEST(Layout, RowsAreNobodysBeforeTheyAreFilled) {
  EXPECT_EQ(PeerRow().upstream.load(), kRetired);
  EXPECT_EQ(UpstreamRow().state.load(), kRetired);
}

TEST(Layout, LookupOfAPeerReadsOneCacheLine) {
  EXPECT_EQ(offsetof(PeerRow, hash) % kCacheLine, 0U);
  EXPECT_LE(offsetof(PeerRow, addr) + sizeof("[2001:db8::1234]:65535"),
            offsetof(PeerRow, hash) + kCacheLine);
}

TEST(Layout, RecentCausesAreThoseOfTheMinutesOfPeers) {
  EXPECT_EQ(kRecentMs * static_cast<int64_t>(kRecentSlots),
            kMinuteMs * static_cast<int64_t>(kPeerMinutes));
}

TEST(Layout, SaysItsSizes) {
  // Old and new binary share the memory during an upgrade: whoever changes
  // what a field means without changing a size must raise kLayoutVersion.
  EXPECT_EQ(kLayout & 0xFF, kLayoutVersion);
  EXPECT_EQ(kLayout >> 8 & 0xFFF, sizeof(Header) / kCacheLine);
  EXPECT_EQ(kLayout >> 20 & 0xFFF, sizeof(UpstreamRow) / kCacheLine);
  EXPECT_EQ(kLayout >> 32 & 0xFF, sizeof(PeerRow) / kCacheLine);
  EXPECT_EQ(kLayout >> 40 & 0xFFF, sizeof(EventSlot) / kCacheLine);
  EXPECT_EQ(kLayout >> 52, sizeof(IncidentSlot) / kCacheLine);
}

TEST(Layout, PutsEverythingOnceAndInOrder) {
  for (size_t size : {Arena::MinimumSize({7}), size_t{4} << 20}) {
    const SharedMemory memory(size);
    const Store store = Store::Create(memory.data(), size, {7}, 0);
    const Capacity& capacity = store.arena().header->capacity;
    const auto at = [&](const auto& object) {
      return static_cast<size_t>(reinterpret_cast<const char*>(&object) -
                                 memory.data());
    };
    const uint32_t peers = capacity.peers + capacity.upstreams;
    EXPECT_EQ(at(*store.arena().header), 0U);
    EXPECT_GE(at(store.arena().upstreams[0]),
              sizeof(Header) + sizeof(Word) * (capacity.upstream_index +
                                               capacity.peer_index));
    EXPECT_GE(at(store.arena().peers[0]),
              at(store.arena().upstreams[capacity.upstreams]));
    EXPECT_GE(at(store.arena().events[0]), at(store.arena().peers[peers]));
    EXPECT_GE(at(store.arena().rare[0]), at(store.arena().events[7]));
    EXPECT_GE(at(store.arena().incidents[0]),
              at(store.arena().rare[kMaxCauses * kRareEvents]));
    EXPECT_LE(at(store.arena().incidents[capacity.incidents]), size);
    EXPECT_EQ(at(store.arena().upstreams[0]) % kCacheLine, 0U);
    EXPECT_EQ(at(store.arena().peers[0]) % kCacheLine, 0U);
    EXPECT_EQ(at(store.arena().events[0]) % kCacheLine, 0U);
  }
}

TEST(Layout, RowsAddUpToTheSize) {
  for (size_t size : {size_t{1} << 20, size_t{4} << 20, size_t{32} << 20}) {
    const SharedMemory memory(size);
    const Store store = Store::Create(memory.data(), size, {100}, 0);
    const Capacity& capacity = store.arena().header->capacity;
    const RowBytes bytes = store.arena().BytesPerRow();
    const size_t sum = bytes.fixed + capacity.upstreams * bytes.upstream +
                       capacity.peers * bytes.peer +
                       capacity.events * bytes.event +
                       capacity.incidents * bytes.incident;
    // Rounded up, and less than one more upstream with its peers is left.
    EXPECT_LE(sum, size + capacity.upstreams + capacity.peers);
    EXPECT_GT(sum + 2 * (bytes.upstream + 3 * bytes.peer) + 65536, size);
    EXPECT_LE(bytes.peer, 1024U);
    EXPECT_LE(bytes.upstream, 6144U);
    EXPECT_LE(bytes.incident, 1024U);
  }
}

TEST(Layout, IndexesAreFourTimesAsLargeAsWhatTheyHold) {
  const SharedMemory memory(size_t{4} << 20);
  const Store store = Store::Create(memory.data(), memory.size(), {1024}, 0);
  const Capacity& capacity = store.arena().header->capacity;
  EXPECT_GE(capacity.upstream_index, 4 * capacity.upstreams);
  EXPECT_GE(capacity.peer_index, 4 * capacity.peers);
  EXPECT_EQ(capacity.upstream_index & (capacity.upstream_index - 1), 0U);
  EXPECT_EQ(capacity.peer_index & (capacity.peer_index - 1), 0U);
}

}  // namespace
}  // namespace upstream_502
