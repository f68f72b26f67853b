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

// The record of `r`; made now, with `spare` bytes, where nothing is kept yet of
// a run at work. nullptr where there is none.
Record* TakeRecord(ngx_http_request_t* r, size_t spare = 0);

// The record of `r` for a line about its upstream, with that run open; nullptr
// where the line is of no run. Only one that tells a `failure` may be of a run
// that has not begun.
Record* TakeRecordForLine(ngx_http_request_t* r, bool failure, size_t spare);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_RUN_H_
