// The statistics in a file, so that they survive a restart: read by the master
// when nginx starts, written by the process that tends caches every minute
// while anything changes, and by the master when all workers have ended. Never
// by a worker.

#ifndef UPSTREAM_502_SRC_NGINX_STATE_H_
#define UPSTREAM_502_SRC_NGINX_STATE_H_

#include "ngx_cxx.h"

#include "zone.h"

namespace upstream_502 {

// `nginx -t`: whether the file can be written. False after an error was logged.
bool CheckState(const Zone& zone, ngx_log_t* log);

// In the master, when the configuration is taken over: locks the file, reads it
// if nginx has just begun, and has it written from then on.
void StartState(ngx_cycle_t* cycle, Zone* zone);

// In the master, when nginx ends.
void EndState(ngx_cycle_t* cycle, Zone* zone);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_STATE_H_
