#include "upstream_502/report/prometheus.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "report/exposition.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

std::string Prometheus(const Report& report) {
  return RenderAll(*MakePrometheusRenderer(report));
}

std::string OpenMetrics(const Report& report) {
  return RenderAll(*MakeOpenMetricsRenderer(report));
}

// What `command` makes of `text`: its exit status, 127 where it is missing.
int ExitOf(const std::string& command, const std::string& text) {
  FILE* pipe = popen((command + " >&2").c_str(), "w");
  if (pipe == nullptr) {
    return 127;
  }
  fwrite(text.data(), 1, text.size(), pipe);
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

TEST(PrometheusRenderer, HasEveryFamilyOfTheContract) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  for (const char* counter :
       {"requests_total", "attempts_total", "responses_total",
        "rescued_requests_total", "failures_total", "peer_failures_total",
        "findings_total", "incidents_total", "grpc_responses_total",
        "zone_overflow_total", "zone_evicted_total", "events_total"}) {
    EXPECT_EQ(metrics.TypeOf(counter), "counter") << counter;
  }
  for (const char* gauge :
       {"last_failure_timestamp_seconds", "zone_peers", "zone_peers_limit",
        "start_time_seconds", "build_info"}) {
    EXPECT_EQ(metrics.TypeOf(gauge), "gauge") << gauge;
  }
  EXPECT_EQ(metrics.TypeOf("time_to_failure_seconds"), "histogram");
  EXPECT_EQ(metrics.families(), 20U);
}

TEST(PrometheusRenderer, CountsPerUpstreamAndPeer) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  EXPECT_EQ(metrics["requests_total{upstream=\"php\"}"], "100");
  EXPECT_EQ(metrics["rescued_requests_total{upstream=\"php\"}"], "4");
  EXPECT_EQ(metrics["attempts_total{upstream=\"php\",peer=\"127.0.0.1:9000\"}"],
            "60");
  EXPECT_EQ(metrics["zone_peers"], "4");
  EXPECT_EQ(metrics["zone_peers_limit"], "1024");
  EXPECT_EQ(metrics["zone_overflow_total"], "0");
  EXPECT_EQ(metrics["events_total"], "12");
  EXPECT_EQ(metrics["start_time_seconds"], "1763671411.0");
  EXPECT_EQ(metrics["build_info{version=\"0.1.0\",nginx_version=\"1.22.1\"}"],
            "1");
}

TEST(PrometheusRenderer, ListsConfiguredUpstreamsBeforeTheirFirstRequest) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  EXPECT_EQ(metrics["requests_total{upstream=\"unseen\"}"], "0");
  EXPECT_EQ(metrics["failures_total{upstream=\"unseen\",cause=\"dns_error\"}"],
            "0");
  EXPECT_EQ(metrics["attempts_total{upstream=\"unseen\",peer=\"10.0.0.1:80\"}"],
            "0");
}

TEST(PrometheusRenderer, HasOneSeriesForThePeersOfAPlace) {
  Report report = SampleReport();
  report.snapshot.upstreams[2].kind = UpstreamKind::kPlace;
  const UpstreamStats& place = report.snapshot.upstreams[2];
  ASSERT_GT(place.peers.size(), 1U);
  const Exposition metrics(Prometheus(report), false);
  EXPECT_EQ(metrics.Count("attempts_total{upstream=\"php\""), 1U);
  EXPECT_EQ(metrics["attempts_total{upstream=\"php\",peer=\"(variable)\"}"],
            std::to_string(place.attempts));
  EXPECT_EQ(metrics["peer_failures_total{upstream=\"php\","
                    "peer=\"(variable)\",cause=\"error_status\"}"],
            "2");
  EXPECT_EQ(metrics.Count("last_failure_timestamp_seconds"), 1U);
}

TEST(PrometheusRenderer, CountsResponsesNobodyWasAskedFor) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  EXPECT_EQ(metrics["responses_total{upstream=\"(none)\",code=\"502\","
                    "origin=\"config\"}"],
            "7");
}

TEST(PrometheusRenderer, HasZerosForEveryCauseCodeAndOrigin) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  EXPECT_EQ(metrics.Count("failures_total{upstream=\"php\""), kCauseCount);
  EXPECT_EQ(
      metrics["failures_total{upstream=\"php\",cause=\"connection_refused\"}"],
      "10");
  EXPECT_EQ(metrics["failures_total{upstream=\"php\",cause=\"unknown\"}"], "0");
  EXPECT_EQ(metrics.Count("responses_total{upstream=\"php\""),
            kResponseCodeCount * kOriginCount);
  EXPECT_EQ(metrics["responses_total{upstream=\"php\",code=\"504\","
                    "origin=\"nginx\"}"],
            "1");
  EXPECT_EQ(metrics["responses_total{upstream=\"php\",code=\"500\","
                    "origin=\"cache\"}"],
            "0");
}

