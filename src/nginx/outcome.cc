#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <algorithm>
#include <bit>
#include <iterator>

#include "account.h"
#include "bridge.h"
#include "outcome.h"
#include "run.h"
#include "upstream_502/usual_text.h"

namespace upstream_502 {
namespace {

bool FromCache(const ngx_http_request_t* r) {
#if (NGX_HTTP_CACHE)
  const ngx_http_upstream_t* u = r->upstream;
  return u != nullptr && (r->cached || u->cache_status == NGX_HTTP_CACHE_HIT ||
                          u->cache_status == NGX_HTTP_CACHE_STALE ||
                          u->cache_status == NGX_HTTP_CACHE_UPDATING ||
                          u->cache_status == NGX_HTTP_CACHE_REVALIDATED);
#else
  return false;
#endif
}

// The last failure where it ended the request's last run: what came of the
// request after that (error_page, `return 502`) came of this failure.
const NotedAttempt* Deciding(const Record* record) {
  if (record == nullptr || record->failures == nullptr) {
    return nullptr;
  }
  const NotedAttempt* failure = record->failures;
  return failure->last && failure->run == record->runs ? failure : nullptr;
}

bool CutInBody(const NotedAttempt& failure) {
  return failure.verdict.phase == Phase::kBody &&
         failure.facts.header_time != -1;
}

uint32_t CountAttempts(const ngx_http_request_t* r) {
  uint32_t attempts = 0;
  for (uint32_t i = 0; i < StateCount(r); ++i) {
    attempts += IsSeparator(States(r)[i]) ? 0u : 1u;
  }
  return attempts;
}

// The last failure among the subrequests of `r` that it waits for.
void TakeSubrequestFailure(const ngx_http_request_t* r, Outcome* outcome) {
  ForEachRecord(r, [&](Record* record) {
    if (record->request != r && !record->request->background &&
        outcome->failure == nullptr && record->failures != nullptr) {
      outcome->failure = record->failures;
      outcome->record = record;
      outcome->attempts = CountAttempts(record->request);
    }
  });
}

// The failure whose status the client gets although another run followed:
// `error_page` without a status of its own, or `post_action`.
const NotedAttempt* Causing(const Outcome& outcome) {
  const NotedAttempt* failure = outcome.failure;
  while (failure != nullptr &&
         !(failure->last &&
           (failure->run_status > 0
                ? failure->run_status
                : failure->facts.received_status) == outcome.status)) {
    failure = failure->older;
  }
  return failure;
}

Origin OriginOf(const ngx_http_request_t* r, const Outcome& outcome) {
  if (outcome.record != nullptr && outcome.record->request != r) {
    return Origin::kNginx;  // an auth_request whose subrequest failed
  }
  const NotedAttempt* failure = Deciding(outcome.record);
  if (failure == nullptr) {
    failure = Causing(outcome);
  }
  if (failure == nullptr) {
    return FromCache(r) ? Origin::kCache : Origin::kConfig;
  }
  return failure->verdict.cause == Cause::kErrorStatus &&
                 failure->facts.received_status == outcome.status
             ? Origin::kUpstream
             : Origin::kNginx;
}

bool IsGateway(const ngx_http_request_t* r, const Outcome& outcome) {
  if (outcome.status == 502 || outcome.status == 504) {
    return true;
  }
  if (outcome.status != 500 || outcome.failure == nullptr) {
    return false;
  }
  if (outcome.record->request != r) {
    return true;  // only looked for where the request made no attempt
  }
  const NotedAttempt* failure = Causing(outcome);
  return failure != nullptr && failure->run_status == 500;
}

bool IsWhole(const ngx_http_request_t* r, const Outcome& outcome) {
  const NotedAttempt* deciding = Deciding(outcome.record);
  return outcome.status != 0 && outcome.status != 499 &&
         !r->connection->error &&
         (deciding == nullptr || !CutInBody(*deciding));
}

// A subrequest is rescued with its main request, unless its failure is part
// of what the client got.
bool IsRescued(ngx_http_request_t* sr, const Outcome& own,
               const Outcome& main) {
  if (own.failure == nullptr || main.gateway || !IsWhole(sr->main, main)) {
    return false;
  }
  return sr->background || (!own.gateway && IsWhole(sr, own));
}

absl::string_view RecordedUri(const ngx_http_request_t* r) {
  auto* conf = GetLocConf(const_cast<ngx_http_request_t*>(r));
  const auto mode = static_cast<RecordUri>(conf->record_uri);
  if (mode == RecordUri::kOff) {
    return {};
  }
  const bool main = r == r->main;
  const ngx_str_t& uri = main ? r->unparsed_uri : r->uri;
  if (mode == RecordUri::kFull) {
    return View(uri);
  }
  // nginx leaves the path where it is unless something in it needs decoding.
  if (main && r->uri.data == uri.data) [[likely]] {
    return View(r->uri);
  }
  return View(uri).substr(0, View(uri).find('?'));
}

static_assert(NGX_HTTP_UNKNOWN == 1 << 0 && NGX_HTTP_GET == 1 << 1 &&
              NGX_HTTP_CONNECT == 1 << (std::size(kMethods) - 1));

uint8_t MethodNumber(const ngx_http_request_t& r) {
  const int number = std::countr_zero(r.method);
  return number < static_cast<int>(std::size(kMethods))
             ? static_cast<uint8_t>(number)
             : uint8_t{0};
}

// Only where something else has asked for it: nobody could look up an id that
// is made up here.
absl::string_view RequestId(ngx_http_request_t* r) {
  const ngx_int_t index = GetMainConf(r)->request_id;
  if (index == NGX_ERROR || r->variables == nullptr) {
    return {};
  }
  const ngx_http_variable_value_t& value = r->variables[index];
  if (!value.valid || value.not_found) {
    return {};
  }
  return {reinterpret_cast<const char*>(value.data), value.len};
}

// What became of `r`, whose record is up to date; nullptr: it has none.
Outcome OutcomeOf(ngx_http_request_t* r, const Record* record) {
  Outcome outcome;
  outcome.status = RequestStatus(r);
  if (record == nullptr && !GetLocConf(r)->enable) {
    return outcome;
  }
  outcome.attempts = CountAttempts(r);
  if (record != nullptr && record->failures != nullptr) {
    outcome.record = record;
    outcome.failure = record->failures;
  } else if (outcome.attempts == 0 && outcome.status >= 500) {
    TakeSubrequestFailure(r, &outcome);
  }
  if (outcome.record != nullptr) {
    outcome.failures = outcome.record->failure_count;
  }
  outcome.gateway = IsGateway(r, outcome);
  outcome.origin = OriginOf(r, outcome);
  if (outcome.failure == nullptr) {
    return outcome;
  }
  outcome.rescued = r == r->main
                        ? !outcome.gateway && IsWhole(r, outcome)
                        : IsRescued(r, outcome, DescribeOutcome(r->main));
  return outcome;
}

bool HasId(const NotedAttempt* failure) {
  return failure == nullptr || failure->event_id != 0;
}

// For `failure` and those before it, so that ids rise with time within a
// request.
[[gnu::noinline]] void TakeIds(Store* store, NotedAttempt* failure) {
  uint32_t count = 0;
  for (const NotedAttempt* each = failure; !HasId(each); each = each->older) {
    ++count;
  }
  uint64_t id = store->ReserveEvents(count);
  for (; !HasId(failure); failure = failure->older) {
    failure->event_id = id--;
  }
}

void StoreEvent(Store* store, ngx_http_request_t* main, const Outcome& outcome,
                const Record& record, NotedAttempt* failure) {
  failure->written = true;
  const EventText text = FillEvent(main, outcome, record, failure);
  store->WriteEvent(EventId(main, failure), failure->facts, text,
                    failure->rows);
}

void CountResponse(ngx_http_request_t* r, const Outcome& outcome) {
  Store& store = GetMainConf(r)->zone.store;
  uint32_t row = kNoUpstream;
  if (outcome.failure != nullptr) {
    row = outcome.failure->rows.upstream;
  } else if (outcome.origin == Origin::kCache) {
    const ngx_str_t name = UpstreamName(r, r->upstream);
    row = name.len == 0
              ? kNoUpstream
              : store.FindOrAddUpstream(View(name), Protocol::kUnknown);
  }
  store.AddResponse(row, outcome.status, outcome.origin, NowMs());
}

// Whether `record` is the only one of the request, and has one failure.
bool IsUsual(const ngx_http_request_t* r, const Record* record) {
  if (record == nullptr || record->failures == nullptr ||
      record->failures->older != nullptr || record->failures->written) {
    return false;
  }
  for (const ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup != nullptr;
       cleanup = cleanup->next) {
    if (cleanup->handler == RecordCleanup && cleanup->data != record) {
      return false;
    }
  }
  return true;
}

[[gnu::noinline]] void FinishOther(ngx_http_request_t* r,
                                   const Record* record) {
  bool failed = IsGatewayStatus(RequestStatus(r));
  ForEachRecord(r, [&](Record* each) { failed |= each->failures != nullptr; });
  if (!failed) {
    return;
  }
  const Outcome outcome = OutcomeOf(r, record);
  Store& store = GetMainConf(r)->zone.store;
  if (outcome.gateway) {
    CountResponse(r, outcome);
  }
  ForEachRecord(r, [&](Record* each) {
    if (each->failures == nullptr) {
      return;
    }
    const Outcome own =
        each == record ? outcome : DescribeOutcome(each->request);
    if (own.rescued) {
      store.AddRescued(each->failures->rows.upstream);
    }
    for (NotedAttempt* failure = each->failures; failure != nullptr;
         failure = failure->older) {
      if (!failure->written) {
        StoreEvent(&store, r, own, *each, failure);
      }
    }
  });
}

}  // namespace

void IndexRequestId(ngx_conf_t* cf) {
  auto* main = static_cast<MainConf*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_502_module));
  const auto* core = static_cast<ngx_http_core_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  const auto* used = static_cast<ngx_http_variable_t*>(core->variables.elts);
  // Not by asking nginx for its index: to have one makes a variable keep its
  // value, and $request_id is a new one each time in SSI otherwise.
  main->request_id = NGX_ERROR;
  for (ngx_uint_t i = 0; i < core->variables.nelts; ++i) {
    if (View(used[i].name) == "request_id") {
      main->request_id = static_cast<ngx_int_t>(i);
    }
  }
}

