#include "upstream_502/classifier.h"

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr const char* kMessages[] = {
    "",
    "connect() failed (111: Connection refused)",
    "connect() failed (113: No route to host!!)",
    "connect() failed (110: Connection timed out)",
    "upstream timed out (110: Connection timed out)",
    "upstream prematurely closed connection",
    "upstream prematurely closed FastCGI st",
    "recv() failed (104: Connection reset by peer)",
    "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong)",
    "SSL_do_handshake() failed (SSL: error:0A000086:certificate verify failed)",
    "no live upstreams",
    "a line of another module",
};

// One for each field, with nothing in it but that.
std::vector<Attempt> Attempts() {
  return {
      {},
      {.protocol = Protocol::kHttps},
      {.ending = Ending::kRetried},
      {.ending = Ending::kNoAttempt},
      {.timer = Timer::kRead},
      {.timer = Timer::kWrite},
      {.has_line = true},
      {.unix_socket = true},
      {.tls = true},
      {.tls_started = true},
      {.tls_handshaked = true},
      {.reused = true},
      {.connected = true},
      {.request_sent = true},
      {.sending = true},
      {.header_done = true},
      {.upgraded = true},
      {.status = 502},
      {.received_status = 502},
      {.received_status = 504},
      {.bytes_received = 1},
      {.bytes_received = uint64_t{1} << 40},
      {.rc = -1},
      {.rc = 502},
      {.rc = 504},
  };
}

void ExpectSame(const Verdict& a, const Verdict& b, const std::string& what) {
  EXPECT_EQ(a.failed, b.failed) << what;
  EXPECT_EQ(a.cause, b.cause) << what;
  EXPECT_EQ(a.phase, b.phase) << what;
  EXPECT_EQ(a.errno_class, b.errno_class) << what;
  EXPECT_EQ(a.errno_number, b.errno_number) << what;
  EXPECT_EQ(a.tls_alert, b.tls_alert) << what;
  EXPECT_EQ(a.dns_rcode, b.dns_rcode) << what;
}

void ExpectSame(const RecognizedLine& a, const RecognizedLine& b,
                const std::string& what) {
  EXPECT_EQ(a.worth, b.worth) << what;
  EXPECT_EQ(a.pattern, b.pattern) << what;
  EXPECT_EQ(a.errno_class, b.errno_class) << what;
  EXPECT_EQ(a.errno_number, b.errno_number) << what;
}

TEST(Classifier, AnswersAsTheFunctionsDoInAnyOrder) {
  Classifier classifier;
  const std::vector<Attempt> attempts = Attempts();
  std::mt19937 random(502);  // NOLINT: the same every time
  // Few of each, so that the same comes again.
  for (int i = 0; i < 200000; ++i) {
    const std::string message = kMessages[random() % std::size(kMessages)];
    Attempt attempt = attempts[random() % attempts.size()];
    const int again = static_cast<int>(random() % 3);
    for (int times = 0; times <= again; ++times) {
      // Each time at another place.
      const std::string copy = message;
      attempt.line = classifier.Recognize(copy);
      attempt.message = copy;
      ExpectSame(attempt.line, RecognizeLine(copy), message);
      ExpectSame(classifier.Judge(attempt).verdict, Classify(attempt), message);
    }
  }
}

// Every pair of attempts that differ in one field, one after the other, in
// failures where nearly every field decides or is told on.
TEST(Classifier, NoticesEveryField) {
  const std::vector<Attempt> attempts = Attempts();
  for (const char* message : kMessages) {
    for (size_t i = 0; i < attempts.size(); ++i) {
      Classifier classifier;
      Attempt plain;
      plain.message = message;
      plain.line = classifier.Recognize(message);
      classifier.Judge(plain);
      Attempt other = attempts[i];
      other.message = message;
      other.line = classifier.Recognize(message);
      const std::string what = std::string(message) + " " + std::to_string(i);
      const Judgment& judgment = classifier.Judge(other);
      ExpectSame(judgment.verdict, Classify(other), what);
      EXPECT_EQ(judgment.facts.protocol, other.protocol) << what;
      EXPECT_EQ(judgment.facts.reused != 0, other.reused) << what;
      EXPECT_EQ(judgment.facts.status, other.status) << what;
      EXPECT_EQ(judgment.facts.received_status, other.received_status) << what;
      EXPECT_EQ(judgment.facts.cause, judgment.verdict.cause) << what;
      EXPECT_EQ(judgment.facts.phase, judgment.verdict.phase) << what;
      EXPECT_EQ(judgment.facts.errno_class, judgment.verdict.errno_class);
      EXPECT_EQ(judgment.facts.errno_number, judgment.verdict.errno_number);
    }
  }
}

