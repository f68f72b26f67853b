#include "upstream_502/store/incidents.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/copies.h"

namespace upstream_502 {
namespace {

constexpr int64_t kSecond = 1000;
constexpr int64_t kDay = 24 * kHourMs;

class IncidentsTest : public CopyTest {
 protected:
  // The incident that opens with it.
  uint64_t FailAt(int64_t now, Cause cause = Cause::kReadTimeout) {
    return store_.AddFailedAttempt(upstream_, peer_, 0, now, {.cause = cause});
  }
  List<Incident> TakeIncidents(int64_t now) const {
    return Take(now).incidents;
  }
  // Three failures, a second apart.
  uint64_t Open(int64_t now) {
    FailAt(now);
    FailAt(now + kSecond);
    return FailAt(now + 2 * kSecond);
  }
  UpstreamRow& row() { return store_.arena().upstreams[upstream_]; }
};

uint64_t Of(const Incident& incident, Cause cause) {
  return incident.causes[static_cast<size_t>(cause)];
}

TEST_F(IncidentsTest, OpensWithTheThirdFailureWithinAMinute) {
  EXPECT_EQ(FailAt(kNow), 0U);
  EXPECT_EQ(FailAt(kNow + 30 * kSecond), 0U);
  EXPECT_TRUE(TakeIncidents(kNow + 30 * kSecond).empty());
  EXPECT_EQ(FailAt(kNow + 60 * kSecond), 1U);
  EXPECT_EQ(FailAt(kNow + 61 * kSecond), 0U);
  const auto incidents = TakeIncidents(kNow + 61 * kSecond);
  ASSERT_EQ(incidents.size(), 1U);
  EXPECT_EQ(incidents[0].id, 1U);
  EXPECT_EQ(incidents[0].upstream, "backend");
  EXPECT_EQ(incidents[0].protocol, Protocol::kHttp);
  EXPECT_TRUE(incidents[0].open);
  EXPECT_EQ(incidents[0].failures, 4U);
}

TEST_F(IncidentsTest, BeganWithTheFirstOfTheThree) {
  FailAt(kNow);  // more than a minute before the third
  FailAt(kNow + 50 * kSecond, Cause::kConnectionRefused);
  EXPECT_EQ(FailAt(kNow + 61 * kSecond, Cause::kDnsError), 0U);
  EXPECT_EQ(FailAt(kNow + 70 * kSecond, Cause::kDnsError), 1U);
  const Incident incident = TakeIncidents(kNow + 70 * kSecond).at(0);
  EXPECT_EQ(incident.start, kNow + 50 * kSecond);
  EXPECT_EQ(incident.end, kNow + 70 * kSecond);
  EXPECT_EQ(incident.failures, 3U);
  EXPECT_EQ(Of(incident, Cause::kReadTimeout), 0U);
  EXPECT_EQ(Of(incident, Cause::kConnectionRefused), 1U);
  EXPECT_EQ(Of(incident, Cause::kDnsError), 2U);
}

TEST_F(IncidentsTest, TwoFailuresAMinuteAreNone) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(FailAt(kNow + i * 31 * kSecond), 0U) << i;
  }
  EXPECT_TRUE(TakeIncidents(kNow + 100 * 31 * kSecond).empty());
}

TEST_F(IncidentsTest, IsOverAfterFiveMinutesWithoutFailure) {
  Open(kNow);
  const int64_t last = kNow + 2 * kSecond;
  EXPECT_TRUE(TakeIncidents(last + 5 * kMinuteMs - 1).at(0).open);
  const Incident over = TakeIncidents(last + 5 * kMinuteMs).at(0);
  EXPECT_FALSE(over.open);
  EXPECT_EQ(over.end, last);
  // One just before still belongs to it.
  FailAt(last + 5 * kMinuteMs - 1);
  EXPECT_EQ(TakeIncidents(last + 5 * kMinuteMs).at(0).failures, 4U);
  EXPECT_TRUE(TakeIncidents(last + 5 * kMinuteMs).at(0).open);
}

