#include "upstream_502/report/negotiate.h"

#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

TEST(ParseFormat, KnowsWhatDirectiveAndQueryMaySay) {
  const struct {
    absl::string_view name;
    Format format;
  } kCases[] = {{"html", Format::kHtml},
                {"json", Format::kJson},
                {"text", Format::kText},
                {"prometheus", Format::kPrometheus}};
  for (const auto& c : kCases) {
    Format format = Format::kAuto;
    EXPECT_TRUE(ParseFormat(c.name, &format)) << c.name;
    EXPECT_EQ(format, c.format) << c.name;
  }
  Format format = Format::kOpenMetrics;
  for (const absl::string_view name :
       {"", "auto", "HTML", "json ", "jso", "openmetrics", "xml"}) {
    EXPECT_FALSE(ParseFormat(name, &format)) << name;
    EXPECT_EQ(format, Format::kOpenMetrics);
  }
}

Format Accepted(absl::string_view accept) {
  return ChooseFormat(Format::kAuto, Format::kAuto, accept);
}

TEST(ChooseFormat, AnswersTextUnlessAskedOtherwise) {
  EXPECT_EQ(Accepted(""), Format::kText);
  EXPECT_EQ(Accepted("*/*"), Format::kText);
  EXPECT_EQ(Accepted("text/plain"), Format::kText);
  EXPECT_EQ(Accepted("image/png"), Format::kText);
  EXPECT_EQ(Accepted(",;=,;q=;"), Format::kText);
  EXPECT_EQ(Accepted(kNasty), Format::kText);
}