TEST(Classifier, KeepsUsualMessagesForGood) {
  auto classifier = std::make_unique<Classifier>();
  const std::string refused = "connect() failed (111: Connection refused)";
  ASSERT_NE(classifier->Recognize(refused).usual, 0);
  const absl::string_view kept = classifier->usual_message();
  EXPECT_EQ(kept, refused);
  EXPECT_NE(kept.data(), refused.data());
  // Many others, usual ones and those of a like number among them.
  for (int errno_number = 1; errno_number < 134; ++errno_number) {
    for (const char* text : {"connect() failed", "recv() failed"}) {
      const std::string line = absl::StrCat(text, " (", errno_number, ": ",
                                            std::strerror(errno_number), ")");
      const RecognizedLine& recognized = classifier->Recognize(line);
      if (recognized.usual != 0) {
        EXPECT_EQ(classifier->usual_message(), line);
      }
      EXPECT_EQ(recognized.errno_number, errno_number);
    }
    classifier->Recognize(absl::StrCat("another line ", errno_number));
  }
  EXPECT_EQ(kept, refused);
  EXPECT_NE(classifier->Recognize(refused).usual, 0);
  EXPECT_EQ(classifier->usual_message().data(), kept.data());
}

TEST(Classifier, TakesNoOtherMessageForAUsualOne) {
  Classifier classifier;
  for (const char* line : {
           "connect() failed (111: Connection refused) ",
           "connect() failed (111: connection refused)",
           "connect() failed (111: Connection refused",
           "connect() failed (0: Success)",
           "connect() failed (111: Connection timed out)",
           "connect() failed  (111: Connection refused)",
           "connect() to unix:/x failed (111: Connection refused)",
           "no live upstreams (111: Connection refused)",
           "no live upstreamss",
           "no live",
           "a line of another module",
       }) {
    EXPECT_EQ(classifier.Recognize(line).usual, 0) << line;
    Attempt attempt{.message = line, .rc = 502};
    attempt.line = classifier.Recognize(line);
    EXPECT_EQ(classifier.Judge(attempt).facts.line, 0) << line;
  }
}

// The number stands for the text only where the event tells the errno.
TEST(Classifier, NumbersAMessageWhereTheErrnoIsOfTheFailure) {
  Classifier classifier;
  Attempt attempt{.message = "connect() failed (111: Connection refused)",
                  .rc = 502};
  attempt.line = classifier.Recognize(attempt.message);
  EXPECT_NE(classifier.Judge(attempt).facts.line, 0);
  // What the upstream said itself has no errno.
  attempt.header_done = true;
  attempt.received_status = 502;
  const Judgment& judgment = classifier.Judge(attempt);
  ASSERT_EQ(judgment.verdict.cause, Cause::kErrorStatus);
  EXPECT_EQ(judgment.facts.errno_number, 0);
  EXPECT_EQ(judgment.facts.line, 0);
}

TEST(Classifier, NumbersTexts) {
  Classifier classifier;
  EXPECT_EQ(classifier.Recognize("").text, 0U);
  const uint32_t first = classifier.Recognize("no live upstreams").text;
  EXPECT_NE(first, 0U);
  EXPECT_EQ(classifier.Recognize("no live upstreams").text, first);
  EXPECT_NE(classifier.Recognize("no live upstream5").text, first);
  EXPECT_EQ(classifier.Recognize("no live upstreams").text, first);
  const uint32_t other = classifier.Recognize("another line").text;
  EXPECT_NE(other, first);
  EXPECT_EQ(classifier.Recognize("another line").text, other);
  classifier.Recognize("and one more");
  EXPECT_NE(classifier.Recognize("another line").text, other);
}

TEST(Classifier, DoesNotMixUpLongTexts) {
  Classifier classifier;
  const std::string head(100, 'x');
  const uint32_t first = classifier.Recognize(head + "a").text;
  EXPECT_NE(classifier.Recognize(head + "b").text, first);
  // Nor an empty one with what came before it.
  EXPECT_EQ(classifier.Recognize("").text, 0U);
  EXPECT_EQ(classifier.Recognize("").worth, RecognizeLine("").worth);
}

}  // namespace
}  // namespace upstream_502
