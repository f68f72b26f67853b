// The variables of the access log and of add_header.

#include "ngx_cxx.h"

#include "variables.h"

#include <algorithm>
#include <iterator>
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

// As much as one message of nginx can hold.
constexpr size_t kTextMax = NGX_MAX_ERROR_STR;

// The cause of each element, "-" where it did not fail. nginx puts an element
// that is none behind a run without an attempt: that one has the run's.
std::vector<absl::string_view> CausesOf(const Context& context) {
  const uint32_t count = StateCount(context.request);
  std::vector<absl::string_view> causes(std::max(count, 1U), "-");
  const bool attempted = count > 0 && !IsSeparator(*States(context.request));
  for (const Note* note : context.notes.all()) {
    const uint32_t place =
        note->element == kNoElement && !attempted ? 0 : note->element;
    if (note->failed && place < causes.size()) {
      causes[place] = CauseName(note->failure.cause);
    }
  }
  return causes;
}

// Aligned with $upstream_status: ", " between attempts of a run, " : " between
// runs, as ngx_http_upstream_status_variable() writes them.
std::string Causes(const Context& context) {
  const ngx_http_request_t* r = context.request;
  const std::vector<absl::string_view> each = CausesOf(context);
  std::string causes(each[0]);
  for (uint32_t i = 1; i < each.size(); ++i) {
    if (!IsSeparator(States(r)[i])) {
      absl::StrAppend(&causes, ", ", each[i]);
      continue;
    }
    causes += " : ";
    if (++i < each.size()) {
      absl::StrAppend(&causes, each[i]);
    } else if (const Note* last = context.notes.Find(context.runs, kNoElement);
               last != nullptr && last->failed) {
      absl::StrAppend(&causes, CauseName(last->failure.cause));
    }
  }
  return causes;
}

std::string Bounded(absl::string_view text) {
  return std::string(CutUtf8(text, kTextMax));
}

// The first failures of an incident came before it.
uint64_t IncidentOf(ngx_http_request_t* r, const RequestOutcome& outcome) {
  if (outcome.failure->rows.upstream == FailureRows::kNone) {
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

// The field of the location that says how the proxy is called, or nginx's name.
std::string ProxyStatusText(ngx_http_request_t* r,
                            const RequestOutcome& outcome) {
  const LocConf& conf = *GetLocConf(r);
  return ProxyStatusOf(outcome,
                       conf.proxy_status ? View(conf.proxy_name) : kProxyName,
                       /*details=*/false);
}

// What a variable says, and of which requests it says anything.
enum class Of : uint8_t { kResponse, kFailure, kJson };
struct Variable {
  absl::string_view name;
  Of of;
  std::string (*text)(ngx_http_request_t* r, const RequestOutcome& outcome);
};
using R = ngx_http_request_t*;
using O = const RequestOutcome&;

constexpr Variable kVariables[] = {
    {"upstream_502", Of::kResponse,
     [](R, O o) { return std::string(o.gateway ? "1" : ""); }},
    {"upstream_502_rescued", Of::kResponse,
     [](R, O o) { return std::string(o.rescued ? "1" : ""); }},
    {"upstream_502_cause", Of::kFailure,
     [](R, O o) { return std::string(CauseName(o.failure->failure.cause)); }},
    {"upstream_502_phase", Of::kFailure,
     [](R, O o) { return std::string(PhaseName(o.failure->failure.phase)); }},
    {"upstream_502_errno", Of::kFailure,
     [](R, O o) {
       const int number = o.failure->failure.errno_number;
       return number == 0 ? std::string() : absl::StrCat(number);
     }},
    {"upstream_502_errno_name", Of::kFailure,
     [](R, O o) {
       return std::string(ErrnoName(o.failure->failure.errno_number));
     }},
    {"upstream_502_errno_class", Of::kFailure,
     [](R, O o) {
       return std::string(ErrnoClassName(o.failure->failure.errno_class));
     }},
    {"upstream_502_causes", Of::kFailure,
     [](R, O o) { return Causes(*o.context); }},
    {"upstream_502_origin", Of::kResponse,
     [](R, O o) { return std::string(o.gateway ? OriginName(o.origin) : ""); }},
    {"upstream_502_upstream", Of::kFailure,
     [](R, O o) { return std::string(o.failure->upstream); }},
    {"upstream_502_peer", Of::kFailure,
     [](R, O o) { return std::string(o.failure->peer); }},
    {"upstream_502_connect_time", Of::kFailure,
     [](R, O o) { return LogSeconds(o.failure->failure.connect_time); }},
    {"upstream_502_header_time", Of::kFailure,
     [](R, O o) { return LogSeconds(o.failure->failure.header_time); }},
    {"upstream_502_response_time", Of::kFailure,
     [](R, O o) { return LogSeconds(o.failure->failure.response_time); }},
    {"upstream_502_attempts", Of::kResponse,
     [](R, O o) { return absl::StrCat(o.attempts); }},
    {"upstream_502_failures", Of::kResponse,
     [](R, O o) { return absl::StrCat(o.failures); }},
    {"upstream_502_reused", Of::kFailure,
     [](R, O o) { return std::string(o.failure->failure.reused ? "1" : ""); }},
    {"upstream_502_message", Of::kFailure,
     [](R, O o) { return std::string(o.failure->attempt.message); }},
    {"upstream_502_hint", Of::kFailure,
     [](R r, O o) { return Hint(EventOf(r, o)); }},
    {"upstream_502_finding", Of::kFailure, FindingOf},
    {"upstream_502_why", Of::kFailure, WhyOf},
    {"upstream_502_incident", Of::kFailure,
     [](R r, O o) {
       const uint64_t id = IncidentOf(r, o);
       return id == 0 ? std::string() : absl::StrCat(id);
     }},
    {"upstream_502_event", Of::kFailure,
     [](R, O o) { return absl::StrCat(EventId(o.context, o.failure)); }},
    {"upstream_502_json", Of::kJson, Json},
    {"upstream_502_proxy_status", Of::kResponse, ProxyStatusText},
};

// A variable as others get to see it. They put it into headers and logs, and
// much of it was written by clients and backends.
std::string CleanText(ngx_http_request_t* r, const Variable& variable) {
  const RequestOutcome outcome = DescribeOutcome(r);
  if (outcome.failure == nullptr &&
      (!outcome.gateway || variable.of == Of::kFailure)) {
    return "";
  }
  const std::string text = variable.text(r, outcome);
  return variable.of == Of::kJson ? text : FieldText(text, kTextMax);
}

ngx_int_t GetVariable(ngx_http_request_t* r, ngx_http_variable_value_t* value,
                      uintptr_t data) {
  return Guarded(r, ngx_int_t{NGX_ERROR}, [&]() -> ngx_int_t {
    const std::string text = CleanText(r, kVariables[data]);
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
  for (size_t i = 0; i < std::size(kVariables); ++i) {
    ngx_str_t name = Str(kVariables[i].name);
    ngx_http_variable_t* added =
        ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (added == nullptr) {
      return false;
    }
    added->get_handler = GetVariable;
    added->data = i;
  }
  return true;
}

}  // namespace upstream_502