TEST_F(IncidentsTest, TheNextOneWantsThreeFailuresAgain) {
  EXPECT_EQ(Open(kNow), 1U);
  const int64_t later = kNow + 10 * kMinuteMs;
  EXPECT_EQ(FailAt(later), 0U);
  EXPECT_EQ(FailAt(later + 1), 0U);
  EXPECT_EQ(TakeIncidents(later + 1).size(), 1U);
  EXPECT_EQ(FailAt(later + 2), 2U);
  const auto incidents = TakeIncidents(later + 2);
  ASSERT_EQ(incidents.size(), 2U);
  EXPECT_EQ(incidents[0].id, 2U);  // newest first
  EXPECT_EQ(incidents[0].start, later);
  EXPECT_EQ(incidents[0].failures, 3U);
  EXPECT_EQ(incidents[1].failures, 3U);
  EXPECT_FALSE(incidents[1].open);
  const UpstreamStats stats = TakeUpstream(later + 2);
  EXPECT_EQ(stats.incidents, 2U);
  EXPECT_TRUE(stats.incident_open);
  EXPECT_FALSE(TakeUpstream(later + kHourMs).incident_open);
}

TEST_F(IncidentsTest, CountsWhatCameBetweenFirstAndLast) {
  const auto request = [this](int64_t now, bool fails, int code) {
    if (fails) {
      FailAt(now);
    }
    store_.AddRequest(upstream_, 0, now, 1);
    if (code != 0) {
      store_.AddResponse(upstream_, code, Origin::kNginx, now);
    } else if (fails) {
      store_.AddRescued(upstream_);
    }
    if (fails) {
      store_.incidents().NoteCounts(upstream_, now);
    }
  };
  for (int i = 0; i < 10; ++i) {
    request(kNow, false, 0);  // before
  }
  request(kNow, true, 504);
  request(kNow, false, 0);
  request(kNow, true, 0);
  request(kNow, true, 502);
  request(kNow, true, 502);
  for (int i = 0; i < 10; ++i) {
    request(kNow, false, 0);  // behind the last failure
  }
  const Incident incident = TakeIncidents(kNow).at(0);
  EXPECT_EQ(incident.attempts, 5U);
  EXPECT_EQ(incident.failures, 4U);
  EXPECT_EQ(incident.rescued, 1U);
  EXPECT_EQ(incident.responses, (std::array<uint64_t, 3>{0, 2, 1}));
}

TEST_F(IncidentsTest, CountsFindingsOfEachFailure) {
  for (int i = 0; i < 4; ++i) {
    store_.AddFailedAttempt(upstream_, peer_, 0, kNow, {},
                            {Finding::kPortClosed, Finding::kNotRetried});
  }
  const Incident incident = TakeIncidents(kNow).at(0);
  const auto count = [&incident](Finding finding) {
    return incident.findings[static_cast<size_t>(finding)];
  };
  EXPECT_EQ(count(Finding::kPortClosed), 4U);
  EXPECT_EQ(count(Finding::kNotRetried), 4U);
  EXPECT_EQ(count(Finding::kOomKill), 0U);
}

TEST_F(IncidentsTest, NamesPeersWithMostFailuresFirst) {
  Open(kNow);
  const uint32_t other = store_.FindOrAddPeer(upstream_, "127.0.0.2:80");
  for (int i = 0; i < 5; ++i) {
    store_.AddFailedAttempt(upstream_, other, 0, kNow, {});
  }
  store_.AddFailedAttempt(upstream_, kNoPeer, 0, kNow, {});
  const Incident incident = TakeIncidents(kNow).at(0);
  ASSERT_EQ(incident.peers.size(), 2U);
  EXPECT_EQ(incident.peers[0].addr, "127.0.0.2:80");
  EXPECT_EQ(incident.peers[0].failures, 5U);
  EXPECT_EQ(incident.peers[1].failures, 3U);
  EXPECT_EQ(incident.failures, 9U);
}

