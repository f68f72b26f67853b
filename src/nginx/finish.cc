// Counts the response of a request, and stores the events of its failures.

#include "ngx_cxx.h"

#include "finish.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

#include "bridge.h"
#include "place.h"
#include "run.h"
#include "upstream_502/words/usual.h"

namespace upstream_502 {
namespace {

absl::string_view RecordedUri(const ngx_http_request_t* r, RecordUri mode) {
  if (mode == RecordUri::kOff) {
    return {};
  }
  const absl::string_view uri = View(r == r->main ? r->unparsed_uri : r->uri);
  if (mode == RecordUri::kFull || uri.empty()) {
    return uri;
  }
  const void* query = std::memchr(uri.data(), '?', uri.size());
  return query == nullptr
             ? uri
             : uri.substr(0, static_cast<size_t>(
                                 static_cast<const char*>(query) - uri.data()));
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
absl::string_view RequestId(const ngx_http_request_t* r) {
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

// It may have gone since the attempt.
uint32_t RowOf(const Store& store, const Note& note) {
  return store.RowOf(note.rows);
}

void CountResponse(ngx_http_request_t* r, const Outcome& outcome) {
  Store& store = GetMainConf(r)->zone.store;
  uint32_t row = kNoUpstream;
  if (outcome.failure != nullptr) {
    row = RowOf(store, *outcome.failure);
  } else if (outcome.origin == Origin::kCache) {
    const ngx_http_upstream_t* u = r->upstream;
    row = RowOf(GetMainConf(r), HowCounted(r, u, AskingLocation(r, u)));
  }
  store.AddResponse(row, outcome.status, outcome.origin, NowMs());
}

void StoreEvents(ngx_http_request_t* main, const Outcome& outcome,
                 Context* context) {
  Store& store = GetMainConf(main)->zone.store;
  uint32_t counted = FailureRows::kNone;
  for (Note* note : context->notes.all()) {
    if (note->failed && !note->stored) {
      note->stored = true;
      if (note->event_id == 0) {
        note->event_id = store.ReserveEvents(1);
      }
      const FailureText text = CompleteFailure(main, outcome, *context, note);
      const uint32_t row = RowOf(store, *note);
      store.WriteEvent(note->event_id, note->failure, text, {row},
                       note->evidence);
      // Those of one request are mostly of one upstream.
      if (row != counted) {
        counted = row;
        store.incidents().NoteCounts(counted, NowMs());
      }
    }
  }
}

}  // namespace

void IndexRequestId(ngx_conf_t* cf) {
  MainConf* main = GetMainConf(cf);
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

uint64_t EventId(Context* context, Note* failure) {
  if (failure->event_id != 0) {
    return failure->event_id;
  }
  // After those before it, so that ids rise with time within a request.
  Store& store = GetMainConf(context->request)->zone.store;
  for (Note* note : context->notes.all()) {
    if (note->failed && note->event_id == 0) {
      note->event_id = store.ReserveEvents(1);
    }
    if (note == failure) {
      break;
    }
  }
  return failure->event_id;
}

FailureText CompleteFailure(ngx_http_request_t* r, const Outcome& outcome,
                            const Context& context, Note* note) {
  Failure& failure = note->failure;
  failure.rescued = outcome.rescued ? 1 : 0;
  failure.client_status = static_cast<uint16_t>(RequestStatus(r));
  failure.attempts =
      static_cast<uint16_t>(std::min<uint32_t>(outcome.attempts, UINT16_MAX));
  failure.method = MethodNumber(*context.request);
  return {
      .upstream = note->upstream,
      .target = note->target,
      .peer = note->peer,
      .method = failure.method != 0 ? absl::string_view()
                                    : View(context.request->method_name),
      .host = r->headers_in.host == nullptr ? absl::string_view()
                                            : View(r->headers_in.host->value),
      .uri = RecordedUri(context.request, context.record_uri),
      .request_id = RequestId(r),
      .message =
          failure.line != 0 ? absl::string_view() : note->attempt.message,
  };
}

// Flattened: calls would cost a failure some hundred instructions.
[[gnu::flatten]] void Finish(ngx_http_request_t* r) {
  const RequestOutcome outcome = DescribeOutcome(r);
  if (outcome.gateway) {
    CountResponse(r, outcome);
  }
  Store& store = GetMainConf(r)->zone.store;
  for (Context* each = NewestContext(r); each != nullptr; each = each->older) {
    const Note* failure = LastFailure(each->notes.all());
    if (failure == nullptr) {
      continue;
    }
    const RequestOutcome own =
        each->request == r ? outcome : DescribeOutcome(each->request);
    if (own.rescued) {
      store.AddRescued(RowOf(store, *failure));
    }
    StoreEvents(r, own, each);
  }
  ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                 "upstream_502 finish: status %d, gateway %d, rescued %d, "
                 "failures %uD",
                 outcome.status, static_cast<int>(outcome.gateway),
                 static_cast<int>(outcome.rescued), outcome.failures);
}

}  // namespace upstream_502
