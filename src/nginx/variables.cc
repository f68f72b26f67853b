#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bridge.h"
#include "outcome.h"
#include "proxy_status.h"
#include "upstream_502/escape.h"
#include "upstream_502/hint.h"
#include "upstream_502/render.h"
#include "upstream_502/usual_text.h"
#include "variables.h"

namespace upstream_502 {
namespace {

enum class Field : uintptr_t {
  kGateway,
  kRescued,
  kCause,
  kPhase,
  kErrno,
  kErrnoName,
  kErrnoClass,
  kCauses,
  kOrigin,
  kUpstream,
  kPeer,
  kConnectTime,
  kHeaderTime,
  kResponseTime,
  kAttempts,
  kFailures,
  kReused,
  kMessage,
  kHint,
  kEvent,
  kJson,
  kProxyStatus,
};

struct Variable {
  absl::string_view name;
  Field field;
};

constexpr Variable kVariables[] = {
    {"upstream_502", Field::kGateway},
    {"upstream_502_rescued", Field::kRescued},
    {"upstream_502_cause", Field::kCause},
    {"upstream_502_phase", Field::kPhase},
    {"upstream_502_errno", Field::kErrno},
    {"upstream_502_errno_name", Field::kErrnoName},
    {"upstream_502_errno_class", Field::kErrnoClass},
    {"upstream_502_causes", Field::kCauses},
    {"upstream_502_origin", Field::kOrigin},
    {"upstream_502_upstream", Field::kUpstream},
    {"upstream_502_peer", Field::kPeer},
    {"upstream_502_connect_time", Field::kConnectTime},
    {"upstream_502_header_time", Field::kHeaderTime},
    {"upstream_502_response_time", Field::kResponseTime},
    {"upstream_502_attempts", Field::kAttempts},
    {"upstream_502_failures", Field::kFailures},
    {"upstream_502_reused", Field::kReused},
    {"upstream_502_message", Field::kMessage},
    {"upstream_502_hint", Field::kHint},
    {"upstream_502_event", Field::kEvent},
    {"upstream_502_json", Field::kJson},
    {"upstream_502_proxy_status", Field::kProxyStatus},
};

// As much as one message of nginx can hold.
constexpr size_t kTextMax = NGX_MAX_ERROR_STR;

std::string Seconds(int64_t ms) {
  return ms < 0 ? "" : absl::StrFormat("%d.%03d", ms / 1000, ms % 1000);
}

// The cause of each element, "-" where it did not fail; of one that is none
// where nothing was attempted.
std::vector<absl::string_view> CausesOf(const Record& record) {
  const uint32_t count = StateCount(record.request);
  std::vector<absl::string_view> causes(std::max(count, 1U), "-");
  for (const NotedAttempt* failure = record.failures; failure != nullptr;
       failure = failure->older) {
    if (count == 0) {
      return {CauseName(failure->verdict.cause)};  // the last one
    }
    if (failure->element < count) {
      causes[failure->element] = CauseName(failure->verdict.cause);
    }
  }
  return causes;
}

// Aligned with $upstream_addr: ", " between attempts of a run, " : " between
// runs, as ngx_http_upstream_addr_variable() writes them.
std::string Causes(const Record& record) {
  const ngx_http_request_t* r = record.request;
  const std::vector<absl::string_view> each = CausesOf(record);
  std::string causes;
  for (uint32_t i = 0; i < StateCount(r); ++i) {
    const bool separator = IsSeparator(States(r)[i]);
    if (separator) {
      absl::StrAppend(&causes, causes.empty() ? "" : " : ");
      continue;
    }
    if (i > 0 && !IsSeparator(States(r)[i - 1])) {
      absl::StrAppend(&causes, ", ");
    }
    absl::StrAppend(&causes, each[i]);
  }
  return StateCount(r) == 0 ? std::string(each[0]) : causes;
}

std::string HintOf(const NotedAttempt& failure) {
  return Hint({.cause = failure.verdict.cause,
               .phase = failure.verdict.phase,
               .protocol = failure.facts.protocol,
               .peer = failure.peer,
               .received_status = failure.facts.received_status,
               .limit = failure.facts.limit});
}

void AppendMember(absl::string_view key, absl::string_view value,
                  std::string* json) {
  absl::StrAppend(json, "\"", key, "\":");
  if (value.empty()) {
    absl::StrAppend(json, "null");
  } else {
    AppendJsonString(value, json);
  }
  absl::StrAppend(json, ",");
}

// What the other variables say, and all fields of the last failed attempt
// under the names they have on the status page.
std::string Json(ngx_http_request_t* r, const Outcome& outcome) {
  std::string json =
      absl::StrCat("{\"gateway\":", outcome.gateway ? "true" : "false", ",");
  AppendMember("origin", outcome.gateway ? OriginName(outcome.origin) : "",
               &json);
  const std::string causes =
      outcome.record == nullptr ? "" : Causes(*outcome.record);
  AppendMember("causes", CutUtf8(causes, kTextMax), &json);
  absl::StrAppend(&json, "\"failures\":", outcome.failures, ",");
  if (outcome.failure == nullptr) {
    return absl::StrCat(
        json, "\"hint\":null,\"event\":null,\"attempts\":", outcome.attempts,
        ",\"rescued\":false,", "\"client_status\":", outcome.status, "}");
  }
  const EventText text =
      FillEvent(r, outcome, *outcome.record, outcome.failure);
  Event event;
  event.id = EventId(r, outcome.failure);
  event.facts = outcome.failure->facts;
  event.upstream = std::string(text.upstream);
  event.peer = std::string(text.peer);
  event.method = std::string(
      event.facts.method == 0 ? text.method : kMethods[event.facts.method]);
  event.host = std::string(text.host);
  event.uri = std::string(text.uri);
  event.request_id = std::string(text.request_id);
  event.message = std::string(outcome.failure->attempt.message);
  for (std::string* part : {&event.upstream, &event.method, &event.host,
                            &event.uri, &event.request_id}) {
    part->resize(CutUtf8(*part, kTextMax).size());
  }
  absl::StrAppend(&json, "\"event\":", event.id, ",");
  std::string fields;
  AppendEventJson(event, &fields);
  return absl::StrCat(json, absl::string_view(fields).substr(1));
}

std::string FailureText(ngx_http_request_t* r, const Outcome& outcome,
                        Field field) {
  NotedAttempt& failure = *outcome.failure;
  const Verdict& verdict = failure.verdict;
  switch (field) {
    case Field::kCause:
      return std::string(CauseName(verdict.cause));
    case Field::kPhase:
      return std::string(PhaseName(verdict.phase));
    case Field::kErrno:
      return verdict.errno_number == 0 ? ""
                                       : absl::StrCat(verdict.errno_number);
    case Field::kErrnoName:
      return std::string(ErrnoName(verdict.errno_number));
    case Field::kErrnoClass:
      return std::string(ErrnoClassName(verdict.errno_class));
    case Field::kCauses:
      return Causes(*outcome.record);
    case Field::kUpstream:
      return std::string(failure.upstream);
    case Field::kPeer:
      return std::string(failure.peer);
    case Field::kConnectTime:
      return Seconds(failure.facts.connect_time);
    case Field::kHeaderTime:
      return Seconds(failure.facts.header_time);
    case Field::kResponseTime:
      return Seconds(failure.facts.response_time);
    case Field::kReused:
      return failure.facts.reused ? "1" : "";
    case Field::kMessage:
      return std::string(failure.attempt.message);
    case Field::kHint:
      return HintOf(failure);
    case Field::kEvent:
      return absl::StrCat(EventId(r, &failure));
    case Field::kGateway:
    case Field::kRescued:
    case Field::kOrigin:
    case Field::kAttempts:
    case Field::kFailures:
    case Field::kJson:
    case Field::kProxyStatus:
      break;
  }
  return "";
}

std::string Text(ngx_http_request_t* r, Field field) {
  const Outcome outcome = DescribeOutcome(r);
  if (outcome.failure == nullptr && !outcome.gateway) {
    return "";
  }
  switch (field) {
    case Field::kGateway:
      return outcome.gateway ? "1" : "";
    case Field::kRescued:
      return outcome.rescued ? "1" : "";
    case Field::kOrigin:
      return outcome.gateway ? std::string(OriginName(outcome.origin)) : "";
    case Field::kAttempts:
      return absl::StrCat(outcome.attempts);
    case Field::kFailures:
      return absl::StrCat(outcome.failures);
    case Field::kJson:
      return Json(r, outcome);
    case Field::kProxyStatus:
      return ProxyStatus(kProxyName, outcome, /*details=*/false);
    default:
      return outcome.failure == nullptr ? "" : FailureText(r, outcome, field);
  }
}

// A variable as others get to see it. They put it into headers and logs, and
// much of it was written by clients and backends.
std::string CleanText(ngx_http_request_t* r, Field field) {
  const std::string text = Text(r, field);
  return field == Field::kJson ? text : FieldText(text, kTextMax);
}

ngx_int_t GetVariable(ngx_http_request_t* r, ngx_http_variable_value_t* value,
                      uintptr_t data) {
  return Guarded(r, ngx_int_t{NGX_ERROR}, [&]() -> ngx_int_t {
    const std::string text = CleanText(r, static_cast<Field>(data));
    if (text.empty()) {
      value->not_found = 1;
      return NGX_OK;
    }
    const ngx_str_t copy = PoolCopy(r->pool, text);
    if (copy.data == nullptr) {
      return NGX_ERROR;
    }
    value->len = static_cast<unsigned>(copy.len) & 0xfffffff;
    value->valid = 1;
    value->no_cacheable = 0;
    value->not_found = 0;
    value->data = copy.data;
    return NGX_OK;
  });
}

}  // namespace

bool AddVariables(ngx_conf_t* cf) {
  for (const Variable& variable : kVariables) {
    ngx_str_t name = Str(variable.name);
    ngx_http_variable_t* added =
        ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (added == nullptr) {
      return false;
    }
    added->get_handler = GetVariable;
    added->data = static_cast<uintptr_t>(variable.field);
  }
  return true;
}

}  // namespace upstream_502
