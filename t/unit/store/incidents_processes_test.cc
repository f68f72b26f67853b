// Incidents of an upstream that fails in many processes at once, and in one
// that is killed.

#include <cstring>
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

void Fail(Store store, int64_t now) {
  const uint32_t upstream =
      store.FindOrAddUpstream("upstream", Protocol::kHttp);
  const uint32_t peer = store.FindOrAddPeer(upstream, "127.0.0.1:80");
  const Failure failure = {.time_ms = now, .cause = Cause::kReadTimeout};
  store.AddFailedAttempt(upstream, peer, 0, now, failure, {Finding::kNoAnswer});
  store.AddRequest(upstream, 0, now, 1);
  store.AddResponse(upstream, 504, Origin::kNginx, now);
  store.WriteEvent(store.ReserveEvents(1), failure, {}, {upstream});
  store.incidents().NoteCounts(upstream, now);
}

List<Incident> Take(const Store& store, int64_t now) {
  Snapshot snapshot;
  Copy(store, now, &snapshot);
  return snapshot.incidents;
}

TEST(IncidentsThreads, LoseNoFailureAndOpenOnce) {
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kRounds = 50;
  for (int time = 0; time < 100; ++time) {
    const SharedMemory memory(size_t{2} << 20);
    const Store store = Store::Create(memory.data(), memory.size(), {16}, kNow);
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([store] {
        for (uint64_t round = 0; round < kRounds; ++round) {
          Fail(store, kNow);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    const auto incidents = Take(store, kNow);
    ASSERT_EQ(incidents.size(), 1U);
    EXPECT_EQ(incidents[0].failures, kThreads * kRounds);
    EXPECT_EQ(incidents[0].findings[static_cast<size_t>(Finding::kNoAnswer)],
              kThreads * kRounds);
    EXPECT_EQ(incidents[0].peers.at(0).failures, kThreads * kRounds);
    EXPECT_EQ(incidents[0].start, kNow);
  }
}

// What a process that is killed here and now leaves behind is in `memory`;
// others go on with it.
void ExpectUsable(const SharedMemory& memory, char* scratch) {
  std::memcpy(scratch, memory.data(), memory.size());
  const auto store = Store::Attach(scratch, memory.size(), {16, 4});
  ASSERT_TRUE(store.has_value());
  for (const Incident& incident : Take(*store, kNow + 3)) {
    EXPECT_GE(incident.failures, 1U);
    EXPECT_LE(incident.failures, 3U);
    EXPECT_LE(incident.start, incident.end);
    EXPECT_LE(incident.attempts, 3U);
  }
  for (int i = 0; i < 3; ++i) {
    Fail(*store, kNow + 4);
  }
  const auto after = Take(*store, kNow + 4);
  ASSERT_EQ(after.size(), 1U);
  EXPECT_TRUE(after[0].open);
  EXPECT_EQ(after[0].end, kNow + 4);
  EXPECT_GE(after[0].failures, 3U);
  EXPECT_LE(after[0].failures, 6U);
  EXPECT_LE(after[0].attempts, 6U);
}

TEST(IncidentsProcesses, MayEndAtAnyInstruction) {
  const SharedMemory memory(Arena::MinimumSize({16, 4}) + (size_t{64} << 10));
  const SharedMemory scratch(memory.size());
  const Store store =
      Store::Create(memory.data(), memory.size(), {16, 4}, kNow);
  const auto prepare = [store] {
    Fail(store, kNow);
    Fail(store, kNow + 1);
  };
  SteppedChild child(prepare, [store] { Fail(store, kNow + 2); });
  if (!child.IsRunning()) {
    GTEST_SKIP() << "no ptrace here";
  }
  const int changes = StepThrough(
      &child, memory, [&] { ExpectUsable(memory, scratch.data()); });
  EXPECT_TRUE(child.EndedWell()) << "after " << changes << " changes";
  EXPECT_GT(changes, 30);
}

}  // namespace
}  // namespace upstream_502
