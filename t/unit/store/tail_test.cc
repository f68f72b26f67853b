#include "upstream_502/store/tail.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/copies.h"
#include "upstream_502/store/check.h"

namespace upstream_502 {
namespace {

constexpr size_t kRing = 64;  // events that a CopyTest's store keeps

// Events of a store with one upstream, and one who takes them.
class TailTest : public CopyTest {
 protected:
  uint64_t Reserve() { return store_.ReserveEvents(1); }
  void WriteAs(uint64_t id, int64_t now = kNow) {
    store_.WriteEvent(id, {.time_ms = now, .cause = Cause::kReadTimeout},
                      {.upstream = "backend"}, {upstream_, peer_});
  }
  uint64_t Write(int64_t now = kNow) {
    const uint64_t id = Reserve();
    WriteAs(id, now);
    return id;
  }
  // A failure with its event.
  uint64_t FailWith(int64_t now) {
    Fail(now);
    return Write(now);
  }
  static void LookAtAll(Tail* tail, int64_t now = kNow) {
    while (tail->Look(now, 10)) {
    }
  }

  // "3 5 #1 open -2": events, incidents, and how many were left out, from
  // `next_` on.
  std::string Taken(const Tail& tail) {
    std::string taken;
    const auto add = [&taken](const auto&... text) {
      absl::StrAppend(&taken, taken.empty() ? "" : " ", text...);
    };
    for (;;) {
      const Tail::Entry* entry = tail.Find(next_);
      const uint64_t number = entry == nullptr ? tail.end() : entry->number;
      if (number > next_) {
        add("-", number - next_);
      }
      next_ = number;
      if (entry == nullptr) {
        return taken;
      }
      ++next_;
      if (const auto* event = std::get_if<Event>(&entry->what)) {
        add(event->id);
      } else {
        const auto& incident = std::get<Incident>(entry->what);
        add("#", incident.id, incident.open ? " open" : " over");
      }
    }
  }

  uint64_t next_ = 1;
};

std::string Joined(const std::vector<uint64_t>& ids) {
  std::string text;
  for (const uint64_t id : ids) {
    absl::StrAppend(&text, text.empty() ? "" : " ", id);
  }
  return text;
}

TEST_F(TailTest, KnowsWhatWasBefore) {
  Write();
  Write();
  Tail tail(store_, kNow);
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "");
  EXPECT_EQ(Joined(tail.Before()), "1 2");
  Event event;
  ASSERT_TRUE(tail.Read(2, kNow, &event));
  EXPECT_EQ(event.upstream, "backend");
  EXPECT_FALSE(tail.Read(3, kNow, &event));
}

TEST_F(TailTest, TakesWhatComesOnce) {
  Tail tail(store_, kNow);
  Write();
  Write();
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "1 2");
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "");
  Write();
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "3");
  EXPECT_EQ(Joined(tail.Before()), "1 2 3");
}

// Ids are skipped after a crash: what was on record before is told, and those
// that nobody got are neither waited for nor left out.
TEST_F(TailTest, KnowsWhatWasBeforeACrash) {
  for (int i = 0; i < 3; ++i) {
    FailWith(kNow);
  }
  Reserve();  // lost with its worker
  Arena arena = store_.arena();
  SkipIds(&arena);
  SkipIds(&arena);
  Tail tail(store_, kNow);
  EXPECT_EQ(Joined(tail.Before()), "1 2 3");
  EXPECT_EQ(tail.OutOfReach(3), 0U);
  ASSERT_EQ(tail.open().size(), 1U);
  EXPECT_EQ(tail.open()[0], 1U);
  const uint64_t next = FailWith(kNow);
  EXPECT_GT(next, 20000000U);
  EXPECT_EQ(next % kRing, 5U);
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), absl::StrCat(next));
  for (size_t i = 0; i < kRing; ++i) {
    Write();
  }
  LookAtAll(&tail);
  EXPECT_EQ(Tail(store_, kNow).Before().size(), kRing);
  EXPECT_EQ(tail.OutOfReach(3), 1U);
}

TEST_F(TailTest, LooksAtNoMoreAtOnceThanItMay) {
  Tail tail(store_, kNow);
  for (int i = 0; i < 25; ++i) {
    Write();
  }
  EXPECT_TRUE(tail.Look(kNow, 10));
  EXPECT_EQ(tail.looked(), 10U);
  EXPECT_TRUE(tail.Look(kNow, 10));
  EXPECT_FALSE(tail.Look(kNow, 10));
  EXPECT_EQ(tail.looked(), 25U);
}

TEST_F(TailTest, TakesAnEventWhenItIsWritten) {
  const uint64_t early = Reserve();  // before there was one who follows
  Tail tail(store_, kNow);
  const uint64_t late = Reserve();
  const uint64_t soon = Write();
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), absl::StrCat(soon));
  EXPECT_EQ(Joined(tail.Before()), absl::StrCat(soon));
  WriteAs(late);
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), absl::StrCat(late));
  WriteAs(early);
  EXPECT_EQ(Joined(tail.Before()), absl::StrCat(late, " ", soon))
      << "it is to be an entry";
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), absl::StrCat(early));
  EXPECT_EQ(Joined(tail.Before()), "1 2 3");
}

