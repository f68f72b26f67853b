// The JSON of the status location.

#include "upstream_502/report/json.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "upstream_502/report/json_event.h"
#include "upstream_502/report/json_incident.h"
#include "upstream_502/report/json_object.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

void AppendTexts(const List<String>& list, std::string* out) {
  AppendJsonArray(list, out, [](const String& text, std::string* to) {
    AppendJsonString(text, to);
  });
}

void AppendCauses(const CauseCounts& counts, std::string* out) {
  JsonObject object(out);
  for (size_t i = 0; i < kCauseCount; ++i) {
    if (counts[i] > 0) {
      object.Number(CauseName(static_cast<Cause>(i)), counts[i]);
    }
  }
  object.Close();
}

void AppendErrnoClasses(const ErrnoCounts& counts, std::string* out) {
  JsonObject object(out);
  // What had no errno is no class.
  for (size_t i = 1; i < kErrnoClassCount; ++i) {
    if (counts[i] > 0) {
      object.Number(ErrnoClassName(static_cast<ErrnoClass>(i)), counts[i]);
    }
  }
  object.Close();
}

void AppendFindings(const FindingCounts& counts, std::string* out) {
  JsonObject object(out);
  for (size_t i = 0; i < kFindingCount; ++i) {
    if (counts[i] > 0) {
      object.Number(FindingName(static_cast<Finding>(i)), counts[i]);
    }
  }
  object.Close();
}

void AppendGrpc(const GrpcCounts& counts, std::string* out) {
  JsonObject object(out);
  for (size_t i = 0; i < kGrpcStatusCount; ++i) {
    if (counts[i] > 0) {
      object.Number(absl::StrCat(i + 1), counts[i]);
    }
  }
  object.Close();
}

void AppendResponses(const ResponseCounts& counts, std::string* out) {
  JsonObject object(out);
  for (const int code : kResponseCodes) {
    object.Number(absl::StrCat(code), ResponsesWithCode(counts, code));
  }
  object.Close();
}

void AppendOrigins(const ResponseCounts& counts, std::string* out) {
  JsonObject object(out);
  for (size_t i = 0; i < kOriginCount; ++i) {
    const auto origin = static_cast<Origin>(i);
    object.Number(OriginName(origin), ResponsesWithOrigin(counts, origin));
  }
  object.Close();
}

void AppendServer(const ServerInfo& server, std::string* out) {
  JsonObject object(out);
  object.Text("hostname", server.hostname);
  object.Text("nginx_version", server.nginx_version);
  object.Text("module_version", server.module_version);
  object.Number("pid", server.pid);
  object.Number("time", server.time);
  object.Number("start_time", server.start_time);
  object.Number("load_time", server.load_time);
  object.Number("generation", server.generation);
  object.Number("restarts", server.restarts);
  object.Close();
}

void AppendZone(const ZoneInfo& zone, std::string* out) {
  JsonObject object(out);
  object.Text("name", zone.name);
  object.Number("size", zone.size);
  object.Number("peers", zone.peers);
  object.Number("peers_max", zone.peers_max);
  object.Number("events", zone.events);
  object.Number("events_max", zone.events_max);
  object.Number("incidents", zone.incidents);
  object.Number("incidents_max", zone.incidents_max);
  object.Number("overflow", zone.overflow);
  object.Close();
}

// The window's end of a list of hours.
template <typename T>
absl::Span<const T> Shown(const List<T>& hours, Window window) {
  return absl::MakeConstSpan(hours).last(
      std::min(hours.size(), HoursOf(window)));
}

void AppendInterval(int64_t minutes_start, int64_t hours_start, Window window,
                    JsonObject* history) {
  if (window == Window::kHour) {
    history->Number("interval_ms", kMinuteMs);
    history->Number("start", minutes_start);
    return;
  }
  const size_t hidden = kHistoryHours - HoursOf(window);
  history->Number("interval_ms", kHourMs);
  history->Number("start",
                  hours_start + static_cast<int64_t>(hidden) * kHourMs);
}

// Totals up to `history.causes`, whose members are items of their own.
void OpenTotals(const Totals& totals, Window window, std::string* out) {
  JsonObject object(out);
  object.Number("requests", totals.requests);
  object.Number("attempts", totals.attempts);
  object.Number("failures", totals.failures);
  object.Number("rescued", totals.rescued);
  AppendResponses(totals.responses, object.Key("responses"));
  AppendOrigins(totals.responses, object.Key("origins"));
  AppendCauses(totals.causes, object.Key("causes"));
  AppendFindings(totals.findings, object.Key("findings"));
  JsonObject history(object.Key("history"));
  AppendInterval(totals.requests_history.start, totals.hours_start, window,
                 &history);
  if (window == Window::kHour) {
    AppendJsonNumbers(totals.requests_history.buckets, history.Key("requests"));
  } else {
    AppendJsonNumbers(Shown(totals.requests_hours, window),
                      history.Key("requests"));
  }
  history.Key("causes")->push_back('{');
}