TEST(PrometheusRenderer, HasPeersOnlyWhereTheyFailed) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  EXPECT_EQ(metrics.Count("peer_failures_total"), 2U);
  EXPECT_EQ(metrics["peer_failures_total{upstream=\"php\","
                    "peer=\"127.0.0.1:9001\",cause=\"error_status\"}"],
            "2");
  EXPECT_EQ(metrics.Count("last_failure_timestamp_seconds"), 2U);
  EXPECT_EQ(metrics["last_failure_timestamp_seconds{upstream=\"php\","
                    "peer=\"127.0.0.1:9000\"}"],
            "1763675007.75");
}

TEST(PrometheusRenderer, HasFindingsOnlyWhereTheyWereMade) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  EXPECT_EQ(metrics.Count("findings_total"), 1U);
  EXPECT_EQ(metrics["findings_total{upstream=\"php\",finding=\"port_closed\"}"],
            "9");
}

TEST(PrometheusRenderer, HasStatusesOfGrpcOnlyWhereTheyCame) {
  Report report = SampleReport();
  report.snapshot.upstreams[2].grpc_statuses[13] = 2;
  const Exposition metrics(Prometheus(report), false);
  EXPECT_EQ(metrics.Count("grpc_responses_total"), 1U);
  EXPECT_EQ(
      metrics["grpc_responses_total{upstream=\"php\",grpc_status=\"14\"}"],
      "2");
}

TEST(PrometheusRenderer, NamesTheNewestIncident) {
  Report report = SampleReport();
  UpstreamStats& php = report.snapshot.upstreams[2];
  php.incidents = 5;
  php.last_incident = 9;
  php.incident_open = true;
  const std::string text = RenderAll(*MakePrometheusRenderer(report));
  const Exposition metrics(text, false);
  EXPECT_EQ(metrics["incidents_total{upstream=\"php\"}"], "5");
  EXPECT_EQ(metrics["incident_open{upstream=\"php\"}"], "1");
  EXPECT_EQ(metrics["incident_id{upstream=\"php\"}"], "9");
  EXPECT_EQ(metrics["incident_open{upstream=\"api\"}"], "0");
  EXPECT_EQ(metrics["incident_id{upstream=\"api\"}"], "0");
}

TEST(PrometheusRenderer, AccumulatesTheHistogram) {
  const Exposition metrics(Prometheus(SampleReport()), false);
  const std::string name = "time_to_failure_seconds";
  const std::string cause = "{cause=\"connection_refused\"";
  EXPECT_EQ(metrics.Count(name + "_count"), 1U);
  EXPECT_EQ(metrics.Count(name + "_bucket"), kTimeBuckets + 1);
  for (const char* le : {"0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0",
                         "5.0", "10.0", "30.0", "60.0", "120.0"}) {
    EXPECT_EQ(metrics[name + "_bucket" + cause + ",le=\"" + le + "\"}"], "10")
        << le;
  }
  EXPECT_EQ(metrics[name + "_bucket" + cause + ",le=\"+Inf\"}"], "12");
  EXPECT_EQ(metrics[name + "_count" + cause + "}"], "12");
  EXPECT_EQ(metrics[name + "_sum" + cause + "}"], "400.004");
}

TEST(PrometheusRenderer, KeepsTheHistogramConsistentWhenTheCounterLags) {
  Report report = SampleReport();
  CountOf(report.snapshot.totals.time_to_failure, Cause::kConnectionRefused)
      .count = 11;
  const Exposition metrics(Prometheus(report), false);
  const std::string cause = "{cause=\"connection_refused\"";
  EXPECT_EQ(
      metrics["time_to_failure_seconds_count" + cause + "}"],
      metrics["time_to_failure_seconds_bucket" + cause + ",le=\"+Inf\"}"]);
}

TEST(PrometheusRenderer, NamesNothingThatAClientSent) {
  Report report = SampleReport();
  for (Event& event : report.snapshot.events) {
    event.method = event.host = event.uri = event.request_id = event.message =
        "client-sent-this";
  }
  EXPECT_FALSE(absl::StrContains(Prometheus(report), "client-sent-this"));
  EXPECT_FALSE(absl::StrContains(OpenMetrics(report), "client-sent-this"));
}

