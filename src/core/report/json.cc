// The JSON of the status location, and of one request.

#include "upstream_502/report/json.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "upstream_502/advice/hint.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

// Writes one object, member by member. `Close` may come in a later item.
class Object {
 public:
  explicit Object(std::string* out) : out_(out) { out_->push_back('{'); }

  // Names the next member; its value is up to the caller.
  std::string* Key(absl::string_view key) {
    absl::StrAppend(out_, first_ ? "\"" : ",\"", key, "\":");
    first_ = false;
    return out_;
  }
  template <typename T>
  void Number(absl::string_view key, T number) {
    absl::StrAppend(Key(key), number);
  }
  // null where `number` is `absent`.
  template <typename T>
  void NumberUnless(std::type_identity_t<T> absent, absl::string_view key,
                    T number) {
    Key(key);
    if (number == absent) {
      out_->append("null");
    } else {
      absl::StrAppend(out_, number);
    }
  }
  void Bool(absl::string_view key, bool value) {
    Key(key)->append(value ? "true" : "false");
  }
  void Text(absl::string_view key, absl::string_view text) {
    AppendJsonString(text, Key(key));
  }
  // null where `text` is empty.
  void TextOrNull(absl::string_view key, absl::string_view text) {
    if (text.empty()) {
      Key(key)->append("null");
    } else {
      Text(key, text);
    }
  }
  void Close() { out_->push_back('}'); }

 private:
  std::string* out_;
  bool first_ = true;
};

// `[…]` of whatever `write` makes of each element.
template <typename List, typename Write>
void AppendArray(const List& list, std::string* out, Write write) {
  char separator = '[';
  for (const auto& element : list) {
    out->push_back(separator);
    write(element, out);
    separator = ',';
  }
  out->append(list.empty() ? "[]" : "]");
}

template <typename List>
void AppendNumbers(const List& list, std::string* out) {
  AppendArray(list, out, [](uint64_t number, std::string* to) {
    absl::StrAppend(to, number);
  });
}

void AppendTexts(const std::vector<std::string>& list, std::string* out) {
  AppendArray(list, out, [](const std::string& text, std::string* to) {
    AppendJsonString(text, to);
  });
}

void AppendCauses(const CauseCounts& counts, std::string* out) {
  Object object(out);
  for (size_t i = 0; i < kCauseCount; ++i) {
    if (counts[i] > 0) {
      object.Number(CauseName(static_cast<Cause>(i)), counts[i]);
    }
  }
  object.Close();
}

void AppendErrnoClasses(const ErrnoCounts& counts, std::string* out) {
  Object object(out);
  // What had no errno is no class.
  for (size_t i = 1; i < kErrnoClassCount; ++i) {
    if (counts[i] > 0) {
      object.Number(ErrnoClassName(static_cast<ErrnoClass>(i)), counts[i]);
    }
  }
  object.Close();
}

void AppendResponses(const ResponseCounts& counts, std::string* out) {
  Object object(out);
  for (const int code : kResponseCodes) {
    object.Number(absl::StrCat(code), ResponsesWithCode(counts, code));
  }
  object.Close();
}

void AppendOrigins(const ResponseCounts& counts, std::string* out) {
  Object object(out);
  for (size_t i = 0; i < kOriginCount; ++i) {
    const auto origin = static_cast<Origin>(i);
    object.Number(OriginName(origin), ResponsesWithOrigin(counts, origin));
  }
  object.Close();
}

void AppendServer(const ServerInfo& server, std::string* out) {
  Object object(out);
  object.Text("hostname", server.hostname);
  object.Text("nginx_version", server.nginx_version);
  object.Text("module_version", server.module_version);
  object.Number("pid", server.pid);
  object.Number("time", server.time);
  object.Number("start_time", server.start_time);
  object.Number("load_time", server.load_time);
  object.Number("generation", server.generation);
  object.Close();
}

void AppendZone(const ZoneInfo& zone, std::string* out) {
  Object object(out);
  object.Text("name", zone.name);
  object.Number("size", zone.size);
  object.Number("peers", zone.peers);
  object.Number("peers_max", zone.peers_max);
  object.Number("events", zone.events);
  object.Number("events_max", zone.events_max);
  object.Number("overflow", zone.overflow);
  object.Close();
}