TEST_F(IncidentsTest, LumpsPeersThatItHasNoRoomFor) {
  constexpr size_t kPeers = 2 * kIncidentPeers;
  for (size_t i = 0; i < kPeers; ++i) {
    const uint32_t peer =
        store_.FindOrAddPeer(upstream_, absl::StrCat("10.0.0.1:", i + 1));
    store_.AddFailedAttempt(upstream_, peer, 0, kNow, {});
  }
  const Incident incident = TakeIncidents(kNow).at(0);
  ASSERT_EQ(incident.peers.size(), kIncidentPeers + 1);
  EXPECT_EQ(incident.peers.back().addr, "(other)");
  EXPECT_EQ(incident.peers.back().failures, kPeers - kIncidentPeers);
}

TEST_F(IncidentsTest, TellsNoPeerThatHasTakenARow) {
  Open(kNow);
  store_.arena().peers[peer_].hash ^= 1;  // the row is somebody else's by now
  const Incident incident = TakeIncidents(kNow).at(0);
  ASSERT_EQ(incident.peers.size(), 1U);
  EXPECT_EQ(incident.peers[0].addr, "(other)");
  EXPECT_EQ(incident.peers[0].failures, 3U);
}

// The peer's row is another's from its next failure on: its failures before
// that are nobody's.
void ExpectStranger(const Incident& incident, uint64_t before) {
  ASSERT_EQ(incident.peers.size(), 2U);
  EXPECT_EQ(incident.peers[0].failures, 1U);
  EXPECT_EQ(incident.peers[1].addr, "(other)");
  EXPECT_EQ(incident.peers[1].failures, before);
}

TEST_F(IncidentsTest, CountsNoFailureForThePeerThatHasTakenARow) {
  Open(kNow);
  store_.arena().peers[peer_].hash ^= 1;
  FailAt(kNow);
  ExpectStranger(TakeIncidents(kNow).at(0), 3);
}

TEST_F(IncidentsTest, CreditsNoEarlyFailureToThePeerThatHasTakenARow) {
  FailAt(kNow);
  FailAt(kNow);
  store_.arena().peers[peer_].hash ^= 1;
  FailAt(kNow);
  ExpectStranger(TakeIncidents(kNow).at(0), 2);
}

TEST_F(IncidentsTest, KeepsATimeLine) {
  Open(kNow);
  for (int64_t minute = 1; minute < 200; minute += 4) {
    FailAt(kNow + minute * kMinuteMs);
  }
  const Incident incident = TakeIncidents(kNow).at(0);
  EXPECT_EQ(incident.spans[0], 3U);
  EXPECT_EQ(incident.spans[1], 1U);
  EXPECT_EQ(incident.spans[2], 0U);
  EXPECT_EQ(incident.spans[5], 1U);
  EXPECT_EQ(incident.spans[20], 1U);  // minutes 20 to 24: 21
  EXPECT_EQ(Sum({incident.spans.begin(), incident.spans.end()}),
            incident.failures);
}

TEST_F(IncidentsTest, KnowsItsEvents) {
  const auto fail = [this](int64_t now) {
    const uint64_t id = store_.ReserveEvents(1);
    const Failure failure = {.time_ms = now, .cause = Cause::kReadTimeout};
    store_.AddFailedAttempt(upstream_, peer_, 0, now, failure);
    store_.WriteEvent(id, failure, {.upstream = "backend"}, {upstream_});
    return id;
  };
  fail(kNow);  // too early
  const uint64_t first = fail(kNow + 2 * kMinuteMs);
  fail(kNow + 2 * kMinuteMs);
  fail(kNow + 2 * kMinuteMs + 1);
  const uint64_t last = fail(kNow + 3 * kMinuteMs);
  const Snapshot snapshot = Take(kNow + 3 * kMinuteMs);
  const Incident& incident = snapshot.incidents.at(0);
  EXPECT_EQ(incident.first_event, first);
  EXPECT_EQ(incident.last_event, last);
  ASSERT_EQ(snapshot.events.size(), 5U);
  for (const Event& event : snapshot.events) {
    EXPECT_EQ(event.incident, event.id < first ? 0U : 1U) << event.id;
  }
}

