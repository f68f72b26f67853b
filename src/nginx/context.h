// What is remembered of a request that uses an upstream: one small object per
// request or subrequest, and one per attempt with an error line or a failure.

#ifndef UPSTREAM_502_SRC_NGINX_RECORD_H_
#define UPSTREAM_502_SRC_NGINX_RECORD_H_

#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <cstdint>
#include <cstring>
#include <new>

#include "conf.h"
#include "upstream_502/attempt.h"
#include "upstream_502/classifier.h"
#include "upstream_502/event.h"

namespace upstream_502 {

using State = ngx_http_upstream_state_t;
using FinalizeHandler = void (*)(ngx_http_request_t* r, ngx_int_t rc);

// This worker's.
extern Classifier classifier;

// "No element of r->upstream_states": nginx gave up before an attempt.
inline constexpr uint32_t kNoElement = UINT32_MAX;

struct Record;

// What is kept of an attempt: an error line about it with what nginx's structs
// said at that moment, and how it failed. Most never need one. Times and texts
// live in the request's pool.
struct NotedAttempt {
  // With `room` bytes behind it for a message.
  NotedAttempt(const Record& record, uint32_t element, size_t room);

  NotedAttempt* older = nullptr;
  uint32_t element;
  uint32_t run;
  bool recognized = false;  // its line names the cause
  bool failed = false;      // it is known to, and what follows peer is set
  bool written = false;     // its event is in the ring
  bool last;                // the last attempt of its run
  int run_status;           // what the run ended with, nginx's rc
  char* text;               // where messages are kept
  absl::string_view peer;
  absl::string_view upstream;
  uint64_t event_id;  // 0: not handed out yet
  // Without initial values: set later, or never needed.
  union {
    Attempt attempt;
  };
  union {
    Verdict verdict;
  };
  uint32_t room;  // for `text`, bytes
  union {
    EventFacts facts;
  };
  union {
    EventRows rows;
  };
};

// Runs with the pool and marks its cleanup as ours.
void RecordCleanup(void* data);

// One (sub)request with an upstream. It is found through r->ctx, or through
// its pool cleanup once error_page or X-Accel-Redirect has cleared that.
struct Record {
  explicit Record(ngx_http_request_t* r)
      : cleanup{RecordCleanup, this, r->pool->cleanup}, request(r) {}

  ngx_pool_cleanup_t cleanup;  // in the request's pool, for nothing but that
  ngx_http_request_t* request;
  // Of the open run, else of the last one.
  ngx_http_upstream_t* upstream = nullptr;
  FinalizeHandler finalize = nullptr;  // the upstream module's; open runs only
  UpstreamHook* hook = nullptr;        // nullptr for a target from a variable
  NotedAttempt* noted = nullptr;       // of the open run, newest first
  NotedAttempt* failures = nullptr;    // known to have failed, newest first
  uint32_t begin = 0;                  // first element of the open or last run
  uint32_t accounted = 0;              // elements before this one are counted
  uint32_t runs = 0;
  uint32_t failure_count = 0;
  bool open = false;

  // The run of `u` is the open one from now on.
  void Begin(ngx_http_upstream_t* u, UpstreamHook* of, uint32_t first) {
    upstream = u;
    hook = of;
    begin = first;
    noted = nullptr;
    finalize = nullptr;
    open = true;
  }