TEST(PrometheusRenderer, EscapesNamesOnce) {
  Report report = SampleReport();
  report.snapshot.upstreams[2].name = "a\"b\\c\nd";
  EXPECT_TRUE(absl::StrContains(
      Prometheus(report),
      "nginx_upstream_502_requests_total{upstream=\"a\\\"b\\\\c\\nd\"} 100\n"));
}

TEST(PrometheusRenderer, WorksInPiecesOfWholeLines) {
  Report report = SampleReport();
  for (int i = 0; i < 200; ++i) {
    UpstreamStats upstream = SampleTroubled();
    upstream.name = absl::StrCat("z", 1000 + i, std::string(80, 'z'));
    upstream.peers[0].causes.fill(1);
    report.snapshot.upstreams.push_back(upstream);
  }
  const Excerpt excerpt(report);
  const auto renderer = MakePrometheusRenderer(excerpt);
  std::string all;
  std::string piece;
  while (renderer->Next(&piece)) {
    EXPECT_LE(piece.size(), 16384U);
    EXPECT_TRUE(absl::EndsWith(piece, "\n"));
    all += piece;
    piece.clear();
  }
  EXPECT_FALSE(renderer->Next(&piece));
  EXPECT_EQ(piece, "");
  EXPECT_EQ(all, Prometheus(report));
}

TEST(PrometheusRenderer, SatisfiesPromtool) {
  if (ExitOf("promtool --version 2>/dev/null", "") != 0) {
    GTEST_SKIP() << "no promtool here";
  }
  // Exit status 3 is lint; a body that deserves it proves the check.
  EXPECT_EQ(ExitOf("promtool check metrics 2>/dev/null", "x_total_ms 1\n"), 3);
  EXPECT_EQ(ExitOf("promtool check metrics", Prometheus(SampleReport())), 0);
  EXPECT_EQ(ExitOf("promtool check metrics", Prometheus(NastyReport())), 0);
  EXPECT_EQ(ExitOf("promtool check metrics", Prometheus(Report{})), 0);
}

TEST(OpenMetricsRenderer, NamesFamiliesWithoutTheirSuffix) {
  const Exposition metrics(OpenMetrics(SampleReport()), true);
  EXPECT_EQ(metrics.TypeOf("requests"), "counter");
  EXPECT_EQ(metrics.TypeOf("requests_total"), "");
  EXPECT_EQ(metrics.TypeOf("build"), "info");
  EXPECT_EQ(metrics.TypeOf("last_failure_timestamp_seconds"), "gauge");
  EXPECT_EQ(metrics.TypeOf("time_to_failure_seconds"), "histogram");
  EXPECT_EQ(metrics.families(), 20U);
}

TEST(OpenMetricsRenderer, HasTheSamplesOfTheOtherFormat) {
  std::vector<std::string> classic =
      absl::StrSplit(Prometheus(SampleReport()), '\n');
  std::vector<std::string> open =
      absl::StrSplit(OpenMetrics(SampleReport()), '\n');
  const auto is_comment = [](const std::string& line) {
    return absl::StartsWith(line, "#");
  };
  std::erase_if(classic, is_comment);
  std::erase_if(open, is_comment);
  EXPECT_EQ(classic, open);
}

TEST(OpenMetricsRenderer, SurvivesHostileNames) {
  for (const std::string& text :
       {OpenMetrics(NastyReport()), Prometheus(NastyReport())}) {
    const Exposition metrics(text, text.find("# EOF\n") == text.size() - 6);
    EXPECT_EQ(metrics.families(), 20U);
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      EXPECT_EQ(line.find('\r'), absl::string_view::npos);
      EXPECT_EQ(line.find('\xff'), absl::string_view::npos);
    }
  }
}

TEST(OpenMetricsRenderer, SatisfiesPrometheussOwnParser) {
  const std::string command =
      "/usr/bin/python3 -c 'import sys\n"
      "from prometheus_client.openmetrics import parser\n"
      "text = sys.stdin.buffer.read().decode()\n"
      "sys.exit(0 if list(parser.text_string_to_metric_families(text)) "
      "else 1)'";
  if (ExitOf("/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null",
             "") != 0) {
    GTEST_SKIP() << "no python3-prometheus-client here";
  }
  EXPECT_NE(ExitOf(command + " 2>/dev/null", "x 1\n"), 0);
  EXPECT_EQ(ExitOf(command, OpenMetrics(SampleReport())), 0);
  EXPECT_EQ(ExitOf(command, OpenMetrics(NastyReport())), 0);
  EXPECT_EQ(ExitOf(command, OpenMetrics(Report{})), 0);
}

}  // namespace
}  // namespace upstream_502
