#include "upstream_502/report/text.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(Report report) {
  SortTroubled(&report);
  return RenderAll(*MakeTextRenderer(report));
}

// The line that holds `part`, its blanks squeezed.
std::string LineWith(const std::string& text, const std::string& part) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.find(part) != absl::string_view::npos) {
      std::string squeezed(line);
      squeezed.erase(
          std::unique(squeezed.begin(), squeezed.end(),
                      [](char a, char b) { return a == ' ' && b == ' '; }),
          squeezed.end());
      return squeezed;
    }
  }
  return "";
}

void ExpectFits(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_TRUE(line.size() <= 100U || absl::StartsWith(line, "  check: "))
        << line;
    for (const char c : line) {
      ASSERT_TRUE(c >= 0x20 && c < 0x7f) << line;
    }
  }
}

TEST(TextRenderer, SaysWhatIsCountedAndSinceWhen) {
  const std::string text = Text(SampleReport());
  EXPECT_THAT(text, HasSubstr("upstream failures on web-1, "
                              "2025-11-20 21:43:31 UTC\n"));
  EXPECT_THAT(text, HasSubstr("counting since 2025-11-20 20:43:31 UTC (1h 0m), "
                              "configuration generation 3"));
  EXPECT_THAT(text, HasSubstr("requests 1100, attempts 1110, failures 12 "
                              "(1.1% of attempts), rescued 4\n"));
}

TEST(TextRenderer, TakesNoFailureBeforeAnAttemptForOne) {
  Report report = SampleReport();
  Snapshot& snapshot = report.snapshot;
  snapshot.totals.attempts = 2;
  snapshot.totals.failures = 9;
  for (UpstreamStats& upstream : snapshot.upstreams) {
    upstream.failures = upstream.attempts = 0;
    upstream.causes = {};
    for (PeerStats& peer : upstream.peers) {
      peer.failures = 0;
      peer.causes = {};
    }
  }
  snapshot.upstreams[1].failures = 5;  // and no attempt
  snapshot.upstreams[1].causes[static_cast<size_t>(Cause::kInternalError)] = 5;
  snapshot.upstreams[2].failures = 4;
  snapshot.upstreams[2].attempts = 2;
  snapshot.upstreams[2].causes[static_cast<size_t>(Cause::kDnsError)] = 3;
  EXPECT_THAT(Text(report),
              HasSubstr("attempts 2, failures 9 (8 before any attempt, 50.0% "
                        "of attempts)"));
}

// Only its events tell that an upstream's attempts went well, all of them.
TEST(TextRenderer, TellsWhatFailedBeforeAnyAttempt) {
  Report report = SampleReport();
  UpstreamStats& upstream = *FindUpstream("php", &report.snapshot.upstreams);
  upstream.failures += 3;
  CountOf(upstream.causes, Cause::kInternalError) = 3;
  Event event = SampleEvent(900);
  event.failure.cause = Cause::kInternalError;
  event.failure.phase = Phase::kResolve;
  event.failure.attempt = event.failure.attempts = 0;
  event.peer = "";
  report.snapshot.events = {event};
  std::string text = Text(report);
  EXPECT_THAT(text, HasSubstr("attempts 110, failures 15 (3 before any "
                              "attempt, 10.9% of attempts)"));
  EXPECT_THAT(text, HasSubstr("    before any attempt, errno 111"));
  // An answer that was of no use is an attempt's.
  report.snapshot.events[0].failure.attempt = 1;
  text = Text(report);
  EXPECT_THAT(text, HasSubstr("attempts 110, failures 15 (13.6% of attempts)"));
}

