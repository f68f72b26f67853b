#include "upstream_502/store/image.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "upstream_502/advice/diagnose.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/prometheus.h"
#include "upstream_502/report/text.h"
#include "upstream_502/store/check.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

constexpr Rings kRings = {.events = 8, .incidents = 4};
constexpr int64_t kNow = 1763675000000;

class ImageTest : public testing::Test {
 protected:
  ImageTest()
      : size_((Arena::MinimumSize(kRings) + 65535) / 4096 * 4096),
        memory_(new (std::align_val_t{4096}) char[size_]()) {
    store_ = Store::Create(memory_, size_, kRings, kNow);
    for (const char* name : {"app", "php", "api"}) {
      Use(name);
    }
    store_.NoteLoad(kNow);
  }
  ~ImageTest() override { operator delete[](memory_, std::align_val_t{4096}); }

  void Use(const char* name) {
    const uint32_t upstream = store_.FindOrAddUpstream(name, Protocol::kHttp);
    for (const char* addr : {"127.0.0.1:9000", "unix:/run/app.sock"}) {
      const uint32_t peer = store_.FindOrAddPeer(upstream, addr);
      Failure failure = {.time_ms = kNow, .response_time = 3};
      store_.AddRequest(upstream, 1, kNow, 2);
      store_.AddAttempt(peer, 1, kNow, true);
      store_.AddFailedAttempt(upstream, peer, 1, kNow, failure);
      store_.AddResponse(upstream, 502, Origin::kNginx, kNow);
      store_.WriteEvent(store_.ReserveEvents(1), failure,
                        {.upstream = name, .peer = addr, .uri = "/"},
                        {upstream});
    }
  }

  std::vector<uint64_t> Take() const {
    std::vector<uint64_t> words(size_ / sizeof(uint64_t));
    CopyImage(store_.arena(), [&](size_t first, absl::Span<const uint64_t> w) {
      std::copy(w.begin(), w.end(), words.begin() + static_cast<long>(first));
    });
    return words;
  }

  Snapshot Now() const {
    Snapshot snapshot;
    Copy(store_, kNow, &snapshot);
    return snapshot;
  }

  // The store that a restart makes of these words, copied when all had ended or
  // not.
  Store Come(const std::vector<uint64_t>& words, bool ended) {
    std::memcpy(memory_, words.data(), size_);
    const Arena copied = store_.arena();
    const absl::optional<Arena> found =
        TakeImage(memory_, size_, kRings, HeadOf(copied, SumOf(copied), ended));
    EXPECT_TRUE(found);
    return found ? Store(*found) : store_;
  }

  // Everything that a reader of the status location sets going.
  static void ReadAll(const Store& store) {
    Report report;
    Copy(store, kNow + 60000, &report.snapshot);
    report.diagnoses = Diagnose(report.snapshot);
    SortTroubled(&report);
    RenderAll(*MakeJsonRenderer(report));
    RenderAll(*MakeTextRenderer(report));
    RenderAll(*MakePrometheusRenderer(report));
  }

  // What a restart does with these words; whether they were taken for a store.
  bool Restart(const std::vector<uint64_t>& words) {
    std::memcpy(memory_, words.data(), size_);
    const absl::optional<Store> store = Store::Attach(memory_, size_, kRings);
    if (!store) {
      return false;
    }
    ReadAll(*store);  // as a reload finds it
    Arena arena = store->arena();
    Mend(&arena);
    store_ = Store(arena);
    ReadAll(store_);
    Use("app");
    Use("new");
    ReadAll(store_);
    return true;
  }

  // Failures of the upstream of this name, or of "(other)" where there was no
  // room for it.
  uint64_t CountOf(absl::string_view name) {
    const UpstreamRow& row =
        store_.arena().upstreams[store_.FindUpstream(name, kNow)];
    uint64_t failures = 0;
    for (const Counter& cause : row.causes) {
      failures += cause.load();
    }
    return failures;
  }

  size_t size_;
  char* memory_;
  Store store_;
};

TEST_F(ImageTest, SaysWhatItIsOf) {
  const ImageHead head = HeadOf(store_.arena(), 7, true);
  EXPECT_EQ(WhyNoImage(head, size_), "");
  EXPECT_NE(WhyNoImage(head, size_ + 4096), "");
  ImageHead other = head;
  other.layout ^= 1;
  EXPECT_NE(WhyNoImage(other, size_), "");
  other = head;
  other.magic = __builtin_bswap64(other.magic);  // of another machine
  EXPECT_NE(WhyNoImage(other, size_), "");
}