TEST_F(IncidentsTest, IsToldWhichOneAFailureBelongsTo) {
  FailAt(kNow);
  EXPECT_EQ(store_.incidents().Find(upstream_, kNow, kNow), 0U);
  FailAt(kNow);
  const uint64_t id = FailAt(kNow + 1);
  EXPECT_EQ(store_.incidents().Find(upstream_, kNow + 1, kNow + 1), id);
  EXPECT_EQ(store_.incidents().Find(upstream_, kNow - 1, kNow + 1), 0U);
  EXPECT_EQ(store_.incidents().Find(upstream_, kNow, kNow + kHourMs), 0U);
}

TEST_F(IncidentsTest, KeepsTheLastOnesWhereTheRingIsFull) {
  constexpr int kMany = 300;
  for (int i = 0; i < kMany; ++i) {
    Open(kNow + i * 10 * kMinuteMs);
  }
  const auto incidents = TakeIncidents(kNow + kMany * 10 * kMinuteMs);
  ASSERT_EQ(incidents.size(), 128U);
  EXPECT_EQ(incidents.front().id, 300U);
  EXPECT_EQ(incidents.back().id, 173U);
  EXPECT_EQ(incidents.back().start, kNow + 172 * 10 * kMinuteMs);
  EXPECT_EQ(TakeUpstream(kNow).incidents, 300U);
}

TEST_F(IncidentsTest, AnOpenOneKeepsItsSlot) {
  const uint64_t open = Open(kNow);
  const uint32_t other = store_.FindOrAddUpstream("other", Protocol::kHttp);
  for (int i = 0; i < 300; ++i) {
    const int64_t now = kNow + i * 4 * kMinuteMs;
    FailAt(now);
    for (int k = 0; i % 2 == 0 && k < 3; ++k) {
      store_.AddFailedAttempt(other, kNoPeer, 0, now, {});
    }
  }
  const auto incidents = TakeIncidents(kNow + 299 * 4 * kMinuteMs);
  ASSERT_EQ(incidents.size(), 128U);
  EXPECT_EQ(incidents.front().id, 152U);  // one id more, for the slot it keeps
  EXPECT_EQ(incidents.back().id, open);
  EXPECT_EQ(incidents.back().failures, 303U);
  EXPECT_TRUE(incidents.back().open);
}

// More upstreams fail at once than the ring has slots for.
TEST(Incidents, WhereAllGoOnNoneMakesRoom) {
  const SharedMemory memory{size_t{2} << 20};
  Store store = Store::Create(memory.data(), memory.size(),
                              {.events = 16, .incidents = 4}, kNow);
  std::vector<uint32_t> rows;
  for (int i = 0; i < 6; ++i) {
    rows.push_back(
        store.FindOrAddUpstream(absl::StrCat("u", i), Protocol::kHttp));
  }
  int64_t now = kNow;
  int opened = 0;
  const auto fail = [&](size_t first, int rounds) {
    for (; rounds > 0; --rounds, now += kSecond) {
      for (size_t i = first; i < rows.size(); ++i) {
        opened +=
            store.AddFailedAttempt(rows[i], kNoPeer, 0, now, {}) == 0 ? 0 : 1;
      }
    }
  };
  const auto take = [&] {
    Snapshot snapshot;
    Copy(store, now, &snapshot);
    return snapshot.incidents;
  };
  fail(0, 50);
  EXPECT_EQ(opened, 4);
  ASSERT_EQ(take().size(), 4U);
  for (const Incident& incident : take()) {
    EXPECT_EQ(incident.failures, 50U);
  }
  // One that has been silent for a minute makes room, and no other one does.
  fail(1, 65);
  EXPECT_EQ(opened, 5);
  ASSERT_EQ(take().size(), 4U);
  EXPECT_EQ(take().front().upstream, "u4");
  EXPECT_EQ(take().back().upstream, "u1");
  EXPECT_EQ(take().back().failures, 115U);
}

