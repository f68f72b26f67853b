// Runs of an upstream: they begin when nginx has chosen the upstream, and end
// when it finalizes it. A run that is usual from its beginning to its end,
// which is nearly every one, is counted without anything being kept of it.

#ifndef UPSTREAM_502_SRC_NGINX_RUN_H_
#define UPSTREAM_502_SRC_NGINX_RUN_H_

#include "record.h"

namespace upstream_502 {

// Wraps `peer.init` of every configured upstream. False when memory is out.
bool HookUpstreams(ngx_conf_t* cf);

// Gives every hooked upstream its row in the store.
void RegisterUpstreams(MainConf* conf);

// Makes `u`'s run, which began with element `begin`, the open one of `r`'s
// record, and hooks its end; once per run. nullptr when memory is out.
Record* OpenRun(ngx_http_request_t* r, ngx_http_upstream_t* u,
                UpstreamHook* hook, uint32_t begin);

// u->finalize_request of a run that is usual so far: nothing is kept of it,
// and its request has no record.
void FinalizeUsualRun(ngx_http_request_t* r, ngx_int_t rc);
// The same of a run with a record.
void FinalizeRun(ngx_http_request_t* r, ngx_int_t rc);

// Makes the record of a run that is usual so far, in `memory`.
inline Record* RecordUsualRun(ngx_http_request_t* r, void* memory) {
  ngx_http_upstream_t* u = r->upstream;
  UpstreamHook* hook = FindHook(*GetMainConf(r), u->upstream);
  if (memory == nullptr || hook == nullptr) {
    return nullptr;  // without a hook it would not be usual
  }
  auto* record = new (memory) Record(r);
  record->runs = 1;
  record->Begin(u, hook, 0);
  record->finalize = hook->finalize;
  record->Attach();
  u->finalize_request = FinalizeRun;
  return record;
}

// The same for the first line about it, and what is kept of that attempt.
// nullptr when memory is out.
inline NotedAttempt* RecordFirstLine(ngx_http_request_t* r, uint32_t element,
                                     size_t room) {
  struct Both {
    Record record;
    NotedAttempt noted;
  };
  auto* both = static_cast<Both*>(ngx_palloc(r->pool, sizeof(Both) + room));
  Record* record = RecordUsualRun(r, both);
  if (record == nullptr) {
    return nullptr;
  }
  record->noted = new (&both->noted) NotedAttempt(*record, element, room);
  return record->noted;
}

// The record of `r`; made now where nothing is kept yet of a run at work.
// nullptr where there is none.
inline Record* TakeRecord(ngx_http_request_t* r) {
  const ngx_http_upstream_t* u = r->upstream;
  return u != nullptr && u->finalize_request == FinalizeUsualRun
             ? RecordUsualRun(r, ngx_palloc(r->pool, sizeof(Record)))
             : FindRecord(r);
}

// The record of `r`, which has no usual run at work, for a line about its
// upstream, with that run open; nullptr where the line is of no run. Only one
// that tells a `failure` may be of a run that has not begun.
Record* TakeRecordForLine(ngx_http_request_t* r, bool failure);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_RUN_H_