TEST_F(ImageTest, SumTellsEveryBitAndEveryOrder) {
  const std::vector<uint64_t> words = Take();
  const uint64_t sum = SumOf(store_.arena());
  auto* memory = reinterpret_cast<uint64_t*>(memory_);
  const size_t last = words.size() - 1;
  for (const size_t at : {size_t{0}, size_t{7}, last}) {
    memory[at] ^= 1;
    EXPECT_NE(SumOf(store_.arena()), sum) << at;
    memory[at] ^= 1;
  }
  ASSERT_NE(memory[0], memory[1]);
  std::swap(memory[0], memory[1]);
  EXPECT_NE(SumOf(store_.arena()), sum);
  std::swap(memory[0], memory[1]);
  EXPECT_EQ(SumOf(store_.arena()), sum);
}

TEST_F(ImageTest, IsTakenWithItsOwnSumOnly) {
  const Arena arena = store_.arena();
  const uint64_t sum = SumOf(arena);
  const ImageHead head = HeadOf(arena, sum, true);
  EXPECT_FALSE(TakeImage(memory_, size_, kRings, HeadOf(arena, sum + 1, true)));
  EXPECT_FALSE(TakeImage(memory_, size_ - 4096, kRings, head));
  EXPECT_TRUE(TakeImage(memory_, size_, kRings, head));
}

TEST_F(ImageTest, IdsGoOnAfterAnEnd) {
  const uint64_t last = store_.ReserveEvents(1);
  store_ = Come(Take(), true);
  EXPECT_EQ(store_.ReserveEvents(1), last + 1);
}

// What was handed out after the copy is lost with whoever had it.
TEST_F(ImageTest, NoIdComesTwiceAfterACrash) {
  Use("app");
  const Snapshot before = Now();
  ASSERT_EQ(before.incidents.size(), 1U);
  const std::vector<uint64_t> words = Take();
  const uint64_t handed_out = store_.ReserveEvents(1000000);
  store_ = Come(words, false);
  const Snapshot then = Now();
  EXPECT_EQ(then.zone.events_total, before.zone.events_total);
  EXPECT_EQ(then.events.size(), before.events.size());
  EXPECT_EQ(then.incidents.size(), before.incidents.size());
  Use("php");
  const Snapshot after = Now();
  EXPECT_EQ(after.zone.events_total, before.zone.events_total + 2);
  EXPECT_GT(after.events[0].id, handed_out);
  // They have the places that they would have had.
  EXPECT_EQ(after.events[0].id % kRings.events, 10 % kRings.events);
  EXPECT_EQ(after.events[2].id, before.events[0].id);
  ASSERT_EQ(after.incidents.size(), 2U);
  EXPECT_GT(after.incidents[0].id, before.incidents[0].id + 100);
}

// Others fail while the image is copied: whatever is on record was counted.
TEST_F(ImageTest, NothingIsKeptThatIsNotCounted) {
  std::vector<uint64_t> words(size_ / sizeof(uint64_t));
  size_t parts = 0;
  CopyImage(store_.arena(), [&](size_t first, absl::Span<const uint64_t> w) {
    std::copy(w.begin(), w.end(), words.begin() + static_cast<long>(first));
    if (++parts % 3 == 0) {
      Use("app");
    }
  });
  ASSERT_GT(parts, 9U);
  store_ = Come(words, false);
  const Snapshot snapshot = Now();
  uint64_t failures = 0;
  uint64_t newest = 0;
  for (const UpstreamStats& upstream : snapshot.upstreams) {
    for (const uint64_t count : upstream.causes) {
      failures += count;
    }
  }
  for (const Event& event : snapshot.events) {
    newest = std::max(newest, event.id);
  }
  EXPECT_LE(newest, failures);
  EXPECT_LE(newest, snapshot.zone.events_total);
  uint64_t told = 0;
  for (const Incident& incident : snapshot.incidents) {
    told += incident.failures;
  }
  EXPECT_LE(told, failures);
}

// As a file may have it that was copied in another order.
TEST_F(ImageTest, WhatIsOnRecordHasItsId) {
  Use("app");
  Header& header = *store_.arena().header;
  const uint64_t events = header.events.exchange(1);
  const uint64_t incidents = header.incidents.exchange(0);
  ASSERT_GT(events, 1U);
  ASSERT_GT(incidents, 0U);
  store_ = Come(Take(), true);
  EXPECT_EQ(header.events.load(), events);
  EXPECT_EQ(header.incidents.load(), incidents);
}

