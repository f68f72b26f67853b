// Incidents in the error log: a line when one opens, a line when it is over.

#ifndef UPSTREAM_502_SRC_NGINX_INCIDENT_LOG_H_
#define UPSTREAM_502_SRC_NGINX_INCIDENT_LOG_H_

#include "ngx_cxx.h"

#include "conf.h"

namespace upstream_502 {

// Says that `id` has opened, where that is wanted.
void LogOpened(MainConf* conf, uint64_t id);

// In a worker: looks for what is over now and then, where that is wanted.
void StartIncidentLog(ngx_cycle_t* cycle, MainConf* conf);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_INCIDENT_LOG_H_