TEST(TextRenderer, TabulatesResponsesByOrigin) {
  const std::string text = Text(SampleReport());
  EXPECT_EQ(LineWith(text, "responses"),
            "responses total nginx upstream cache config");
  EXPECT_THAT(text, ::testing::ContainsRegex("\n502 +14 +5 +2 +0 +7\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("\n504 +1 +1 +0 +0 +0\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("\n500 +0 +0 +0 +0 +0\n"));
}

TEST(TextRenderer, ShowsATroubledUpstreamWithItsDiagnosis) {
  const std::string text = Text(SampleReport());
  EXPECT_THAT(text, HasSubstr("\n== php (fastcgi) =="));
  EXPECT_THAT(text, HasSubstr("DEGRADED (partial): nothing listens on "
                              "127.0.0.1:9000 [since 2025-11-20 21:33:31"));
  EXPECT_THAT(text, HasSubstr("\n  check: systemctl status php8.2-fpm\n"));
  EXPECT_THAT(text, HasSubstr("\n  hint: "));
  EXPECT_THAT(text, HasSubstr("_.#] now, peak 10/min\n"));
  EXPECT_THAT(text, HasSubstr("first failure 2025-11-20 21:33:31 UTC "
                              "(10m 0s ago), last 2025-11-20 21:43:27"));
}

TEST(TextRenderer, ListsCausesWithCountAndShare) {
  const std::string text = Text(SampleReport());
  EXPECT_EQ(LineWith(text, "83.3%"), " connection_refused 10 83.3%");
  EXPECT_EQ(LineWith(text, "16.7%"), " error_status 2 16.7%");
}

TEST(TextRenderer, TellsFindingsWhereTheyWereMade) {
  const std::string text = Text(SampleReport());
  EXPECT_THAT(text, HasSubstr("\n  why: nothing listens on port 9000 of this "
                              "machine (9 times)\n  check: "));
  EXPECT_EQ(LineWith(text, "  port_closed"), " port_closed 9");
  EXPECT_THAT(text, HasSubstr("\n    connect() failed (111: Connection "
                              "refused)\n    why: nothing listens on "));
}

TEST(TextRenderer, HasNoTableOfFindingsWhereThereWereNone) {
  Report report = SampleReport();
  report.snapshot.upstreams[2].findings = {};
  report.snapshot.events.clear();
  report.diagnoses.clear();
  const std::string text = Text(report);
  EXPECT_THAT(text, Not(HasSubstr("finding")));
  EXPECT_THAT(text, Not(HasSubstr("why:")));
}

TEST(TextRenderer, ListsPeersWorstFirst) {
  Report report = SampleReport();
  std::swap(report.snapshot.upstreams[2].peers[0],
            report.snapshot.upstreams[2].peers[1]);
  const std::string text = Text(report);
  EXPECT_THAT(text, HasSubstr("  127.0.0.1:9000        "));
  EXPECT_LT(text.find("  127.0.0.1:9000  "), text.find("  127.0.0.1:9001  "));
  EXPECT_EQ(LineWith(text, "  127.0.0.1:9000  "),
            " 127.0.0.1:9000 60 10 connection_refused 3s ago");
}

TEST(TextRenderer, CutsALongListOfPeers) {
  Report report = SampleReport();
  auto& peers = report.snapshot.upstreams[2].peers;
  for (int i = 0; i < 5000; ++i) {
    peers.push_back(
        SamplePeer(absl::StrCat("10.1.0.", i), 1, 0, Cause::kUnknown));
  }
  const std::string text = Text(report);
  EXPECT_THAT(text, HasSubstr("\n  and 4982 more, none of which failed\n"));
  EXPECT_THAT(text, HasSubstr("  10.1.0.17 "));
  EXPECT_THAT(text, Not(HasSubstr("  10.1.0.18 ")));
}

TEST(TextRenderer, PutsTheWorstUpstreamFirst) {
  Report report = SampleReport();
  auto& upstreams = report.snapshot.upstreams;
  UpstreamStats more = SampleTroubled();
  more.name = "more";
  more.failures = 50;
  UpstreamStats most = SampleTroubled();
  most.name = "most";
  most.failures = 60;
  upstreams = {SampleHealthy("api"), more, most, SampleTroubled()};
  // A diagnosis weighs more than a number.
  const std::string text = Text(report);
  const size_t php = text.find("== php");
  const size_t first = text.find("== most");
  const size_t second = text.find("== more");
  EXPECT_LT(php, first);
  EXPECT_LT(first, second);
  EXPECT_LT(second, text.find("without a failure: "));
}

TEST(TextRenderer, ListsOnlyRealUpstreamsThatHadARequest) {
  const std::string text = Text(SampleReport());
  EXPECT_THAT(text, HasSubstr("\nwithout a failure: api (1000 requests)\n"));
  EXPECT_THAT(text, Not(HasSubstr("(none)")));
  EXPECT_THAT(text, Not(HasSubstr("unseen")));
}

TEST(TextRenderer, ShowsEventsWithWhatTheClientGot) {
  const std::string text = Text(SampleReport());
  EXPECT_THAT(text, HasSubstr("2 failures, newest first"));
  EXPECT_THAT(text,
              HasSubstr("\n11-20 21:43:27  502 -> 200 rescued  "
                        "connection_refused       php 127.0.0.1:9000\n"
                        "    in connect, errno 111 ECONNREFUSED, attempt 1 of "
                        "2, connect - header - response 0.001s, event 11\n"
                        "    GET example.com/index.php\n"
                        "    connect() failed (111: Connection refused)\n"));
}

TEST(TextRenderer, LeavesOutWhatAnEventDoesNotKnow) {
  const std::string text = Text(SampleReport());
  EXPECT_THAT(text, HasSubstr("- -> -              resolver_missing         "
                              "api (no peer)\n"
                              "    in resolve, connect - header - response -, "
                              "event 12\n\n11-20"));
}

TEST(TextRenderer, SaysThatNothingFailed) {
  Report report;
  report.snapshot.upstreams = {SampleHealthy("api")};
  const std::string text = Text(report);
  EXPECT_THAT(text, HasSubstr("\nno attempt failed; what backends answer "
                              "themselves (503, 500) is not counted\n"));
  EXPECT_THAT(text, HasSubstr("no response was a 502, a 504"));
  EXPECT_THAT(text, HasSubstr("failures 0 (-"));
  EXPECT_THAT(text, HasSubstr("without a failure: api"));
  EXPECT_THAT(text, Not(HasSubstr("==")));
}

TEST(TextRenderer, DoesNotTakeSilenceForHealth) {
  Report report;
  report.snapshot.upstreams = {SampleHealthy("hang")};
  UpstreamStats& hang = report.snapshot.upstreams[0];
  hang.requests = 1;
  for (PeerStats& peer : hang.peers) {
    peer.last_success = 0;
  }
  EXPECT_THAT(Text(report),
              HasSubstr("without a failure: hang (1 request, none "
                        "answered so far)\n"));
}

TEST(TextRenderer, TellsCallsOfGrpcThatDidNotEndWell) {
  Report report;
  report.snapshot.upstreams = {SampleHealthy("api")};
  report.snapshot.upstreams[0].grpc_statuses[3] = 2;
  report.snapshot.upstreams[0].grpc_statuses[13] = 7;
  const std::string text = Text(report);
  EXPECT_THAT(text, HasSubstr("\nno attempt failed; "));
  EXPECT_THAT(text,
              HasSubstr("\nanswered by api with a grpc-status that is not "
                        "OK: UNAVAILABLE (14) 7, DEADLINE_EXCEEDED (4) "
                        "2\n"));
}

TEST(TextRenderer, DoesNotSayItOfAFilteredView) {
  Report report = SampleReport();
  report.snapshot.upstreams = {SampleHealthy("api")};
  const std::string text = Text(report);
  EXPECT_THAT(text, Not(HasSubstr("no attempt failed")));
  EXPECT_THAT(text, HasSubstr("no failure in the upstreams asked for\n"));
}

TEST(TextRenderer, WarnsOfAFullZone) {
  Report report = SampleReport();
  EXPECT_THAT(Text(report), Not(HasSubstr("upstream_502_zone")));
  report.snapshot.zone.overflow = 7;
  EXPECT_THAT(Text(report),
              HasSubstr("the zone was full 7 times; what did not fit"));
}

TEST(TextRenderer, FitsATerminalOfAHundredColumns) {
  ExpectFits(Text(SampleReport()));
  ExpectFits(Text(NastyReport()));
}

TEST(TextRenderer, PrintsACommandInOneLine) {
  Report report = SampleReport();
  report.diagnoses[0].checks[0] = absl::StrCat("grep ", std::string(90, 'n'),
                                               " /proc/net/unix  # and more");
  EXPECT_THAT(Text(report), HasSubstr("n /proc/net/unix  # and more\n"));
}

TEST(TextRenderer, FitsWithLongNamesWithoutBlanks) {
  Report report = SampleReport();
  const std::string name(300, 'n');
  report.snapshot.server.hostname = name;
  report.diagnoses[0].summary = report.diagnoses[0].checks[0] = name;
  for (int i = 0; i < 30; ++i) {
    report.snapshot.upstreams.push_back(
        SampleHealthy(absl::StrCat("z", i, name)));
  }
  report.snapshot.upstreams[2].name = report.diagnoses[0].upstream = name;
  report.snapshot.upstreams[2].peers[0].addr = name;
  for (Event& event : report.snapshot.events) {
    event.upstream = event.peer = event.uri = event.message = name;
  }
  const std::string text = Text(report);
  ExpectFits(text);
  EXPECT_THAT(text, HasSubstr("nn...nn"));
}

TEST(TextRenderer, FitsWithTheLargestNumbers) {
  Report report = SampleReport();
  Snapshot& snapshot = report.snapshot;
  snapshot.zone.overflow = snapshot.zone.peers = UINT64_MAX;
  snapshot.totals.requests = snapshot.totals.failures = UINT64_MAX;
  for (auto& origins : snapshot.totals.responses) {
    origins.fill(UINT64_MAX / 16);
  }
  for (UpstreamStats& upstream : snapshot.upstreams) {
    upstream.requests = upstream.attempts = upstream.failures = UINT64_MAX;
    upstream.causes.fill(UINT64_MAX);
    upstream.history.buckets[5].failures = UINT32_MAX;
    for (PeerStats& peer : upstream.peers) {
      peer.attempts = peer.failures = UINT64_MAX;
      peer.last_failure = 1000;
      peer.last_cause = Cause::kTlsCertificateInvalid;
    }
  }
  for (Event& event : snapshot.events) {
    event.id = UINT64_MAX;
    event.failure.status = event.failure.client_status = UINT16_MAX;
    event.failure.rescued = 1;
    event.failure.cause = Cause::kTlsCertificateInvalid;
    event.failure.attempt = event.failure.attempts = UINT16_MAX;
    event.failure.connect_time = event.failure.header_time =
        event.failure.response_time = INT32_MAX;
    event.upstream = event.peer = std::string(60, 'p');
  }
  const std::string text = Text(report);
  ExpectFits(text);
  EXPECT_EQ(LineWith(text, "10.0.0.1:80"),
            " 10.0.0.1:80 1.845e+19 1.845e+19 tls_certificate_invalid "
            "20412d 21h ago");
}

}  // namespace
}  // namespace upstream_502
