#include "upstream_502/report/text_incident.h"

#include <string>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

using testing::HasSubstr;

std::string Listed(const Incident& incident) {
  std::string out;
  AppendTextIncident(incident, &out);
  return out;
}

std::string Whole(const Incident& incident) {
  std::string out;
  AppendWholeIncident(incident, &out);
  return out;
}

void ExpectNarrow(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), kColumns) << line;
  }
}

TEST(TextIncident, IsAFewLinesOfAList) {
  const std::string text = Listed(SampleIncident(7));
  EXPECT_THAT(text,
              HasSubstr("#7 php  2025-11-20 20:38:31 to 20:43:31 (5m 0s), "
                        "40 failures, 28 x 502"));
  EXPECT_THAT(text, HasSubstr("connection_refused 95.0%, read_timeout 5.0%; "
                              "nothing listens on port 9000"));
  EXPECT_THAT(text, HasSubstr("began with a reload"));
  ExpectNarrow(text);
}

TEST(TextIncident, SaysThatOneIsOpen) {
  Incident incident = SampleIncident(7);
  incident.open = true;
  EXPECT_THAT(Listed(incident),
              HasSubstr("open since 2025-11-20 20:38:31, last failure "
                        "20:43:31"));
  EXPECT_THAT(Whole(incident), HasSubstr("not over yet"));
}

TEST(TextIncident, TellsAllOfOne) {
  const std::string text = Whole(SampleIncident(7));
  for (const char* part :
       {"attempts 50, failures 40, rescued 10; 28 x 502, 2 x 504",
        "configuration generation 2: it began within 2 minutes of its load",
        "2025-11-20 20:38:31", "connection_refused", "95.0%", "port_closed",
        "why: nothing listens on port 9000", "not_retried", "127.0.0.1:9000",
        "(other)"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  ExpectNarrow(text);
}

TEST(TextIncident, TellsNoNumberOfAttemptsThatContradicts) {
  Incident incident = SampleIncident(7);
  incident.responses = {};
  incident.attempts = 30;
  EXPECT_THAT(Whole(incident),
              HasSubstr("\nfailures 40, rescued 10; no gateway response "
                        "reached a client\n"));
  // Names that could not be looked up.
  CountOf(incident.causes, Cause::kConnectionRefused) = 28;
  CountOf(incident.causes, Cause::kResolverMissing) = 10;
  EXPECT_THAT(Whole(incident),
              HasSubstr("attempts 30, failures 40 (10 before any attempt), "));
}

TEST(TextIncident, HoldsWhateverNamesDo) {
  const Report report = NastyReport();
  ExpectNarrow(Listed(report.snapshot.incidents[0]));
  const std::string text = Whole(report.snapshot.incidents[0]);
  ExpectNarrow(text);
  for (const char c : text) {
    EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~'));
  }
}

}  // namespace
}  // namespace upstream_502
