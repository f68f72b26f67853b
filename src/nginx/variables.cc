// The variables of the access log and of add_header.

#include "ngx_cxx.h"

#include "variables.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bridge.h"
#include "finish.h"
#include "proxy_status.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/advice/hint.h"
#include "upstream_502/report/json_event.h"
#include "upstream_502/words/escape.h"
#include "upstream_502/words/format.h"
#include "upstream_502/words/usual.h"

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
  kFinding,
  kWhy,
  kIncident,
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
    {"upstream_502_finding", Field::kFinding},
    {"upstream_502_why", Field::kWhy},
    {"upstream_502_incident", Field::kIncident},
    {"upstream_502_event", Field::kEvent},
    {"upstream_502_json", Field::kJson},
    {"upstream_502_proxy_status", Field::kProxyStatus},
};

// As much as one message of nginx can hold.
constexpr size_t kTextMax = NGX_MAX_ERROR_STR;

// The cause of each element, "-" where it did not fail; of one that is none
// where nothing was attempted.
std::vector<absl::string_view> CausesOf(const Context& context) {
  const uint32_t count = StateCount(context.request);
  std::vector<absl::string_view> causes(std::max(count, 1U), "-");
  for (const Note* note : context.notes.all()) {
    const uint32_t place = count == 0 ? 0 : note->element;
    if (note->failed && place < causes.size()) {
      causes[place] = CauseName(note->failure.cause);
    }
  }
  return causes;
}

// Aligned with $upstream_addr: ", " between attempts of a run, " : " between
// runs, as ngx_http_upstream_addr_variable() writes them.
std::string Causes(const Context& context) {
  const ngx_http_request_t* r = context.request;
  const std::vector<absl::string_view> each = CausesOf(context);
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

std::string Bounded(absl::string_view text) {
  return std::string(CutUtf8(text, kTextMax));
}

// The first failures of an incident came before it.
uint64_t IncidentOf(ngx_http_request_t* r, const RequestOutcome& outcome) {
  if (outcome.failure == nullptr ||
      outcome.failure->rows.upstream == FailureRows::kNone) {
    return 0;
  }
  const Store& store = GetMainConf(r)->zone.store;
  return store.incidents().Find(store.RowOf(outcome.failure->rows),
                                outcome.failure->failure.time_ms, NowMs());
}

// The last failed attempt, as the status page will show it.
Event EventOf(ngx_http_request_t* r, const RequestOutcome& outcome) {
  const Note& note = *outcome.failure;
  const FailureText text =
      CompleteFailure(r->main, outcome, *outcome.context, outcome.failure);
  Event event;
  event.id = EventId(outcome.context, outcome.failure);
  event.incident = IncidentOf(r, outcome);
  event.failure = note.failure;
  event.upstream = Bounded(text.upstream);
  event.target = Bounded(text.target);
  event.peer = Bounded(text.peer);
  event.method = Bounded(
      note.failure.method == 0 ? text.method : kMethods[note.failure.method]);
  event.host = Bounded(text.host);
  event.uri = Bounded(text.uri);
  event.request_id = Bounded(text.request_id);
  event.message = Bounded(note.attempt.message);
  if (note.evidence != nullptr) {
    event.evidence = *note.evidence;
  }
  return event;
}

std::string Json(ngx_http_request_t* r, const RequestOutcome& outcome) {
  const std::string causes =
      outcome.context == nullptr ? "" : Bounded(Causes(*outcome.context));
  RequestReport report = {.gateway = outcome.gateway,
                          .origin = outcome.origin,
                          .causes = causes,
                          .attempts = outcome.attempts,
                          .failures = outcome.failures,
                          .client_status = outcome.status};
  if (outcome.failure == nullptr || outcome.context == nullptr) {
    return RequestJson(report);
  }
  const Event event = EventOf(r, outcome);
  report.event = &event;
  return RequestJson(report);
}

// As the status page will tell it.
std::string FindingOf(ngx_http_request_t* r, const RequestOutcome& outcome) {
  const std::vector<Found> findings = Findings(EventOf(r, outcome));
  return findings.empty() ? "" : std::string(FindingName(findings[0].finding));
}

std::string WhyOf(ngx_http_request_t* r, const RequestOutcome& outcome) {
  const Event event = EventOf(r, outcome);
  return Why(event.failure, TextOf(event), outcome.failure->evidence);
}

std::string ValueOfFailure(const RequestOutcome& outcome, Field field) {
  const Note& note = *outcome.failure;
  const Failure& failure = note.failure;
  switch (field) {
    case Field::kCause:
      return std::string(CauseName(failure.cause));
    case Field::kPhase:
      return std::string(PhaseName(failure.phase));
    case Field::kErrno:
      return failure.errno_number == 0 ? ""
                                       : absl::StrCat(failure.errno_number);
    case Field::kErrnoName:
      return std::string(ErrnoName(failure.errno_number));
    case Field::kErrnoClass:
      return std::string(ErrnoClassName(failure.errno_class));
    case Field::kCauses:
      return Causes(*outcome.context);
    case Field::kUpstream:
      return std::string(note.upstream);
    case Field::kPeer:
      return std::string(note.peer);
    case Field::kConnectTime:
      return LogSeconds(failure.connect_time);
    case Field::kHeaderTime:
      return LogSeconds(failure.header_time);
    case Field::kResponseTime:
      return LogSeconds(failure.response_time);
    case Field::kReused:
      return failure.reused ? "1" : "";
    case Field::kMessage:
      return std::string(note.attempt.message);
    case Field::kEvent:
      return absl::StrCat(EventId(outcome.context, outcome.failure));
    case Field::kGateway:
    case Field::kRescued:
    case Field::kOrigin:
    case Field::kAttempts:
    case Field::kFailures:
    case Field::kHint:
    case Field::kFinding:
    case Field::kWhy:
    case Field::kIncident:
    case Field::kJson:
    case Field::kProxyStatus:
      break;
  }
  return "";
}

std::string Text(ngx_http_request_t* r, Field field) {
  const RequestOutcome outcome = DescribeOutcome(r);
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
    case Field::kHint:
      return outcome.failure == nullptr ? "" : Hint(EventOf(r, outcome));
    case Field::kFinding:
      return outcome.failure == nullptr ? "" : FindingOf(r, outcome);
    case Field::kWhy:
      return outcome.failure == nullptr ? "" : WhyOf(r, outcome);
    case Field::kIncident: {
      const uint64_t id = IncidentOf(r, outcome);
      return id == 0 ? "" : absl::StrCat(id);
    }
    case Field::kJson:
      return Json(r, outcome);
    case Field::kProxyStatus:
      return ProxyStatusOf(outcome, kProxyName, /*details=*/false);
    default:
      return outcome.failure == nullptr ? "" : ValueOfFailure(outcome, field);
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
