// Findings as a whole: order, and input that is meant to break them.

#include <cstring>
#include <random>

#include "advice/findings_examples.h"
#include "upstream_502/advice/hint.h"

namespace upstream_502 {
namespace {

TEST(FindingsTest, EveryFindingButThoseOfDiagnosesIsMade) {
  const auto examples = Examples();
  EXPECT_EQ(examples.size(), static_cast<size_t>(Finding::kFromCache));
  for (const auto& [finding, scene] : examples) {
    EXPECT_EQ(Find(scene)[0].finding, finding) << NamesOf(scene);
  }
}

// Only the message and what nginx did not do tell something by themselves.
TEST(FindingsTest, NothingIsSaidThatWasNotSeen) {
  for (const auto& [finding, scene] : Examples()) {
    Failure failure = scene.failure;
    failure.not_retried = NotRetried::kUnknown;
    failure.sent_to = 0;
    failure.connect_time = -1;
    FailureText text = scene.text;
    text.message = "";
    EXPECT_TRUE(Findings(failure, text, nullptr).empty())
        << FindingName(finding);
    const Evidence nothing;
    EXPECT_TRUE(Findings(failure, text, &nothing).empty())
        << FindingName(finding);
  }
}

// The same evidence with another cause says nothing that the table does not
// have.
TEST(FindingsTest, CausesAreThoseOfTheTable) {
  for (const auto& [finding, scene] : Examples()) {
    for (size_t i = 0; i < kCauseCount; ++i) {
      FindingScene other = scene;
      other.failure.cause = static_cast<Cause>(i);
      for (const Found& found : Find(other)) {
        const absl::string_view causes = Info(found.finding).causes;
        EXPECT_TRUE(causes == "any" ||
                    absl::StrContains(causes, CauseName(other.failure.cause)))
            << FindingName(found.finding);
      }
    }
  }
}

TEST(FindingsTest, WhyIsTheFirstFindingElseTheHint) {
  const FindingScene closed = Examples()[Finding::kPortClosed];
  EXPECT_EQ(Why(closed.failure, closed.text, &closed.evidence),
            Says(closed, Finding::kPortClosed));
  EXPECT_EQ(Why(closed.failure, closed.text, nullptr),
            Hint(closed.failure, closed.text));
  FindingScene both = closed;
  both.failure.not_retried = NotRetried::kOnlyServer;
  both.evidence.oom_kills = 1;
  both.evidence.oom_seconds = 2;
  EXPECT_EQ(NamesOf(both), "port_closed oom_kill not_retried");
  // That it was not retried is not why it failed.
  EXPECT_EQ(Why(both.failure, both.text, nullptr),
            Hint(both.failure, both.text));
}

TEST(FindingsTest, OfAnEvent) {
  const FindingScene closed = Examples()[Finding::kPortClosed];
  Event event;
  event.failure = closed.failure;
  event.peer = std::string(closed.text.peer);
  EXPECT_TRUE(Findings(event).empty());
  event.evidence = closed.evidence;
  EXPECT_EQ(Findings(event).size(), 1u);
}

void ExpectPlain(const std::vector<Found>& found) {
  for (const Found& one : found) {
    ASSERT_LT(static_cast<size_t>(one.finding), kFindingCount);
    ASSERT_FALSE(one.text.empty());
    ASSERT_LE(one.text.size(), 300u) << one.text;
    ASSERT_NE(one.text.back(), '.') << one.text;
    for (const char c : one.text) {
      ASSERT_TRUE(c >= ' ' && c <= '~') << one.text;
    }
  }
}

std::string Hostile(int kind) {
  switch (kind) {
    case 0:
      return std::string(65536, 'a');
    case 1:
      return std::string("\0\0<script>alert(1)</script>\x1b[2J\r\nX: y", 38);
    case 2:
      return "\xff\xfe\xc3\x28\xe2\x80\xae gnp";
    case 3:
      return std::string(65536, '.');
    case 4:
      return "unix:" + std::string(300, '\x80');
    default:
      return "";
  }
}

TEST(FindingsTest, HostileTextIsPlainAndBounded) {
  for (const auto& [finding, scene] : Examples()) {
    for (int kind = 0; kind <= 5; ++kind) {
      const std::string bad = Hostile(kind);
      const std::string message = absl::StrCat(scene.text.message, bad);
      const std::string named =
          absl::StrCat("upstream SSL certificate does not match \"", bad, "\"");
      const std::string name = absl::StrCat(
          bad, " could not be resolved (110: Operation timed out)");
      const std::string memcached =
          absl::StrCat("memcached sent invalid response: \"", bad);
      Evidence evidence = scene.evidence;
      for (size_t i = 0; i < evidence.text.size(); ++i) {
        evidence.text[i] = bad.empty() ? '\0' : bad[i % bad.size()];
      }
      evidence.text_size = 255;
      for (const Evidence& seen : {scene.evidence, evidence}) {
        for (const std::string& line : {message, named, name, memcached}) {
          ExpectPlain(Findings(
              scene.failure,
              {.upstream = bad, .peer = bad, .method = bad, .message = line},
              &seen));
          ExpectPlain(Findings(scene.failure,
                               {.peer = scene.text.peer, .message = line},
                               &seen));
        }
      }
    }
  }
}

// What is read back from shared memory may be any bytes.
TEST(FindingsTest, AnyBytesAreTaken) {
  std::mt19937 random(502);
  constexpr absl::string_view kPeers[] = {"", kTcp, kFpm, kFar};
  for (int round = 0; round < 20000; ++round) {
    Evidence evidence;
    Failure failure;
    unsigned char bytes[sizeof(Evidence)];
    for (unsigned char& byte : bytes) {
      const unsigned number = static_cast<unsigned>(random());
      byte = static_cast<unsigned char>(round % 2 == 0 ? number : number % 4);
    }
    std::memcpy(&evidence, bytes, sizeof(evidence));
    std::memcpy(&failure, bytes, sizeof(failure));
    failure.cause = static_cast<Cause>(random() % 34);
    failure.errno_number = static_cast<int16_t>(random() % 128);
    ExpectPlain(Findings(failure, {.peer = kPeers[random() % 4]}, &evidence));
  }
}

}  // namespace
}  // namespace upstream_502
