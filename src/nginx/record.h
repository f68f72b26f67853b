// What is remembered of a request that uses an upstream: one small object per
// request or subrequest, and one per failed attempt.

#ifndef UPSTREAM_502_SRC_NGINX_RECORD_H_
#define UPSTREAM_502_SRC_NGINX_RECORD_H_

#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <cstdint>

#include "conf.h"
#include "upstream_502/attempt.h"
#include "upstream_502/event.h"

namespace upstream_502 {

using State = ngx_http_upstream_state_t;
using FinalizeHandler = void (*)(ngx_http_request_t* r, ngx_int_t rc);

// "No element of r->upstream_states": nginx gave up before an attempt.
inline constexpr uint32_t kNoElement = UINT32_MAX;

// An error line about an attempt of the open run, and what nginx's structs
// said at that moment.
struct LoggedLine {
  LoggedLine* next;
  uint32_t element;
  bool recognized;
  Attempt attempt;
  ngx_str_t message;
  size_t room;  // for messages, at message.data
  ngx_str_t peer;
};

// A failed attempt. Times and texts live in the request's pool.
struct FailedAttempt {
  FailedAttempt* older;
  uint32_t element;
  uint32_t run;
  bool written;    // its event is in the ring
  bool last;       // the last attempt of its run
  int run_status;  // what the run ended with, nginx's rc
  Verdict verdict;
  EventFacts facts;
  ngx_str_t upstream;
  ngx_str_t peer;
  ngx_str_t message;
  EventRows rows;
  uint64_t event_id;  // 0: not handed out yet
};

// One (sub)request with an upstream. It is found through r->ctx, or through
// its pool cleanup once error_page or X-Accel-Redirect has cleared that.
struct Record {
  ngx_pool_cleanup_t cleanup;  // in the request's pool, for nothing but that
  ngx_http_request_t* request;
  ngx_http_upstream_t* upstream;  // of the open run, else of the last one
  FinalizeHandler finalize;       // the upstream module's own; open runs only
  UpstreamHook* hook;             // nullptr for a target from a variable
  LoggedLine* lines;              // of the open run, newest first
  FailedAttempt* failures;        // newest first
  uint32_t begin;                 // first element of the open or last run
  uint32_t accounted;             // elements before this one are counted
  uint32_t runs;
  bool open;
};

// nullptr where there is none.
Record* FindDetachedRecord(const ngx_http_request_t* r);
inline Record* FindRecord(const ngx_http_request_t* r) {
  auto* record = static_cast<Record*>(
      ngx_http_get_module_ctx(r, ngx_http_upstream_502_module));
  return record != nullptr ? record : FindDetachedRecord(r);
}
// nullptr only when memory is out.
Record* FindOrAddRecord(ngx_http_request_t* r);

// The records of a request and all its subrequests: they share a pool.
template <typename Visit>
void ForEachRecord(const ngx_http_request_t* r, const Visit& visit);

// Runs with the pool and marks its cleanup as ours.
void RecordCleanup(void* data);

template <typename Visit>
void ForEachRecord(const ngx_http_request_t* r, const Visit& visit) {
  for (const ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup != nullptr;
       cleanup = cleanup->next) {
    if (cleanup->handler == RecordCleanup) {
      visit(static_cast<Record*>(cleanup->data));
    }
  }
}

// Whether there is any record in the request's pool.
inline bool HasRecords(const ngx_http_request_t* r) {
  const ngx_pool_cleanup_t* cleanup = r->pool->cleanup;
  while (cleanup != nullptr && cleanup->handler != RecordCleanup) {
    cleanup = cleanup->next;
  }
  return cleanup != nullptr;
}

// An element that nginx puts between two runs of one request.
bool IsSeparator(const State& state);

inline uint32_t StateCount(const ngx_http_request_t* r) {
  return r->upstream_states == nullptr
             ? 0
             : static_cast<uint32_t>(r->upstream_states->nelts);
}

inline State* States(const ngx_http_request_t* r) {
  return static_cast<State*>(r->upstream_states->elts);
}

// The hook of `u`'s upstream; nullptr for a target from a variable.
UpstreamHook* HookOf(ngx_http_request_t* r, const ngx_http_upstream_t* u);

// What nginx speaks with `u`'s upstream.
Protocol ProtocolOf(const ngx_http_upstream_t* u);

// The name of `u`'s upstream as users wrote it; from the hook where there is
// one.
ngx_str_t UpstreamName(ngx_http_request_t* r, const ngx_http_upstream_t* u);
// The same for a configured upstream, in `pool`.
ngx_str_t ConfiguredName(ngx_pool_t* pool,
                         const ngx_http_upstream_srv_conf_t* upstream);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_RECORD_H_
