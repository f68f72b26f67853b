#include "upstream_502/report/filter.h"

#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

Query Asked(absl::string_view args) { return ParseQuery(args).value(); }

TEST(Filter, WantsEverythingUnlessItIsAsked) {
  EXPECT_TRUE(Matches(Asked(""), SampleEvent(1)));
  EXPECT_TRUE(Matches(Asked(""), SampleIncident(1)));
}

TEST(Filter, WantsTheEventsOfAll) {
  Event event = SampleEvent(7);
  event.upstream = "php";
  event.peer = "127.0.0.1:9000";
  event.incident = 3;
  event.failure.cause = Cause::kConnectionRefused;
  for (const char* args :
       {"upstream=php", "peer=127.0.0.1:9000", "incident=3",
        "cause=connection_refused", "since=6",
        "upstream=php&peer=127.0.0.1:9000&incident=3&since=6"}) {
    EXPECT_TRUE(Matches(Asked(args), event)) << args;
  }
  for (const char* args :
       {"upstream=ph", "upstream=phpx", "peer=127.0.0.1:900", "incident=4",
        "cause=read_timeout", "since=7", "upstream=php&incident=4"}) {
    EXPECT_FALSE(Matches(Asked(args), event)) << args;
  }
}

TEST(Filter, AsksForAFindingByItself) {
  const Event event = SampleEvent(7);
  const Event bare = SampleBareEvent(8);
  EXPECT_TRUE(Matches(Asked("finding=port_closed"), bare));
  EXPECT_TRUE(HasFinding(event, Finding::kPortClosed));
  EXPECT_FALSE(HasFinding(bare, Finding::kPortClosed));
}

TEST(Filter, WantsIncidentsByTheirCounts) {
  const Incident incident = SampleIncident(5);
  for (const char* args : {"upstream=php", "incident=5", "cause=read_timeout",
                           "finding=port_closed", "since=99999"}) {
    EXPECT_TRUE(Matches(Asked(args), incident)) << args;
  }
  for (const char* args : {"upstream=web", "incident=4", "cause=dns_error",
                           "finding=oom_kill", "peer=192.0.2.1:80"}) {
    EXPECT_FALSE(Matches(Asked(args), incident)) << args;
  }
}

}  // namespace
}  // namespace upstream_502