// Totals up to `history.causes`, whose members are items of their own.
void OpenTotals(const Totals& totals, std::string* out) {
  Object object(out);
  object.Number("requests", totals.requests);
  object.Number("attempts", totals.attempts);
  object.Number("failures", totals.failures);
  object.Number("rescued", totals.rescued);
  AppendResponses(totals.responses, object.Key("responses"));
  AppendOrigins(totals.responses, object.Key("origins"));
  AppendCauses(totals.causes, object.Key("causes"));
  Object history(object.Key("history"));
  history.Number("interval_ms", kMinuteMs);
  history.Number("start", totals.requests_history.start);
  AppendNumbers(totals.requests_history.buckets, history.Key("requests"));
  history.Key("causes")->push_back('{');
}

Part CauseHistories(const Totals& totals) {
  return Each(kCauseCount,
              [&totals, first = true](size_t i, std::string* out) mutable {
                const auto& minutes = totals.causes_history[i];
                if (std::all_of(minutes.begin(), minutes.end(),
                                [](uint64_t n) { return n == 0; })) {
                  return;
                }
                absl::StrAppend(out, first ? "\"" : ",\"",
                                CauseName(static_cast<Cause>(i)), "\":");
                AppendNumbers(minutes, out);
                first = false;
              });
}

void AppendHistory(const History<Minute, kHistoryMinutes>& history,
                   std::string* out) {
  const auto append = [&history](uint64_t Minute::*field, std::string* to) {
    AppendArray(history.buckets, to,
                [field](const Minute& minute, std::string* element) {
                  absl::StrAppend(element, minute.*field);
                });
  };
  Object object(out);
  object.Number("interval_ms", kMinuteMs);
  object.Number("start", history.start);
  append(&Minute::requests, object.Key("requests"));
  append(&Minute::failures, object.Key("failures"));
  append(&Minute::responses_502, object.Key("responses_502"));
  object.Close();
}

void AppendTimeToFailure(const Histogram& histogram, std::string* out) {
  Object object(out);
  AppendNumbers(kTimeBounds, object.Key("le"));
  AppendNumbers(histogram.counts, object.Key("counts"));
  object.Number("sum", histogram.sum);
  object.Number("count", histogram.count);
  object.Close();
}

// An upstream up to its peers, which are items of their own.
void OpenUpstream(const UpstreamStats& upstream, std::string* out) {
  Object object(out);
  object.Text("name", upstream.name);
  object.Text("protocol", ProtocolName(upstream.protocol));
  object.Number("requests", upstream.requests);
  object.Number("attempts", upstream.attempts);
  object.Number("failures", upstream.failures);
  object.Number("rescued", upstream.rescued);
  AppendResponses(upstream.responses, object.Key("responses"));
  AppendCauses(upstream.causes, object.Key("causes"));
  AppendErrnoClasses(upstream.errno_classes, object.Key("errno_classes"));
  AppendHistory(upstream.history, object.Key("history"));
  AppendTimeToFailure(upstream.time_to_failure, object.Key("time_to_failure"));
  object.Key("peers")->push_back('[');
}