TEST_F(IncidentsTest, NothingLiesInTheFutureOfAClockThatWasSetBack) {
  Open(kNow + kDay);
  FailAt(kNow + kDay + 2 * kMinuteMs);
  for (int64_t now : {kNow, kNow + 10 * kMinuteMs}) {
    const Incident incident = TakeIncidents(now).at(0);
    EXPECT_FALSE(incident.open);
    EXPECT_EQ(incident.end, now);
    EXPECT_EQ(incident.start, now - 2 * kMinuteMs);
  }
  // What fails now is another one.
  EXPECT_EQ(FailAt(kNow), 0U);
  EXPECT_EQ(FailAt(kNow), 0U);
  EXPECT_EQ(FailAt(kNow), 2U);
  const auto incidents = TakeIncidents(kNow);
  EXPECT_EQ(incidents.at(0).start, kNow);
  EXPECT_TRUE(incidents.at(0).open);
  EXPECT_EQ(incidents.at(1).failures, 4U);
}

TEST_F(IncidentsTest, WorkersMayBeALittleBehind) {
  FailAt(kNow + 2 * kSecond);
  FailAt(kNow);
  FailAt(kNow + kSecond);
  const Incident incident = TakeIncidents(kNow + kSecond).at(0);
  EXPECT_EQ(incident.start, kNow);
  EXPECT_EQ(incident.failures, 3U);
  EXPECT_TRUE(incident.open);
}

TEST_F(IncidentsTest, BeginsWhenItFailedAndNotWhenThatWasCounted) {
  for (int64_t back : {20, 10, 0}) {
    store_.AddFailedAttempt(upstream_, peer_, 0, kNow,
                            {.time_ms = kNow - back * kSecond});
  }
  const Incident incident = TakeIncidents(kNow).at(0);
  EXPECT_EQ(incident.start, kNow - 20 * kSecond);
  EXPECT_EQ(incident.end, kNow);
}

TEST_F(IncidentsTest, EndsOfIdleConnectionsAreNoFault) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(store_.AddFailedAttempt(
                  upstream_, peer_, 0, kNow,
                  {.cause = Cause::kBodyTimeout, .received_status = 101}),
              0U);
  }
  EXPECT_TRUE(TakeIncidents(kNow).empty());
}

TEST_F(IncidentsTest, SaysWhetherItBeganWithAReload) {
  store_.NoteLoad(kNow);
  store_.NoteLoad(kNow + 30 * kMinuteMs);
  Request(kNow + 10 * kMinuteMs, 5);
  Open(kNow + 30 * kMinuteMs + kSecond);
  const Incident with = TakeIncidents(kNow + 31 * kMinuteMs).at(0);
  EXPECT_TRUE(with.since_reload);
  EXPECT_EQ(with.generation, 2U);
  // What had failed before did not begin with it.
  store_.NoteLoad(kNow + 50 * kMinuteMs);
  Open(kNow + 50 * kMinuteMs + kSecond);
  EXPECT_FALSE(TakeIncidents(kNow + 51 * kMinuteMs).at(0).since_reload);
}

TEST_F(IncidentsTest, DoesNotBlameAReloadForWhatCameLater) {
  Request(kNow, 5);
  store_.NoteLoad(kNow + 2 * kMinuteMs);
  Open(kNow + 5 * kMinuteMs);
  EXPECT_FALSE(TakeIncidents(kNow + 6 * kMinuteMs).at(0).since_reload);
}