Part CauseHistories(const Totals& totals, Window window) {
  return Each(kCauseCount, [&totals, window, first = true](
                               size_t i, std::string* out) mutable {
    const absl::Span<const uint64_t> minutes =
        window == Window::kHour ? absl::MakeConstSpan(totals.causes_history[i])
                                : Shown(totals.causes_hours[i], window);
    if (std::all_of(minutes.begin(), minutes.end(),
                    [](uint64_t n) { return n == 0; })) {
      return;
    }
    absl::StrAppend(out, first ? "\"" : ",\"", CauseName(static_cast<Cause>(i)),
                    "\":");
    AppendJsonNumbers(minutes, out);
    first = false;
  });
}

void AppendHistory(const UpstreamStats& upstream, const Excerpt& excerpt,
                   std::string* out) {
  const Window window = excerpt.query().window;
  const absl::Span<const Minute> spans =
      window == Window::kHour ? absl::MakeConstSpan(upstream.history.buckets)
                              : Shown(upstream.hours, window);
  const auto append = [spans](uint32_t Minute::*field, std::string* to) {
    AppendJsonArray(spans, to,
                    [field](const Minute& minute, std::string* element) {
                      absl::StrAppend(element, minute.*field);
                    });
  };
  JsonObject object(out);
  AppendInterval(upstream.history.start, excerpt.snapshot().totals.hours_start,
                 window, &object);
  append(&Minute::requests, object.Key("requests"));
  append(&Minute::failures, object.Key("failures"));
  append(&Minute::responses_502, object.Key("responses_502"));
  object.Close();
}

void AppendTimeToFailure(const Histogram& histogram, std::string* out) {
  JsonObject object(out);
  AppendJsonNumbers(kTimeBounds, object.Key("le"));
  AppendJsonNumbers(histogram.counts, object.Key("counts"));
  object.Number("sum", histogram.sum);
  object.Number("count", histogram.count);
  object.Close();
}

// An upstream up to its peers, which are items of their own.
void OpenUpstream(const UpstreamStats& upstream, const Excerpt& excerpt,
                  std::string* out) {
  JsonObject object(out);
  object.Text("name", upstream.name);
  object.Text("protocol", ProtocolName(upstream.protocol));
  object.Number("requests", upstream.requests);
  object.Number("attempts", upstream.attempts);
  object.Number("failures", upstream.failures);
  object.Number("rescued", upstream.rescued);
  AppendResponses(upstream.responses, object.Key("responses"));
  AppendCauses(upstream.causes, object.Key("causes"));
  AppendErrnoClasses(upstream.errno_classes, object.Key("errno_classes"));
  AppendFindings(upstream.findings, object.Key("findings"));
  object.Number("incidents", upstream.incidents);
  AppendGrpc(upstream.grpc_statuses, object.Key("grpc_responses"));
  AppendHistory(upstream, excerpt, object.Key("history"));
  AppendTimeToFailure(upstream.time_to_failure, object.Key("time_to_failure"));
  object.Key("peers")->push_back('[');
}

void AppendPeer(const PeerStats& peer, std::string* out) {
  constexpr int64_t kNever = 0;
  JsonObject object(out);
  object.Text("addr", peer.addr);
  object.Number("attempts", peer.attempts);
  object.Number("failures", peer.failures);
  AppendCauses(peer.causes, object.Key("causes"));
  AppendErrnoClasses(peer.errno_classes, object.Key("errno_classes"));
  object.NumberUnless(kNever, "first_failure", peer.first_failure);
  object.NumberUnless(kNever, "last_failure", peer.last_failure);
  object.TextOrNull("last_cause",
                    peer.failures > 0 ? CauseName(peer.last_cause) : "");
  object.NumberUnless(kNever, "last_success", peer.last_success);
  object.Close();
}

// What stands before an element of a list whose elements are items.
absl::string_view Separator(bool* first) {
  return std::exchange(*first, false) ? "\n" : ",\n";
}