void AppendPeer(const PeerStats& peer, std::string* out) {
  constexpr int64_t kNever = 0;
  Object object(out);
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
Part Upstreams(const std::vector<UpstreamStats>& upstreams) {
  return [&upstreams, u = size_t{0}, p = size_t{0}, open = false,
          first = true](std::string* out) mutable {
    while (u < upstreams.size() && !IsListed(upstreams[u])) {
      ++u;
    }
    if (u == upstreams.size()) {
      return false;
    }
    const UpstreamStats& upstream = upstreams[u];
    if (!open) {
      absl::StrAppend(out, Separator(&first));
      OpenUpstream(upstream, out);
      open = true;
    } else if (p < upstream.peers.size()) {
      absl::StrAppend(out, p == 0 ? "\n" : ",\n");
      AppendPeer(upstream.peers[p++], out);
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
  Object object(out);
  object.Text("upstream", diagnosis.upstream);
  object.Text("severity", SeverityName(diagnosis.severity));
  object.Text("pattern", PatternName(diagnosis.pattern));
  object.Text("cause", CauseName(diagnosis.cause));
  object.Number("share", Share(diagnosis.share));
  object.NumberUnless(0, "since", diagnosis.since);
  AppendTexts(diagnosis.peers, object.Key("peers"));
  object.Text("summary", diagnosis.summary);
  object.Text("hint", diagnosis.hint);
  AppendTexts(diagnosis.checks, object.Key("checks"));
  object.Close();
}

void AppendEventMembers(const Event& event, Object* object) {
  constexpr int64_t kNever = -1;
  constexpr uint16_t kNoStatus = 0;
  const Failure& failure = event.failure;
  object->Number("id", event.id);
  object->Number("time", failure.time_ms);
  object->Text("upstream", event.upstream);
  object->TextOrNull("peer", event.peer);
  object->Text("protocol", ProtocolName(failure.protocol));
  object->Text("cause", CauseName(failure.cause));
  object->Text("phase", PhaseName(failure.phase));
  object->NumberUnless(0, "errno", failure.errno_number);
  object->TextOrNull("errno_name", ErrnoName(failure.errno_number));
  object->TextOrNull("errno_class", ErrnoClassName(failure.errno_class));
  object->Number("attempt", failure.attempt);
  object->Number("attempts", failure.attempts);
  object->NumberUnless(kNoStatus, "status", failure.status);
  object->NumberUnless(kNoStatus, "client_status", failure.client_status);
  object->Bool("rescued", failure.rescued != 0);
  object->NumberUnless(kNoStatus, "received_status", failure.received_status);
  object->NumberUnless<int64_t>(kNever, "connect_time", failure.connect_time);
  object->NumberUnless<int64_t>(kNever, "header_time", failure.header_time);
  object->NumberUnless<int64_t>(kNever, "response_time", failure.response_time);
  object->Number("bytes_sent", failure.bytes_sent);
  object->Number("bytes_received", failure.bytes_received);
  object->Bool("reused", failure.reused != 0);
  object->NumberUnless(kNever, "limit", failure.limit);
  object->TextOrNull("method", event.method);
  object->TextOrNull("host", event.host);
  object->TextOrNull("uri", event.uri);
  object->TextOrNull("request_id", event.request_id);
  object->TextOrNull("message", event.message);
  object->Text("hint", Hint(event));
}

// Diagnoses are made from everything; shown are those of the upstreams that
// the query left.
Part Diagnoses(const Report& report) {
  return Each(report.diagnoses.size(),
              [&report, first = true](size_t i, std::string* out) mutable {
                const Diagnosis& diagnosis = report.diagnoses[i];
                if (HasUpstream(report.snapshot, diagnosis.upstream)) {
                  absl::StrAppend(out, Separator(&first));
                  AppendDiagnosis(diagnosis, out);
                }
              });
}

Part Events(const std::vector<Event>& events) {
  return Each(events.size(),
              [&events, first = true](size_t i, std::string* out) mutable {
                absl::StrAppend(out, Separator(&first));
                AppendEventJson(events[i], out);
              });
}

Part Literal(absl::string_view text) {
  return Once([text](std::string* out) { absl::StrAppend(out, text); });
}

}  // namespace

void AppendEventJson(const Event& event, std::string* out) {
  Object object(out);
  AppendEventMembers(event, &object);
  object.Close();
}

std::string RequestJson(const RequestReport& request) {
  std::string json;
  Object object(&json);
  object.Bool("gateway", request.gateway);
  object.TextOrNull("origin",
                    request.gateway ? OriginName(request.origin) : "");
  object.TextOrNull("causes", request.causes);
  object.Number("failures", request.failures);
  if (request.event != nullptr) {
    object.Number("event", request.event->id);
    AppendEventMembers(*request.event, &object);
  } else {
    object.TextOrNull("hint", "");
    object.TextOrNull("event", "");
    object.Number("attempts", request.attempts);
    object.Bool("rescued", false);
    object.Number("client_status", request.client_status);
  }
  object.Close();
  return json;
}

std::unique_ptr<Renderer> MakeJsonRenderer(const Report& report) {
  const Snapshot& snapshot = report.snapshot;
  std::vector<Part> parts;
  parts.push_back(Once([&snapshot](std::string* out) {
    Object object(out);
    object.Number("schema", 1);
    AppendServer(snapshot.server, object.Key("server"));
    AppendZone(snapshot.zone, object.Key("zone"));
    OpenTotals(snapshot.totals, object.Key("totals"));
  }));
  parts.push_back(CauseHistories(snapshot.totals));
  parts.push_back(Literal("}}},\n\"upstreams\":["));
  parts.push_back(Upstreams(snapshot.upstreams));
  parts.push_back(Literal("],\n\"diagnoses\":["));
  parts.push_back(Diagnoses(report));
  parts.push_back(Literal("],\n\"events\":["));
  parts.push_back(Events(snapshot.events));
  parts.push_back(Literal("]}\n"));
  return std::make_unique<PartsRenderer>(std::move(parts));
}

}  // namespace upstream_502
