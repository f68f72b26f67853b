#include "upstream_502/report/excerpt.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

Excerpt Of(const Report& report, absl::string_view args) {
  const absl::StatusOr<Query> query = ParseQuery(args);
  EXPECT_TRUE(query.ok()) << query.status();
  Excerpt excerpt(report, *query);
  while (excerpt.Choose(1)) {
  }
  return excerpt;
}

// What is left of the sample, by name and id.
std::string Left(absl::string_view args) {
  const Report report = SampleReport();
  const Excerpt excerpt = Of(report, args);
  std::string left;
  for (const UpstreamStats& upstream : report.snapshot.upstreams) {
    EXPECT_EQ(excerpt.ShowsUpstream(upstream.name), excerpt.Shows(upstream));
    if (!excerpt.Shows(upstream)) {
      continue;
    }
    absl::StrAppend(&left, upstream.name, "[");
    for (const PeerStats& peer : upstream.peers) {
      absl::StrAppend(&left, excerpt.Shows(peer) ? peer.addr : "",
                      excerpt.Shows(peer) ? " " : "");
    }
    absl::StrAppend(&left, "] ");
  }
  for (size_t i = 0; i < excerpt.events(); ++i) {
    absl::StrAppend(&left, excerpt.event(i).id, " ");
  }
  return left;
}

TEST(Excerpt, KeepsEverythingWithoutAFilter) {
  EXPECT_EQ(Left(""),
            "(none)[] api[10.0.0.1:80 ] php[127.0.0.1:9000 127.0.0.1:9001 ] "
            "unseen[10.0.0.1:80 ] 12 11 ");
}

TEST(Excerpt, FiltersByUpstream) {
  EXPECT_EQ(Left("upstream=php"), "php[127.0.0.1:9000 127.0.0.1:9001 ] 11 ");
  EXPECT_EQ(Left("upstream=PHP"), "");
}

TEST(Excerpt, FiltersByPeer) {
  EXPECT_EQ(Left("peer=127.0.0.1:9000"), "php[127.0.0.1:9000 ] 11 ");
  EXPECT_EQ(Left("peer=10.0.0.1:80&upstream=api"), "api[10.0.0.1:80 ] ");
}

TEST(Excerpt, FiltersByCause) {
  EXPECT_EQ(Left("cause=error_status"), "php[127.0.0.1:9000 127.0.0.1:9001 ] ");
  EXPECT_EQ(Left("cause=resolver_missing"), "12 ");
}

TEST(Excerpt, FiltersByFinding) {
  const std::string php = "php[127.0.0.1:9000 127.0.0.1:9001 ] ";
  EXPECT_EQ(Left("finding=port_closed"), php + "11 ");
  EXPECT_EQ(Left("finding=port_closed&limit=0"), php);
  EXPECT_EQ(Left("finding=port_closed&since=11"), php);
  EXPECT_EQ(Left("finding=only_large"), "");
}

TEST(Excerpt, KeepsTheNewestOfThoseWithTheFinding) {
  Report report;
  for (uint64_t id = 20; id > 0; --id) {
    report.snapshot.events.push_back(id % 3 == 0 ? SampleEvent(id)
                                                 : SampleBareEvent(id));
  }
  const Excerpt excerpt = Of(report, "finding=port_closed&limit=4");
  ASSERT_EQ(excerpt.events(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(excerpt.event(i).id, 18 - 3 * i);
  }
}

TEST(Excerpt, CutsEventsByIdAndNumber) {
  const std::string all = Left("limit=0");
  EXPECT_EQ(Left("since=11"), all + "12 ");
  EXPECT_EQ(Left("since=12"), all);
  EXPECT_EQ(Left("limit=1"), all + "12 ");
  // The limit counts what the other filters left.
  EXPECT_EQ(Left("limit=1&upstream=php"),
            "php[127.0.0.1:9000 127.0.0.1:9001 ] 11 ");
}

TEST(Excerpt, LeavesOneIncidentItsUpstreamAndItsEvents) {
  const Report report = SampleReport();
  const Excerpt excerpt = Of(report, "incident=2");
  ASSERT_EQ(excerpt.incidents(), 1U);
  EXPECT_EQ(excerpt.incident(0).id, 2U);
  ASSERT_EQ(excerpt.events(), 1U);
  EXPECT_EQ(excerpt.event(0).incident, 2U);
  EXPECT_EQ(Left("incident=2"), "php[127.0.0.1:9000 127.0.0.1:9001 ] 11 ");
  EXPECT_EQ(Left("incident=3"), "");
  EXPECT_EQ(Of(report, "incident=3").incidents(), 0U);
}

TEST(Excerpt, LeavesTheIncidentsThatAFilterNames) {
  const auto left = [](absl::string_view args) {
    const Report report = SampleReport();
    return Of(report, args).incidents();
  };
  EXPECT_EQ(left(""), 2U);
  EXPECT_EQ(left("upstream=php"), 2U);
  EXPECT_EQ(left("upstream=api"), 0U);
  EXPECT_EQ(left("cause=read_timeout"), 2U);
  EXPECT_EQ(left("cause=dns_error"), 0U);
  EXPECT_EQ(left("finding=port_closed"), 2U);
  EXPECT_EQ(left("finding=oom_kill"), 0U);
  EXPECT_EQ(left("peer=127.0.0.1:9000"), 2U);
  EXPECT_EQ(left("peer=127.0.0.1:9009"), 0U);
}

TEST(Excerpt, KeepsTheFirstEventOfAnIncident) {
  Report report = SampleReport();
  auto& events = report.snapshot.events;
  events.clear();
  for (uint64_t id = 20; id > 0; --id) {
    events.push_back(SampleEvent(id));
    events.back().incident = 2;
  }
  const Excerpt excerpt = Of(report, "incident=2&limit=3");
  ASSERT_EQ(excerpt.events(), 3U);
  EXPECT_EQ(excerpt.event(0).id, 20U);
  EXPECT_EQ(excerpt.event(1).id, 19U);
  EXPECT_EQ(excerpt.event(2).id, 1U);
}

TEST(Excerpt, IsAllOfAReport) {
  Report report = SampleReport();
  for (uint64_t id = 1; id <= 200; ++id) {
    report.snapshot.events.push_back(SampleEvent(id));
  }
  const Excerpt excerpt(report);
  EXPECT_EQ(excerpt.events(), report.snapshot.events.size());
  EXPECT_EQ(excerpt.incidents(), report.snapshot.incidents.size());
}

TEST(SortTroubled, PutsTheDiagnosedFirstAndThenTheWorst) {
  Report report;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    report.snapshot.upstreams.push_back(*name == 'd' ? SampleHealthy(name)
                                                     : SampleTroubled());
    report.snapshot.upstreams.back().name = name;
  }
  report.snapshot.upstreams[1].failures = 99;
  for (const char* name : {"e", "d", "c"}) {
    report.diagnoses.emplace_back().upstream = name;
  }
  SortTroubled(&report);
  std::string order;
  for (const auto& [upstream, diagnosis] : report.troubled) {
    absl::StrAppend(&order, report.snapshot.upstreams[upstream].name,
                    diagnosis == Troubled::kNotDiagnosed ? "" : "!", " ");
  }
  EXPECT_EQ(order, "e! c! b a ");
}

}  // namespace
}  // namespace upstream_502
