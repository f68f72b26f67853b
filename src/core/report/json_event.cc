// The JSON of one event, and of one request.

#include "upstream_502/report/json_event.h"

#include <string>

#include "upstream_502/advice/findings.h"
#include "upstream_502/advice/hint.h"
#include "upstream_502/report/json_evidence.h"
#include "upstream_502/report/json_object.h"

namespace upstream_502 {
namespace {

void AppendEventMembers(const Event& event, JsonObject* object) {
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
  object->NumberUnless(0, "incident", event.incident);
  object->TextOrNull("target", event.target);
  object->Text("hint", Hint(event));
  AppendJsonArray(Findings(event), object->Key("findings"),
                  [](const Found& found, std::string* out) {
                    JsonObject each(out);
                    each.Text("name", FindingName(found.finding));
                    each.Text("text", found.text);
                    each.Close();
                  });
  AppendEvidenceJson(event, object->Key("evidence"));
}

}  // namespace

void AppendEventJson(const Event& event, std::string* out,
                     absl::string_view type) {
  JsonObject object(out);
  if (!type.empty()) {
    object.Text("type", type);
  }
  AppendEventMembers(event, &object);
  object.Close();
}

std::string RequestJson(const RequestReport& request) {
  std::string json;
  JsonObject object(&json);
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
    object.Key("findings")->append("[]");
    object.TextOrNull("evidence", "");
    object.TextOrNull("event", "");
    object.TextOrNull("incident", "");
    object.Number("attempts", request.attempts);
    object.Bool("rescued", false);
    object.Number("client_status", request.client_status);
  }
  object.Close();
  return json;
}

}  // namespace upstream_502