TEST(ChooseFormat, KnowsBrowsersScrapersAndClients) {
  EXPECT_EQ(Accepted("text/html,application/xhtml+xml,application/xml;q=0.9,"
                     "image/avif,image/webp,*/*;q=0.8"),
            Format::kHtml);
  EXPECT_EQ(Accepted("application/openmetrics-text;version=1.0.0,"
                     "application/openmetrics-text;version=0.0.1;q=0.75,"
                     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Format::kOpenMetrics);
  EXPECT_EQ(Accepted("text/plain;version=0.0.4;q=1,*/*;q=0.1"),
            Format::kPrometheus);
  EXPECT_EQ(Accepted("application/json, text/plain, */*"), Format::kJson);
}

TEST(ChooseFormat, ComparesMediaTypesWithoutCase) {
  EXPECT_EQ(Accepted("Application/JSON"), Format::kJson);
  EXPECT_EQ(Accepted("TEXT/PLAIN; VERSION=\"0.0.4\""), Format::kPrometheus);
}

TEST(ChooseFormat, HonoursQuality) {
  EXPECT_EQ(Accepted("text/html;q=0.5, application/json;q=0.75"),
            Format::kJson);
  EXPECT_EQ(Accepted("text/html ; Q=0.75 , application/json;q=0.5"),
            Format::kHtml);
  EXPECT_EQ(Accepted("text/html;q=0.001"), Format::kHtml);
  EXPECT_EQ(Accepted("text/html;q=0"), Format::kText);
  EXPECT_EQ(Accepted("text/html;q=nan"), Format::kText);
  EXPECT_EQ(Accepted("text/html;q=2"), Format::kText);
}

TEST(ChooseFormat, PrefersWhatIsNamedToAWildcard) {
  EXPECT_EQ(Accepted("*/*, application/json"), Format::kJson);
  EXPECT_EQ(Accepted("*/*, application/json;q=0.9"), Format::kText);
}

TEST(ChooseFormat, LeavesOutVersionsWeDoNotWrite) {
  EXPECT_EQ(Accepted("application/openmetrics-text;version=2.0.0,"
                     "text/plain;version=0.0.4;q=0.5"),
            Format::kPrometheus);
  EXPECT_EQ(Accepted("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                     "text/plain;version=0.0.4;q=0.5"),
            Format::kPrometheus);
}

TEST(ChooseFormat, PutsTheDirectiveFirstAndTheQuerySecond) {
  EXPECT_EQ(ChooseFormat(Format::kText, Format::kJson, "text/html"),
            Format::kText);
  EXPECT_EQ(ChooseFormat(Format::kAuto, Format::kJson, "text/html"),
            Format::kJson);
}

TEST(ChooseFormat, LetsAcceptChooseAmongMetricsOnly) {
  EXPECT_EQ(ChooseFormat(Format::kAuto, Format::kPrometheus, "text/html"),
            Format::kPrometheus);
  EXPECT_EQ(ChooseFormat(Format::kAuto, Format::kPrometheus, ""),
            Format::kPrometheus);
  EXPECT_EQ(ChooseFormat(Format::kAuto, Format::kPrometheus,
                         "application/openmetrics-text;version=1.0.0"),
            Format::kOpenMetrics);
  EXPECT_EQ(ChooseFormat(Format::kPrometheus, Format::kAuto,
                         "application/openmetrics-text"),
            Format::kOpenMetrics);
  EXPECT_EQ(ChooseFormat(Format::kJson, Format::kAuto,
                         "application/openmetrics-text"),
            Format::kJson);
}

TEST(ContentType, SaysVersionAndCharset) {
  EXPECT_EQ(ContentType(Format::kHtml), "text/html; charset=utf-8");
  EXPECT_EQ(ContentType(Format::kJson), "application/json");
  EXPECT_EQ(ContentType(Format::kText), "text/plain; charset=utf-8");
  EXPECT_EQ(ContentType(Format::kAuto), ContentType(Format::kText));
  EXPECT_EQ(ContentType(Format::kPrometheus),
            "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(ContentType(Format::kOpenMetrics),
            "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

TEST(ChooseFollowFormat, FollowsDirectiveThenQueryThenAccept) {
  const auto choose = [](Format directive, Format query,
                         absl::string_view accept) {
    return ChooseFollowFormat(directive, query, accept);
  };
  constexpr Format kAuto = Format::kAuto;
  EXPECT_EQ(choose(kAuto, kAuto, ""), FollowFormat::kText);
  EXPECT_EQ(choose(kAuto, kAuto, "*/*"), FollowFormat::kText);
  EXPECT_EQ(choose(kAuto, kAuto, "text/html,*/*;q=0.8"), FollowFormat::kText);
  EXPECT_EQ(choose(kAuto, kAuto, "application/json"), FollowFormat::kJson);
  EXPECT_EQ(choose(kAuto, kAuto, "application/x-ndjson"), FollowFormat::kJson);
  EXPECT_EQ(choose(kAuto, Format::kJson, "text/html"), FollowFormat::kJson);
  EXPECT_EQ(choose(kAuto, Format::kText, "application/json"),
            FollowFormat::kText);
  EXPECT_EQ(choose(Format::kJson, Format::kText, ""), FollowFormat::kJson);
  EXPECT_EQ(choose(Format::kText, Format::kJson, ""), FollowFormat::kText);
}

TEST(ChooseFollowFormat, KnowsServerSentEvents) {
  const char* kEvents = "text/event-stream";
  for (const Format directive : {Format::kAuto, Format::kJson, Format::kHtml}) {
    EXPECT_EQ(ChooseFollowFormat(directive, Format::kAuto, kEvents),
              FollowFormat::kEventStream);
    EXPECT_EQ(ChooseFollowFormat(directive, Format::kJson,
                                 "text/html, Text/Event-Stream;q=0.1"),
              FollowFormat::kEventStream);
    EXPECT_NE(
        ChooseFollowFormat(directive, Format::kAuto, "text/event-stream;q=0"),
        FollowFormat::kEventStream);
  }
  EXPECT_EQ(ChooseFollowFormat(Format::kText, Format::kAuto, kEvents),
            FollowFormat::kText);
  EXPECT_EQ(ChooseFollowFormat(Format::kAuto, Format::kText, kEvents),
            FollowFormat::kText);
}

TEST(ChooseFollowFormat, KnowsWhatCannotBeFollowed) {
  EXPECT_FALSE(ChooseFollowFormat(Format::kHtml, Format::kJson, ""));
  for (const char* accept : {"", "text/event-stream", "application/json"}) {
    EXPECT_FALSE(
        ChooseFollowFormat(Format::kPrometheus, Format::kAuto, accept));
  }
}

TEST(ContentType, IsThatOfWhatIsFollowed) {
  EXPECT_EQ(ContentType(FollowFormat::kText), "text/plain; charset=utf-8");
  EXPECT_EQ(ContentType(FollowFormat::kJson), "application/x-ndjson");
  EXPECT_EQ(ContentType(FollowFormat::kEventStream), "text/event-stream");
}

}  // namespace
}  // namespace upstream_502