Outcome DescribeOutcome(ngx_http_request_t* r) {
  Record* record = TakeRecord(r);
  if (record != nullptr) {
    Peek(record);
  }
  return OutcomeOf(r, record);
}

uint64_t EventId(ngx_http_request_t* r, NotedAttempt* failure) {
  if (failure->event_id == 0) {
    Store& store = GetMainConf(r)->zone.store;
    if (HasId(failure->older)) [[likely]] {
      failure->event_id = store.ReserveEvent();
    } else {
      TakeIds(&store, failure);
    }
  }
  return failure->event_id;
}

EventText FillEvent(ngx_http_request_t* r, const Outcome& outcome,
                    const Record& record, NotedAttempt* failure) {
  failure->facts.rescued = outcome.rescued ? 1 : 0;
  failure->facts.client_status = static_cast<uint16_t>(RequestStatus(r->main));
  failure->facts.attempts =
      static_cast<uint16_t>(std::min<uint32_t>(outcome.attempts, UINT16_MAX));
  failure->facts.method = MethodNumber(*record.request);
  return {
      .upstream = failure->upstream,
      .peer = failure->peer,
      .method = failure->facts.method != 0 ? absl::string_view()
                                           : View(record.request->method_name),
      .host = r->headers_in.host == nullptr ? absl::string_view()
                                            : View(r->headers_in.host->value),
      .uri = RecordedUri(record.request),
      .request_id = RequestId(r->main),
      .message = failure->facts.line != 0 ? absl::string_view()
                                          : failure->attempt.message,
  };
}

// Flattened: their calls would cost a failure 200 instructions more.
[[gnu::flatten]] void Finish(ngx_http_request_t* r) {
  const Record* record = FindRecord(r);
  if (!IsUsual(r, record)) [[unlikely]] {
    FinishOther(r, record);
    return;
  }
  const Outcome outcome = OutcomeOf(r, record);
  Store& store = GetMainConf(r)->zone.store;
  if (outcome.gateway) {
    CountResponse(r, outcome);
  }
  if (outcome.rescued) {
    store.AddRescued(record->failures->rows.upstream);
  }
  StoreEvent(&store, r, outcome, *record, record->failures);
}

}  // namespace upstream_502
