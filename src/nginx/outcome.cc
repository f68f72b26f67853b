// Reads what the rules of outcomes want to know of a request.

#include "ngx_cxx.h"

#include "outcome.h"

#include "account.h"
#include "place.h"
#include "run.h"

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

uint32_t CountAttempts(const ngx_http_request_t* r) {
  const uint32_t count = StateCount(r);
  uint32_t attempts = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const State& state = States(r)[i];
    const bool none = i + 1 < count ? IsPause(state) : IsSeparator(state);
    attempts += none ? 0U : 1U;
  }
  return attempts;
}

// `context` is that of `r`; nullptr: it has none.
RequestFacts FactsOf(const ngx_http_request_t* r, const Context* context) {
  RequestFacts facts;
  facts.status = RequestStatus(r);
  facts.attempts = CountAttempts(r);
  facts.from_cache = FromCache(r);
  facts.aborted = r->connection->error;
  if (context != nullptr) {
    facts.runs = context->runs;
    facts.notes = context->notes.all();
  }
  return facts;
}

// Whether the location counts that `r` was handled by: the one whose upstream
// it was before error_page led to a page. Of what went well it does not matter.
bool IsEnabled(const ngx_http_request_t* r) {
  const bool gone_on = r->upstream != nullptr && MayBeDetached(r) &&
                       RequestStatus(r) >= NGX_HTTP_INTERNAL_SERVER_ERROR;
  return (gone_on ? AskingConf(r, r->upstream) : GetLocConf(r))->enable != 0;
}

// Whether `r` asked for `subrequest`, itself or through others.
bool IsOf(const ngx_http_request_t* subrequest, const ngx_http_request_t* r) {
  while (subrequest != nullptr && subrequest != r) {
    subrequest = subrequest->parent;
  }
  return subrequest == r;
}

// What auth_request lets pass ended nothing.
bool IsPassed(const ngx_http_request_t* subrequest) {
  const int status = RequestStatus(subrequest);
  return status >= 200 && status < 300;
}

// Of the subrequests of `r` that it waits for, the last one with a failure.
Context* FailedSubrequest(const ngx_http_request_t* r) {
  Context* context = NewestContext(r);
  while (context != nullptr &&
         (context->request == r || context->request->background ||
          !IsOf(context->request, r) || IsPassed(context->request) ||
          LastFailure(context->notes.all()) == nullptr)) {
    context = context->older;
  }
  return context;
}

}  // namespace

RequestOutcome DescribeOutcome(ngx_http_request_t* r) {
  Context* context = TakeContext(r);
  if (context != nullptr && context->open) {
    Peek(context);
  }
  RequestOutcome outcome;
  if (context == nullptr && !IsEnabled(r)) {
    outcome.status = RequestStatus(r);
    return outcome;
  }
  const RequestFacts facts = FactsOf(r, context);
  if (EndedForSubrequest(facts)) {
    context = FailedSubrequest(r);
  }
  if (context == nullptr || context->request == r) {
    static_cast<Outcome&>(outcome) = DecideOutcome(facts, nullptr);
  } else {
    const RequestFacts subrequest = FactsOf(context->request, context);
    static_cast<Outcome&>(outcome) = DecideOutcome(facts, &subrequest);
  }
  if (outcome.failure != nullptr) {
    outcome.context = context;
  }
  if (r != r->main && outcome.failure != nullptr) {
    outcome.rescued =
        IsSubrequestRescued(outcome, r->background, DescribeOutcome(r->main));
  }
  return outcome;
}

}  // namespace upstream_502
