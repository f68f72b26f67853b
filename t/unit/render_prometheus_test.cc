#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "sample.h"
#include "upstream_502/render.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kPrefix = "nginx_upstream_502_";

std::string Prometheus(const Report& report) {
  return RenderAll(*MakePrometheusRenderer(report));
}

std::string OpenMetrics(const Report& report) {
  return RenderAll(*MakeOpenMetricsRenderer(report));
}

// A strict reader of what both formats have in common.
class Exposition {
 public:
  Exposition(const std::string& text, bool open_metrics)
      : open_metrics_(open_metrics) {
    EXPECT_TRUE(absl::EndsWith(text, "\n"));
    std::vector<std::string> lines = absl::StrSplit(text, '\n');
    lines.pop_back();
    if (open_metrics) {
      EXPECT_EQ(lines.empty() ? "" : lines.back(), "# EOF");
      lines.resize(lines.empty() ? 0 : lines.size() - 1);
    }
    for (const std::string& line : lines) {
      Line(line);
    }
  }

  // The value of `requests_total{upstream="php"}`; "" where there is none.
  std::string operator[](const std::string& series) const {
    const auto found = samples_.find(absl::StrCat(kPrefix, series));
    return found == samples_.end() ? "" : found->second;
  }
  // How many samples begin like that.
  size_t Count(const std::string& start) const {
    size_t count = 0;
    for (const auto& sample : samples_) {
      count += absl::StartsWith(sample.first, absl::StrCat(kPrefix, start));
    }
    return count;
  }
  std::string TypeOf(const std::string& family) const {
    const auto found = types_.find(absl::StrCat(kPrefix, family));
    return found == types_.end() ? "" : found->second;
  }
  size_t families() const { return types_.size(); }

 private:
  void Line(const std::string& line) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, "# HELP ")) {
      const std::pair<std::string, std::string> help =
          absl::StrSplit(rest, absl::MaxSplits(' ', 1));
      EXPECT_TRUE(helps_.insert(help.first).second) << line;
      EXPECT_FALSE(help.second.empty()) << line;
      family_ = help.first;
    } else if (absl::ConsumePrefix(&rest, "# TYPE ")) {
      const std::pair<std::string, std::string> type =
          absl::StrSplit(rest, ' ');
      EXPECT_EQ(type.first, family_) << line;
      EXPECT_TRUE(types_.insert(type).second) << line;
    } else {
      Sample(line);
    }
  }

  void Sample(const std::string& line) {
    size_t at = line.find_first_of("{ ");
    ASSERT_NE(at, std::string::npos) << line;
    const std::string name = line.substr(0, at);
    EXPECT_TRUE(Belongs(name)) << line;
    if (line[at] == '{') {
      Labels(line, &at);
    }
    const std::string series = line.substr(0, at);
    ASSERT_EQ(line[at], ' ') << line;
    const std::string value = line.substr(at + 1);
    ASSERT_FALSE(value.empty());
    EXPECT_EQ(value.find_first_not_of("0123456789."), std::string::npos)
        << line;
    EXPECT_TRUE(samples_.emplace(series, value).second) << line;
  }

  // Whether the current family may have a sample of that name.
  bool Belongs(absl::string_view name) {
    if (!absl::ConsumePrefix(&name, family_)) {
      return false;
    }
    const std::string& type = types_[family_];
    if (type == "histogram") {
      return name == "_bucket" || name == "_sum" || name == "_count";
    }
    if (type == "info") {
      return open_metrics_ && name == "_info";
    }
    if (type == "counter" && open_metrics_) {
      return name == "_total";
    }
    return name.empty() && (type == "gauge" || type == "counter") &&
           absl::EndsWith(family_, "_total") == (type == "counter");
  }

  static void Labels(const std::string& line, size_t* at) {
    std::set<std::string> names;
    do {
      const size_t start = ++*at;
      *at = line.find("=\"", start);
      ASSERT_NE(*at, std::string::npos) << line;
      const std::string name = line.substr(start, *at - start);
      EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
                std::string::npos)
          << line;
      EXPECT_TRUE(names.insert(name).second) << line;
      for (*at += 2; line.at(*at) != '"'; ++*at) {
        if (line[*at] == '\\') {
          ++*at;
          EXPECT_NE(absl::string_view("\\\"n").find(line.at(*at)),
                    absl::string_view::npos)
              << line;
        }
      }
      ++*at;
    } while (line.at(*at) == ',');
    ASSERT_EQ(line.at(*at), '}') << line;
    ++*at;
  }

  const bool open_metrics_;
  std::string family_;
  std::set<std::string> helps_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::string> samples_;
};

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
        "zone_overflow_total", "events_total"}) {
    EXPECT_EQ(metrics.TypeOf(counter), "counter") << counter;
  }
  for (const char* gauge :
       {"last_failure_timestamp_seconds", "zone_peers", "zone_peers_limit",
        "start_time_seconds", "build_info"}) {
    EXPECT_EQ(metrics.TypeOf(gauge), "gauge") << gauge;
  }
  EXPECT_EQ(metrics.TypeOf("time_to_failure_seconds"), "histogram");
  EXPECT_EQ(metrics.families(), 14U);
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
  const auto renderer = MakePrometheusRenderer(report);
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
  EXPECT_EQ(metrics.families(), 14U);
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
    EXPECT_EQ(metrics.families(), 14U);
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
