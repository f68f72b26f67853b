// Readers and those that move counts: nothing is told twice or not at all.

#include <new>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

constexpr int64_t kStart = 1763675000000;
constexpr int64_t kDay = 24 * kHourMs;
constexpr size_t kSize = 1 << 20;

class CopyMovesTest : public testing::Test {
 protected:
  CopyMovesTest()
      : memory_(new (std::align_val_t{4096}) char[kSize]()),
        store_(Store::Create(memory_, kSize, {16, 4}, kStart)) {
    store_.SetInactive(kDay);
    store_.NoteLoad(kStart);
  }
  ~CopyMovesTest() override {
    operator delete[](memory_, std::align_val_t{4096});
  }

  uint32_t Add(const std::string& name, int64_t now_ms) {
    return store_.FindOrAddUpstream(name, Protocol::kHttp,
                                    UpstreamKind::kConfigured, now_ms);
  }
  void Count(uint32_t upstream, const std::string& addr) {
    const uint32_t peer = store_.FindOrAddPeer(upstream, addr, kStart);
    store_.AddRequest(upstream, 0, kStart, 1);
    store_.AddAttempt(peer, 0, kStart, true);
    ++counted_;
  }

  static void ExpectNamesOnce(const Snapshot& snapshot) {
    std::set<std::string> names;
    for (const UpstreamStats& upstream : snapshot.upstreams) {
      EXPECT_TRUE(names.emplace(upstream.name).second) << upstream.name;
    }
  }

  // Lets `move` happen after `step` steps of a reader. False when that has no
  // so many.
  template <typename Move>
  bool ReadAround(int step, int64_t now_ms, const Move& move) const {
    Snapshot snapshot;
    Copier copier(store_, now_ms, &snapshot);
    bool more = true;
    for (int i = 0; i < step && more; ++i) {
      more = copier.Next(1);
    }
    const bool in_time = more;
    move();
    while (more) {
      more = copier.Next(1);
    }
    uint64_t attempts = 0;
    ExpectNamesOnce(snapshot);
    for (const UpstreamStats& upstream : snapshot.upstreams) {
      for (const PeerStats& peer : upstream.peers) {
        attempts += peer.attempts;
      }
    }
    EXPECT_EQ(attempts, counted_) << "after " << step << " steps";
    EXPECT_EQ(snapshot.totals.requests, counted_)
        << "after " << step << " steps";
    return in_time;
  }

  char* memory_;
  Store store_;
  uint64_t counted_ = 0;
};

TEST_F(CopyMovesTest, PeersThatGo) {
  const uint32_t upstream = Add("app", kStart);
  const uint32_t room = store_.arena().capacity.peers;
  for (uint32_t i = 0; i < room; ++i) {
    Count(upstream, "10.0.0.1:" + std::to_string(i));
  }
  int64_t now = kStart + 2 * kDay;
  int newest = 0;
  const auto come = [&] {
    now += 2000;  // looks for room again
    for (int i = 0; i < 3; ++i) {
      store_.FindOrAddPeer(upstream, "new:" + std::to_string(newest++), now);
    }
  };
  int step = 0;
  while (ReadAround(step, now, come)) {
    ++step;
  }
  EXPECT_GT(step, 20);
  EXPECT_GT(store_.arena().header->evicted.load(), 50U);
}

// A killed process's move never ends, and one that has begun before a reader
// may end beside it.
TEST_F(CopyMovesTest, OneThatWasUnderWay) {
  Count(Add("app", kStart), "10.0.0.1:80");
  Moves& moves = store_.arena().upstreams[kOtherUpstream].moves;
  moves.begun.fetch_add(1);
  int step = 0;
  while (ReadAround(step, kStart, [] {})) {
    ++step;
  }
  Snapshot snapshot;
  Copier copier(store_, kStart, &snapshot);
  int steps = 0;
  for (bool more = true; more; ++steps) {
    more = copier.Next(1);
    if (steps == 3) {
      moves.ended.fetch_add(1);
    }
  }
  EXPECT_GT(steps, step * 3 / 2);  // it began anew
}

// Before its counts are moved.
TEST_F(CopyMovesTest, OneThatIsTakenOutOfUse) {
  const uint32_t room = store_.arena().capacity.upstreams - 2;
  uint32_t row = 0;
  for (uint32_t i = 0; i < room; ++i) {
    row = Add("app" + std::to_string(i), kStart);
    Count(row, "10.0.0.1:80");
  }
  UpstreamRow& upstream = store_.arena().upstreams[row];
  const auto retire = [&upstream] {
    upstream.retired.store(1);
    upstream.state.store(kRetired);
  };
  int step = 0;
  while (ReadAround(step, kStart, retire)) {
    upstream.state.store(0);
    ++step;
  }
  EXPECT_GT(step, 20);
}

TEST_F(CopyMovesTest, UpstreamsThatGo) {
  const uint32_t room = store_.arena().capacity.upstreams - 2;
  for (uint32_t i = 0; i < room; ++i) {
    const uint32_t upstream = Add("app" + std::to_string(i), kStart);
    Count(upstream, "10.0.0.1:80");
    Count(upstream, "10.0.0.1:81");
  }
  int64_t now = kStart + 2 * kDay;
  int newest = 0;
  const auto come = [&] {
    now += 2 * kDay;  // so that those that came go, too
    store_.NoteLoad(now);
    Add("new" + std::to_string(newest++), now);
  };
  int step = 0;
  while (ReadAround(step, now, come)) {
    ++step;
  }
  EXPECT_GT(step, 20);
  EXPECT_GT(store_.arena().header->evicted.load(), 50U);
}

}  // namespace
}  // namespace upstream_502
