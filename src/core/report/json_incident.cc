// The JSON of one incident.

#include "upstream_502/report/json_incident.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "upstream_502/report/incident.h"
#include "upstream_502/report/json_object.h"

namespace upstream_502 {
namespace {

void AppendResponses(const Incident& incident, std::string* out) {
  JsonObject object(out);
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    object.Number(absl::StrCat(kResponseCodes[i]), incident.responses[i]);
  }
  object.Close();
}

void AppendCauses(const Incident& incident, std::string* out) {
  JsonObject object(out);
  for (size_t i = 0; i < kCauseCount; ++i) {
    if (incident.causes[i] > 0) {
      object.Number(CauseName(static_cast<Cause>(i)), incident.causes[i]);
    }
  }
  object.Close();
}

void AppendTimeline(const Incident& incident, std::string* out) {
  AppendJsonArray(TimelineOf(incident), out,
                  [](const TimelineSpan& span, std::string* to) {
                    JsonObject each(to);
                    each.Number("start", span.start);
                    each.NumberUnless(0, "width_ms", span.width_ms);
                    each.Number("failures", span.failures);
                    each.Close();
                  });
}

}  // namespace

void AppendIncidentJson(const Incident& incident, std::string* out,
                        absl::string_view type) {
  JsonObject object(out);
  if (!type.empty()) {
    object.Text("type", type);
  }
  object.Number("id", incident.id);
  object.Text("upstream", incident.upstream);
  object.Text("protocol", ProtocolName(incident.protocol));
  object.Text("state", incident.open ? "open" : "over");
  object.Number("start", incident.start);
  object.Number("end", incident.end);
  object.Number("duration_ms", incident.end - incident.start);
  object.Number("attempts", incident.attempts);
  object.Number("failures", incident.failures);
  object.Number("rescued", incident.rescued);
  AppendResponses(incident, object.Key("responses"));
  AppendCauses(incident, object.Key("causes"));
  AppendJsonArray(FoundIn(incident), object.Key("findings"),
                  [](const IncidentFinding& found, std::string* to) {
                    JsonObject each(to);
                    each.Text("name", FindingName(found.finding));
                    each.TextOrNull("text", found.text);
                    each.Number("count", found.count);
                    each.Close();
                  });
  AppendJsonArray(incident.peers, object.Key("peers"),
                  [](const Incident::Peer& peer, std::string* to) {
                    JsonObject each(to);
                    each.Text("addr", peer.addr);
                    each.Number("failures", peer.failures);
                    each.Close();
                  });
  object.NumberUnless(0, "first_event", incident.first_event);
  object.NumberUnless(0, "last_event", incident.last_event);
  object.Number("generation", incident.generation);
  object.Bool("since_reload", incident.since_reload);
  AppendTimeline(incident, object.Key("timeline"));
  object.Close();
}

}  // namespace upstream_502