// An item is an upstream without its peers, one peer, or the end of both.
Part Upstreams(const Excerpt& excerpt) {
  return [&excerpt, u = size_t{0}, p = size_t{0}, open = false, first = true,
          first_peer = true](std::string* out) mutable {
    const List<UpstreamStats>& upstreams = excerpt.snapshot().upstreams;
    if (u == upstreams.size()) {
      return false;
    }
    const UpstreamStats& upstream = upstreams[u];
    if (!open && !(IsListed(upstream) && excerpt.Shows(upstream))) {
      ++u;
    } else if (!open) {
      absl::StrAppend(out, Separator(&first));
      OpenUpstream(upstream, excerpt, out);
      open = first_peer = true;
    } else if (p < upstream.peers.size()) {
      const PeerStats& peer = upstream.peers[p++];
      if (excerpt.Shows(peer)) {
        absl::StrAppend(out, Separator(&first_peer));
        AppendPeer(peer, out);
      }
    } else {
      absl::StrAppend(out, "]}");
      ++u;
      p = 0;
      open = false;
    }
    return true;
  };
}

// The sum of shares may end a hair outside; JSON has no NaN.
double Share(double share) { return share >= 0 ? std::min(share, 1.0) : 0; }

void AppendDiagnosis(const Diagnosis& diagnosis, std::string* out) {
  JsonObject object(out);
  object.Text("upstream", diagnosis.upstream);
  object.Text("severity", SeverityName(diagnosis.severity));
  object.Text("pattern", PatternName(diagnosis.pattern));
  object.Text("cause", CauseName(diagnosis.cause));
  object.Number("share", Share(diagnosis.share));
  object.NumberUnless(0, "since", diagnosis.since);
  AppendTexts(diagnosis.peers, object.Key("peers"));
  object.Text("summary", diagnosis.summary);
  object.Text("hint", diagnosis.hint);
  AppendJsonArray(diagnosis.findings, object.Key("findings"),
                  [](const DiagnosisFinding& found, std::string* to) {
                    JsonObject each(to);
                    each.Text("name", FindingName(found.finding));
                    each.Text("text", found.text);
                    each.Number("count", found.count);
                    each.Close();
                  });
  AppendTexts(diagnosis.checks, object.Key("checks"));
  object.Close();
}

// Diagnoses are made from everything; shown are those of the upstreams that
// the query left.
Part Diagnoses(const Excerpt& excerpt) {
  return Each(excerpt.report().diagnoses.size(),
              [&excerpt, first = true](size_t i, std::string* out) mutable {
                const Diagnosis& diagnosis = excerpt.report().diagnoses[i];
                if (excerpt.ShowsUpstream(diagnosis.upstream)) {
                  absl::StrAppend(out, Separator(&first));
                  AppendDiagnosis(diagnosis, out);
                }
              });
}

Part Incidents(const Excerpt& excerpt) {
  return Each(excerpt.incidents(),
              [&excerpt, first = true](size_t i, std::string* out) mutable {
                absl::StrAppend(out, Separator(&first));
                AppendIncidentJson(excerpt.incident(i), out);
              });
}

Part Events(const Excerpt& excerpt) {
  return Each(excerpt.events(),
              [&excerpt, first = true](size_t i, std::string* out) mutable {
                absl::StrAppend(out, Separator(&first));
                AppendEventJson(excerpt.event(i), out);
              });
}

Part Literal(absl::string_view text) {
  return Once([text](std::string* out) { absl::StrAppend(out, text); });
}

}  // namespace

std::unique_ptr<Renderer> MakeJsonRenderer(const Excerpt& excerpt) {
  const Snapshot& snapshot = excerpt.snapshot();
  std::vector<Part> parts;
  parts.push_back(Once([&excerpt, &snapshot](std::string* out) {
    JsonObject object(out);
    object.Number("schema", 1);
    AppendServer(snapshot.server, object.Key("server"));
    AppendZone(snapshot.zone, object.Key("zone"));
    OpenTotals(snapshot.totals, excerpt.query().window, object.Key("totals"));
  }));
  parts.push_back(CauseHistories(snapshot.totals, excerpt.query().window));
  parts.push_back(Literal("}}},\n\"upstreams\":["));
  parts.push_back(Upstreams(excerpt));
  parts.push_back(Literal("],\n\"diagnoses\":["));
  parts.push_back(Diagnoses(excerpt));
  parts.push_back(Literal("],\n\"incidents\":["));
  parts.push_back(Incidents(excerpt));
  parts.push_back(Literal("],\n\"events\":["));
  parts.push_back(Events(excerpt));
  parts.push_back(Literal("]}\n"));
  return std::make_unique<PartsRenderer>(std::move(parts));
}

}  // namespace upstream_502