TEST_F(TailTest, SaysHowManyWereOverwritten) {
  Tail tail(store_, kNow);
  Write();
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "1");
  for (size_t i = 0; i < kRing + 10; ++i) {
    Write();
  }
  LookAtAll(&tail);
  std::string rest;
  for (uint64_t id = 12; id <= kRing + 11; ++id) {
    absl::StrAppend(&rest, " ", id);
  }
  EXPECT_EQ(Taken(tail), "-10" + rest);
  EXPECT_EQ(tail.OutOfReach(0), 11U);
  EXPECT_EQ(tail.OutOfReach(5), 6U);
  EXPECT_EQ(tail.OutOfReach(11), 0U);
  EXPECT_EQ(tail.OutOfReach(UINT64_MAX), 0U);
}

TEST_F(TailTest, GivesUpWhatIsNeverWritten) {
  Tail tail(store_, kNow);
  Reserve();
  for (size_t i = 0; i < kRing; ++i) {
    Write();
    LookAtAll(&tail);
  }
  EXPECT_EQ(Taken(tail).substr(0, 3), "2 3");
  EXPECT_EQ(tail.end(), kRing + 2) << "as left out, once";
  LookAtAll(&tail);
  EXPECT_EQ(tail.end(), kRing + 2);
}

TEST_F(TailTest, ForgetsWhatWasResetAway) {
  Write();
  const uint64_t late = Reserve();
  Tail tail(store_, kNow);
  Write();
  store_.Reset(kNow);
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "");
  EXPECT_EQ(Joined(tail.Before()), "");
  EXPECT_EQ(tail.OutOfReach(0), 0U);
  Event event;
  EXPECT_FALSE(tail.Read(1, kNow, &event));
  WriteAs(late);
  Write();
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "4");
  EXPECT_EQ(Joined(tail.Before()), "4");
}

TEST_F(TailTest, KeepsNoMoreThanSoMany) {
  const SharedMemory memory(size_t{8} << 20);
  store_ = Store::Create(memory.data(), memory.size(), {4096}, kNow);
  upstream_ = store_.FindOrAddUpstream("backend", Protocol::kHttp);
  Tail tail(store_, kNow);
  for (int i = 0; i < 100; ++i) {
    for (int j = 0; j < 20; ++j) {
      Write();
    }
    LookAtAll(&tail);
  }
  EXPECT_EQ(Taken(tail).substr(0, 10), "-1000 1001");
  tail.Drop(1500);
  EXPECT_EQ(tail.Find(1)->number, 1500U);
  tail.Drop(UINT64_MAX);
  EXPECT_EQ(tail.Find(1), nullptr);
  EXPECT_EQ(tail.end(), 2001U);
}

TEST_F(TailTest, TakesAnIncidentWhenItOpensAndWhenItIsOver) {
  Tail tail(store_, kNow);
  FailWith(kNow);
  FailWith(kNow);
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "1 2");
  FailWith(kNow + 1);
  LookAtAll(&tail, kNow + 1);
  EXPECT_EQ(Taken(tail), "3 #1 open");
  EXPECT_EQ(Joined(tail.open()), "1");
  FailWith(kNow + kMinuteMs);
  LookAtAll(&tail, kNow + 6 * kMinuteMs - 1);
  EXPECT_EQ(Taken(tail), "4");
  LookAtAll(&tail, kNow + 6 * kMinuteMs);
  EXPECT_EQ(Taken(tail), "#1 over");
  EXPECT_EQ(Joined(tail.open()), "");
  LookAtAll(&tail, kNow + 7 * kMinuteMs);
  EXPECT_EQ(Taken(tail), "");
}

TEST_F(TailTest, KnowsIncidentsThatWereOpenBefore) {
  for (int i = 0; i < 3; ++i) {
    FailWith(kNow);
  }
  Tail tail(store_, kNow);
  LookAtAll(&tail);
  EXPECT_EQ(Taken(tail), "");
  EXPECT_EQ(Joined(tail.open()), "1");
  LookAtAll(&tail, kNow + 5 * kMinuteMs);
  EXPECT_EQ(Taken(tail), "#1 over");
  for (int i = 0; i < 3; ++i) {
    FailWith(kNow + kHourMs);
  }
  LookAtAll(&tail, kNow + kHourMs);
  EXPECT_EQ(Taken(tail), "4 5 6 #2 open");
}

TEST_F(TailTest, ForgetsIncidentsThatWereResetAway) {
  for (int i = 0; i < 3; ++i) {
    FailWith(kNow);
  }
  Tail tail(store_, kNow);
  store_.Reset(kNow);
  LookAtAll(&tail, kNow + kHourMs);
  EXPECT_EQ(Taken(tail), "");
  EXPECT_EQ(Joined(tail.open()), "");
}

TEST_F(TailTest, SaysWhichIncidentAFailureBelongsTo) {
  const uint64_t before = FailWith(kNow - kHourMs);
  uint64_t of = 0;
  for (int i = 0; i < 3; ++i) {
    of = FailWith(kNow);
  }
  Tail tail(store_, kNow);
  Event event;
  ASSERT_TRUE(tail.Read(before, kNow, &event));
  EXPECT_EQ(event.incident, 0U);
  ASSERT_TRUE(tail.Read(of, kNow, &event));
  EXPECT_EQ(event.incident, 1U);
  ASSERT_TRUE(tail.Read(of, kNow + kHourMs, &event)) << "also when it is over";
  EXPECT_EQ(event.incident, 1U);
}

}  // namespace
}  // namespace upstream_502