  // Lets the record, a new one, be found.
  void Attach() {
    // As ngx_pool_cleanup_add() does, without another piece of memory.
    request->pool->cleanup = &cleanup;
    ngx_http_set_ctx(request, this, ngx_http_upstream_502_module);
  }
};

// Whether nginx may have cleared r->ctx: the request was redirected within, or
// a filter has ended it.
inline bool MayBeDetached(const ngx_http_request_t* r) {
  return r->uri_changes != NGX_HTTP_MAX_URI_CHANGES + 1 || r->filter_finalize;
}

// nullptr where there is none.
Record* FindDetachedRecord(const ngx_http_request_t* r);
inline Record* FindRecord(const ngx_http_request_t* r) {
  auto* record = static_cast<Record*>(
      ngx_http_get_module_ctx(r, ngx_http_upstream_502_module));
  return record != nullptr || !MayBeDetached(r) ? record
                                                : FindDetachedRecord(r);
}
// nullptr only when memory is out.
inline Record* FindOrAddRecord(ngx_http_request_t* r) {
  Record* record = FindRecord(r);
  if (record != nullptr) {
    ngx_http_set_ctx(r, record, ngx_http_upstream_502_module);
    return record;
  }
  void* memory = ngx_palloc(r->pool, sizeof(Record));
  if (memory == nullptr) {
    return nullptr;
  }
  record = new (memory) Record(r);
  record->Attach();
  return record;
}

// What is kept of an attempt of the last run; nullptr where nothing is. The
// newest are the first in their lists.
NotedAttempt* FindOtherAttempt(const Record& record, uint32_t element);
inline NotedAttempt* FindAttempt(const Record& record, uint32_t element) {
  NotedAttempt* newest = record.noted;
  if (newest != nullptr && newest->element == element) {
    return newest;
  }
  return newest == nullptr && record.failures == nullptr
             ? nullptr
             : FindOtherAttempt(record, element);
}
// Whether the one element comes before the other; kNoElement does so always.
inline bool IsBefore(uint32_t element, uint32_t other) {
  return element + 1 < other + 1;
}

inline NotedAttempt::NotedAttempt(const Record& record, uint32_t at,
                                  size_t bytes)
    : element(at),
      run(record.runs),
      text(reinterpret_cast<char*>(this + 1)),
      room(static_cast<uint32_t>(bytes)) {}

// A new one in none of the lists; its `attempt` is not set. nullptr when
// memory is out.
inline NotedAttempt* NewAttempt(Record* record, uint32_t element, size_t room) {
  void* memory = ngx_palloc(record->request->pool, sizeof(NotedAttempt) + room);
  return memory == nullptr ? nullptr
                           : new (memory) NotedAttempt(*record, element, room);
}
// Puts it into the list it belongs to, as the newest.
inline void Put(Record* record, NotedAttempt* noted) {
  NotedAttempt** list = noted->failed ? &record->failures : &record->noted;
  noted->older = *list;
  *list = noted;
}

// The records of a request and all its subrequests: they share a pool.
template <typename Visit>
void ForEachRecord(const ngx_http_request_t* r, const Visit& visit) {
  for (const ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup != nullptr;
       cleanup = cleanup->next) {
    if (cleanup->handler == RecordCleanup) {
      visit(static_cast<Record*>(cleanup->data));
    }
  }
}

inline uint32_t StateCount(const ngx_http_request_t* r) {
  return r->upstream_states == nullptr
             ? 0
             : static_cast<uint32_t>(r->upstream_states->nelts);
}

inline State* States(const ngx_http_request_t* r) {
  return static_cast<State*>(r->upstream_states->elts);
}

// Whether `record` has attempts that are not counted yet.
inline bool IsUnsettled(const Record& record) {
  return record.open || StateCount(record.request) > record.accounted;
}

// Whether there is such a record in the request's pool.
inline bool HasUnsettledRecords(const ngx_http_request_t* r) {
  for (const ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup != nullptr;
       cleanup = cleanup->next) {
    if (cleanup->handler == RecordCleanup &&
        IsUnsettled(*static_cast<Record*>(cleanup->data))) {
      return true;
    }
  }
  return false;
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
inline bool IsSeparator(const State& state) {
  return state.peer == nullptr && state.status == 0 &&
         state.connect_time == 0 && state.header_time == 0 &&
         state.response_time == 0 && state.bytes_received == 0;
}

// The hook of `u`'s upstream; nullptr for a target from a variable.
UpstreamHook* HookOf(ngx_http_request_t* r, const ngx_http_upstream_t* u);

// What nginx speaks with `u`'s upstream.
Protocol OtherProtocolOf(const ngx_http_upstream_t* u);
inline Protocol ProtocolOf(const ngx_http_upstream_t* u) {
  constexpr absl::string_view kHttp = "http://";
  return u->schema.len == kHttp.size() &&
                 std::memcmp(u->schema.data, kHttp.data(), kHttp.size()) == 0
             ? Protocol::kHttp
             : OtherProtocolOf(u);
}

// The name of `u`'s upstream as users wrote it; from the hook where there is
// one.
ngx_str_t UpstreamName(ngx_http_request_t* r, const ngx_http_upstream_t* u);
// The same for a configured upstream, in `pool`.
ngx_str_t ConfiguredName(ngx_pool_t* pool,
                         const ngx_http_upstream_srv_conf_t* upstream);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_RECORD_H_
