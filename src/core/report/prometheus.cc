// The metrics.

#include "upstream_502/report/prometheus.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "upstream_502/words/escape.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kPrefix = "nginx_upstream_502_";

enum class Syntax : uint8_t { kPrometheus, kOpenMetrics };

struct Label {
  absl::string_view name;
  absl::string_view value;
};

void AppendSample(absl::string_view name, std::initializer_list<Label> labels,
                  const absl::AlphaNum& value, std::string* out) {
  absl::StrAppend(out, kPrefix, name);
  char separator = '{';
  for (const Label& label : labels) {
    out->push_back(separator);
    absl::StrAppend(out, label.name, "=\"");
    AppendLabelValue(label.value, out);
    out->push_back('"');
    separator = ',';
  }
  absl::StrAppend(out, labels.size() == 0 ? "" : "}", " ", value, "\n");
}

// Of Unix ms that others have written.
std::string Timestamp(int64_t ms) {
  return MetricSeconds(static_cast<uint64_t>(std::max<int64_t>(ms, 0)));
}

void AppendHistogram(absl::string_view name, Cause cause,
                     const Histogram& histogram, std::string* out) {
  const Label by_cause = {"cause", CauseName(cause)};
  const std::string bucket = absl::StrCat(name, "_bucket");
  uint64_t cumulative = 0;
  for (size_t i = 0; i < kTimeBuckets; ++i) {
    cumulative += histogram.counts[i];
    AppendSample(bucket, {by_cause, {"le", MetricSeconds(kTimeBounds[i])}},
                 cumulative, out);
  }
  // The counters are read one by one while workers count on; the sum of the
  // buckets is the one number that cannot contradict them.
  cumulative += histogram.counts[kTimeBuckets];
  AppendSample(bucket, {by_cause, {"le", "+Inf"}}, cumulative, out);
  AppendSample(absl::StrCat(name, "_sum"), {by_cause},
               MetricSeconds(histogram.sum), out);
  AppendSample(absl::StrCat(name, "_count"), {by_cause}, cumulative, out);
}

// Collects the parts of one answer, family by family.
class Metrics {
 public:
  Metrics(const Excerpt& excerpt, Syntax syntax)
      : excerpt_(excerpt), syntax_(syntax) {}

  std::vector<Part> Collect();

 private:
  void AddHead(absl::string_view name, absl::string_view type,
               absl::string_view help);
  void AddNumber(absl::string_view name, absl::string_view type,
                 absl::string_view help, uint64_t value);
  void AddPerUpstream(absl::string_view name, absl::string_view help,
                      uint64_t UpstreamStats::*field);
  void AddAttempts();
  void AddResponses();
  void AddFailures();
  void AddPeerFailures();
  void AddFindings();
  void AddIncidents();
  void AddGrpcResponses();
  void AddTimeToFailure();
  void AddLastFailure();
  void AddZone();
  void AddServer();

  const Excerpt& excerpt_;
  const Syntax syntax_;
  std::vector<Part> parts_;
};

// A family is called as its samples are; in OpenMetrics without the suffix
// that its type gives them.
void Metrics::AddHead(absl::string_view name, absl::string_view type,
                      absl::string_view help) {
  std::string family = absl::StrCat(kPrefix, name);
  if (syntax_ == Syntax::kOpenMetrics) {
    const std::string suffix = type == "counter" ? "_total" : "_info";
    if (absl::EndsWith(family, suffix)) {
      family.resize(family.size() - suffix.size());
    }
  } else if (type == "info") {
    type = "gauge";
  }
  parts_.push_back(Once([=](std::string* out) {
    absl::StrAppend(out, "# HELP ", family, " ", help, "\n# TYPE ", family, " ",
                    type, "\n");
  }));
}

void Metrics::AddNumber(absl::string_view name, absl::string_view type,
                        absl::string_view help, uint64_t value) {
  AddHead(name, type, help);
  parts_.push_back(
      Once([=](std::string* out) { AppendSample(name, {}, value, out); }));
}