TEST_F(IncidentsTest, TellsOnceThatItIsOver) {
  Incidents incidents = store_.incidents();
  const uint64_t id = Open(kNow);
  Incidents::Told told;
  EXPECT_FALSE(incidents.TellOver(kNow + kHourMs, &told));  // nobody was told
  told = incidents.TellOpened(id);                          // of its opening
  EXPECT_EQ(told.upstream, "backend");
  EXPECT_EQ(told.failures, 3U);
  EXPECT_FALSE(incidents.TellOver(kNow + kMinuteMs, &told));
  ASSERT_TRUE(incidents.TellOver(kNow + kHourMs, &told));
  EXPECT_EQ(told.id, id);
  EXPECT_EQ(told.end, kNow + 2 * kSecond);
  EXPECT_FALSE(incidents.TellOver(kNow + kHourMs, &told));
}

TEST_F(IncidentsTest, AreForgottenByAReset) {
  Open(kNow);
  FailAt(kNow + kMinuteMs);
  store_.Reset(kNow + kMinuteMs);
  const Snapshot snapshot = Take(kNow + kMinuteMs);
  EXPECT_TRUE(snapshot.incidents.empty());
  EXPECT_EQ(snapshot.upstreams[0].incidents, 0U);
  FailAt(kNow + kMinuteMs);
  EXPECT_TRUE(TakeIncidents(kNow + kMinuteMs).empty());
  EXPECT_EQ(Open(kNow + kMinuteMs), 0U);  // opened with the second of them
  EXPECT_EQ(TakeIncidents(kNow + kMinuteMs + 2 * kSecond).at(0).id, 2U);
}

TEST_F(IncidentsTest, OneThatNobodyFedIsNone) {
  // As a process leaves it that was killed while it opened one.
  FailAt(kNow);
  FailAt(kNow);
  const uint64_t before = row().spell;
  FailAt(kNow);
  IncidentSlot& slot = store_.arena().incidents[1];
  for (Word& cause : slot.causes) {
    cause = 0;
  }
  row().spell = before;
  EXPECT_TRUE(TakeIncidents(kNow).empty());
  EXPECT_EQ(FailAt(kNow), 2U);
  EXPECT_EQ(TakeIncidents(kNow).at(0).id, 2U);
}

TEST_F(IncidentsTest, ALongNameIsWholeWhileItsRowIsItsOwn) {
  const std::string begin(kIncidentNameMax, 'x');
  const std::string name = begin + "one";
  upstream_ = store_.FindOrAddUpstream(name, Protocol::kHttp);
  Open(kNow);
  EXPECT_EQ(TakeIncidents(kNow).at(0).upstream, name);
  const std::string other = begin + "two";
  FillUpstream(&row(), HashText(0, other.data(), other.size()), other,
               Protocol::kHttp);
  EXPECT_EQ(TakeIncidents(kNow).at(0).upstream, begin);
}

TEST_F(IncidentsTest, AnyWordsAreAnIncidentOrNone) {
  Open(kNow);
  IncidentSlot& slot = store_.arena().incidents[1];
  slot.upstream = UINT32_MAX;
  slot.name_length = UINT8_MAX;
  EXPECT_EQ(TakeIncidents(kNow).at(0).upstream.size(), kIncidentNameMax);
  slot.upstream = upstream_;
  slot.peers[0] = UINT64_MAX;
  slot.peer_failures[0] = 1;
  slot.start = kNow + kMinuteMs;
  slot.before.attempts = 1000000;
  const Incident incident = TakeIncidents(kNow + kMinuteMs).at(0);
  EXPECT_EQ(incident.attempts, 0U);
  EXPECT_LE(incident.start, incident.end);
  row().spell = UINT64_MAX;  // an incident that never was
  EXPECT_EQ(FailAt(kNow + kMinuteMs), 0U);
  row().early[0].credit = UINT64_MAX;
  row().early[1].credit = UINT64_MAX;
  EXPECT_EQ(FailAt(kNow + kMinuteMs), 0U);
  EXPECT_EQ(FailAt(kNow + kMinuteMs), 2U);
}

}  // namespace
}  // namespace upstream_502