TEST_F(ImageTest, ComesBackWhole) {
  Snapshot before;
  Copy(store_, kNow, &before);
  const std::vector<uint64_t> words = Take();
  std::memcpy(memory_, words.data(), size_);
  const absl::optional<Store> store = Store::Attach(memory_, size_, kRings);
  ASSERT_TRUE(store);
  Arena arena = store->arena();
  Mend(&arena);
  Snapshot after;
  Copy(Store(arena), kNow, &after);
  ASSERT_EQ(after.upstreams.size(), before.upstreams.size());
  for (size_t i = 0; i < after.upstreams.size(); ++i) {
    EXPECT_EQ(after.upstreams[i].name, before.upstreams[i].name);
    EXPECT_EQ(after.upstreams[i].requests, before.upstreams[i].requests);
    EXPECT_EQ(after.upstreams[i].peers.size(),
              before.upstreams[i].peers.size());
  }
  ASSERT_EQ(after.events.size(), before.events.size());
  EXPECT_EQ(after.events[0].peer, before.events[0].peer);
  // Rows are found again, not made anew.
  EXPECT_EQ(after.zone.peers, before.zone.peers);
  Store(arena).FindOrAddPeer(
      Store(arena).FindOrAddUpstream("php", Protocol::kHttp), "127.0.0.1:9000");
  EXPECT_EQ(arena.header->peers.load(), before.zone.peers);
}

TEST_F(ImageTest, TakesARowThatIsNamedForOneInUse) {
  // The count was copied before others made rows, the index after.
  store_.arena().header->peers.store(1);
  store_.arena().header->upstreams.store(2);
  EXPECT_TRUE(Restart(Take()));
  Snapshot snapshot;
  Copy(store_, kNow, &snapshot);
  uint64_t attempts = 0;
  for (const UpstreamStats& upstream : snapshot.upstreams) {
    for (const PeerStats& peer : upstream.peers) {
      attempts += peer.attempts;
    }
  }
  EXPECT_EQ(attempts, 3U * 2 * 2 + 2U * 2 * 2);  // 3 of before, 2 of Restart
}

// Of a configuration that nobody has: its upstreams could never make room.
TEST_F(ImageTest, NamesNoConfiguration) {
  const uint32_t row = store_.FindUpstream("app", kNow);
  ASSERT_NE(row, kOtherUpstream);
  Counter& generation = store_.arena().upstreams[row].generation;
  generation.store(uint64_t{1} << 40);
  ASSERT_TRUE(IsSound(store_.arena()));
  Arena arena = store_.arena();
  Mend(&arena);
  EXPECT_EQ(generation.load(), 0U);
  const uint64_t loaded = store_.NoteLoad(kNow);
  store_.FindUpstream("app", kNow);
  EXPECT_EQ(generation.load(), loaded);
  generation.store(uint64_t{1} << 60);
  EXPECT_FALSE(IsSound(store_.arena()));
  generation.store(0);
  store_.arena().header->generation.store(UINT64_MAX);
  EXPECT_FALSE(IsSound(store_.arena()));
}

// Whoever wrote the file may have made its sums right.
TEST_F(ImageTest, IsReadSafelyWhateverIsInIt) {
  const std::vector<uint64_t> words = Take();
  std::mt19937_64 random(502);
  const auto pick = [&random](uint64_t n) { return random() % n; };
  std::vector<size_t> used;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] != 0) {
      used.push_back(i);
    }
  }
  const uint64_t kNasty[] = {0,          1,          UINT64_MAX, INT64_MAX,
                             1ULL << 63, UINT32_MAX, 1ULL << 32, 0x7f7f7f7f};
  size_t taken = 0;
  for (int round = 0; round < 1000; ++round) {
    std::vector<uint64_t> spoilt = words;
    for (uint64_t n = pick(3) + 1; n > 0; --n) {
      uint64_t& word =
          spoilt[pick(2) == 0 ? pick(words.size()) : used[pick(used.size())]];
      word = pick(2) == 0 ? word ^ (uint64_t{0xff} << pick(57))
                          : kNasty[pick(std::size(kNasty))];
    }
    taken += Restart(spoilt) ? 1U : 0U;
  }
  EXPECT_GT(taken, 50U);
  EXPECT_LT(taken, 1000U);
}

TEST_F(ImageTest, IsReadSafelyWithAnyByteChanged) {
  const std::vector<uint64_t> words = Take();
  const size_t header = sizeof(Header) / sizeof(uint64_t);
  size_t taken = 0;
  size_t refused = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == 0 && i % (i > header ? 61 : 3) != 0) {
      continue;  // of a row, an event or a minute like many others
    }
    std::vector<uint64_t> spoilt = words;
    spoilt[i] = ~spoilt[i];
    if (Restart(spoilt)) {
      ++taken;
      EXPECT_TRUE(IsSound(store_.arena())) << i;
      EXPECT_EQ(CountOf("new"), 2U) << i;
    } else {
      ++refused;
    }
  }
  EXPECT_GT(taken, refused);
  EXPECT_GT(refused, 4U);  // the first words say what it is
}

}  // namespace
}  // namespace upstream_502