void Metrics::AddPerUpstream(absl::string_view name, absl::string_view help,
                             uint64_t UpstreamStats::*field) {
  AddHead(name, "counter", help);
  parts_.push_back(EachUpstream(
      excerpt_, [=](const UpstreamStats& upstream, std::string* out) {
        AppendSample(name, {{"upstream", upstream.name}}, upstream.*field, out);
      }));
}

void Metrics::AddAttempts() {
  AddHead("attempts_total", "counter",
          "Attempts to get a response from a peer.");
  parts_.push_back(
      EachPeer(excerpt_, [](const UpstreamStats& upstream,
                            const PeerStats& peer, std::string* out) {
        AppendSample("attempts_total",
                     {{"upstream", upstream.name}, {"peer", peer.addr}},
                     peer.attempts, out);
      }));
}

void Metrics::AddResponses() {
  AddHead("responses_total", "counter",
          "Gateway responses by status code and by who made them.");
  parts_.push_back(EachUpstream(
      excerpt_, [](const UpstreamStats& upstream, std::string* out) {
        for (size_t code = 0; code < kResponseCodeCount; ++code) {
          for (size_t origin = 0; origin < kOriginCount; ++origin) {
            AppendSample("responses_total",
                         {{"upstream", upstream.name},
                          {"code", absl::StrCat(kResponseCodes[code])},
                          {"origin", OriginName(static_cast<Origin>(origin))}},
                         upstream.responses[code][origin], out);
          }
        }
      }));
}

void Metrics::AddFailures() {
  AddHead("failures_total", "counter", "Failed attempts by cause.");
  parts_.push_back(EachUpstream(
      excerpt_, [](const UpstreamStats& upstream, std::string* out) {
        for (size_t i = 0; i < kCauseCount; ++i) {
          AppendSample("failures_total",
                       {{"upstream", upstream.name},
                        {"cause", CauseName(static_cast<Cause>(i))}},
                       upstream.causes[i], out);
        }
      }));
}

void Metrics::AddPeerFailures() {
  AddHead("peer_failures_total", "counter",
          "Failed attempts by peer and cause, where there were any.");
  parts_.push_back(
      EachPeer(excerpt_, [](const UpstreamStats& upstream,
                            const PeerStats& peer, std::string* out) {
        for (size_t i = 0; i < kCauseCount; ++i) {
          if (peer.causes[i] > 0) {
            AppendSample("peer_failures_total",
                         {{"upstream", upstream.name},
                          {"peer", peer.addr},
                          {"cause", CauseName(static_cast<Cause>(i))}},
                         peer.causes[i], out);
          }
        }
      }));
}

void Metrics::AddFindings() {
  AddHead("findings_total", "counter",
          "What was seen at the failed attempts that the kernel was asked "
          "about, where there was any.");
  parts_.push_back(EachUpstream(
      excerpt_, [](const UpstreamStats& upstream, std::string* out) {
        for (size_t i = 0; i < kFindingCount; ++i) {
          if (upstream.findings[i] > 0) {
            AppendSample("findings_total",
                         {{"upstream", upstream.name},
                          {"finding", FindingName(static_cast<Finding>(i))}},
                         upstream.findings[i], out);
          }
        }
      }));
}

void Metrics::AddIncidents() {
  AddPerUpstream("incidents_total",
                 "Incidents: spells of failures, from the third within a "
                 "minute until five minutes without.",
                 &UpstreamStats::incidents);
  AddHead("incident_open", "gauge",
          "Whether an incident of an upstream is not over yet.");
  parts_.push_back(EachUpstream(
      excerpt_, [](const UpstreamStats& upstream, std::string* out) {
        AppendSample("incident_open", {{"upstream", upstream.name}},
                     upstream.incident_open ? 1 : 0, out);
      }));
  AddHead("incident_id", "gauge",
          "The newest incident of an upstream, as the status location names "
          "it; 0 where there is none.");
  parts_.push_back(EachUpstream(
      excerpt_, [](const UpstreamStats& upstream, std::string* out) {
        AppendSample("incident_id", {{"upstream", upstream.name}},
                     upstream.last_incident, out);
      }));
}

void Metrics::AddGrpcResponses() {
  AddHead("grpc_responses_total", "counter",
          "Responses of gRPC servers with a grpc-status that is not OK, where "
          "there were any.");
  parts_.push_back(EachUpstream(
      excerpt_, [](const UpstreamStats& upstream, std::string* out) {
        for (size_t i = 0; i < kGrpcStatusCount; ++i) {
          if (upstream.grpc_statuses[i] > 0) {
            AppendSample("grpc_responses_total",
                         {{"upstream", upstream.name},
                          {"grpc_status", absl::StrCat(i + 1)}},
                         upstream.grpc_statuses[i], out);
          }
        }
      }));
}

void Metrics::AddTimeToFailure() {
  AddHead("time_to_failure_seconds", "histogram",
          "Time from the start of an attempt to its failure, by cause.");
  const auto& histograms = excerpt_.snapshot().totals.time_to_failure;
  parts_.push_back(Each(kCauseCount, [&histograms](size_t i, std::string* out) {
    if (histograms[i].count > 0) {
      AppendHistogram("time_to_failure_seconds", static_cast<Cause>(i),
                      histograms[i], out);
    }
  }));
}

void Metrics::AddLastFailure() {
  AddHead("last_failure_timestamp_seconds", "gauge",
          "Unix time of the last failed attempt of a peer.");
  parts_.push_back(
      EachPeer(excerpt_, [](const UpstreamStats& upstream,
                            const PeerStats& peer, std::string* out) {
        if (peer.last_failure > 0) {
          AppendSample("last_failure_timestamp_seconds",
                       {{"upstream", upstream.name}, {"peer", peer.addr}},
                       Timestamp(peer.last_failure), out);
        }
      }));
}

void Metrics::AddZone() {
  const ZoneInfo& zone = excerpt_.snapshot().zone;
  AddNumber("zone_peers", "gauge", "Peers that the zone counts.", zone.peers);
  AddNumber("zone_peers_limit", "gauge", "Peers that the zone has room for.",
            zone.peers_max);
  AddNumber("zone_overflow_total", "counter",
            "Times that something was counted under (other) because the zone "
            "was full.",
            zone.overflow);
  AddNumber("zone_evicted_total", "counter",
            "Peers that were not used for long and made room for others.",
            zone.evicted);
  AddNumber("events_total", "counter", "Events recorded.", zone.events_total);
}

void Metrics::AddServer() {
  const ServerInfo& server = excerpt_.snapshot().server;
  AddHead("start_time_seconds", "gauge", "Unix time since when is counted.");
  parts_.push_back(Once([&server](std::string* out) {
    AppendSample("start_time_seconds", {}, Timestamp(server.start_time), out);
  }));
  AddHead("build_info", "info", "Versions of the module and of nginx.");
  parts_.push_back(Once([&server](std::string* out) {
    AppendSample("build_info",
                 {{"version", server.module_version},
                  {"nginx_version", server.nginx_version}},
                 1, out);
  }));
}

std::vector<Part> Metrics::Collect() {
  AddPerUpstream("requests_total", "Requests that went to an upstream.",
                 &UpstreamStats::requests);
  AddAttempts();
  AddResponses();
  AddPerUpstream("rescued_requests_total",
                 "Requests with a failed attempt that the client never saw.",
                 &UpstreamStats::rescued);
  AddFailures();
  AddPeerFailures();
  AddFindings();
  AddIncidents();
  AddGrpcResponses();
  AddTimeToFailure();
  AddLastFailure();
  AddZone();
  AddServer();
  if (syntax_ == Syntax::kOpenMetrics) {
    parts_.push_back(Once([](std::string* out) { out->append("# EOF\n"); }));
  }
  return std::move(parts_);
}

std::unique_ptr<Renderer> MakeMetricsRenderer(const Excerpt& excerpt,
                                              Syntax syntax) {
  return std::make_unique<PartsRenderer>(Metrics(excerpt, syntax).Collect());
}

}  // namespace

std::unique_ptr<Renderer> MakePrometheusRenderer(const Excerpt& excerpt) {
  return MakeMetricsRenderer(excerpt, Syntax::kPrometheus);
}

std::unique_ptr<Renderer> MakeOpenMetricsRenderer(const Excerpt& excerpt) {
  return MakeMetricsRenderer(excerpt, Syntax::kOpenMetrics);
}

}  // namespace upstream_502
