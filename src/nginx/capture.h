// Capture hears every error nginx logs about a request whose upstream is at
// work, in nginx's own words, and notes it while the attempt is still open.
// What users find in their logs does not change.

#ifndef UPSTREAM_502_SRC_NGINX_CAPTURE_H_
#define UPSTREAM_502_SRC_NGINX_CAPTURE_H_

#include "ngx_cxx.h"

namespace upstream_502 {

// nginx's name for a function that adds to a log line.
u_char* HandleLine(ngx_log_t* log, u_char* buf, size_t len);

// One that adds nothing.
u_char* AddNothing(ngx_log_t* log, u_char* buf, size_t len);

// nginx's own such function, AddNothing until the first request tells. All
// connections have the same one; one with another is left alone.
extern ngx_log_handler_pt next_log_handler;

// Has a client's connection hand its lines to capture. May be called again;
// nginx takes its own function back with every request.
inline void WatchConnection(const ngx_connection_t* c) {
  ngx_log_t* log = c->log;
  if (log->handler == next_log_handler) {
    log->handler = HandleLine;
  } else if (next_log_handler == AddNothing && log->handler != nullptr)
      [[unlikely]] {
    next_log_handler = log->handler;
    log->handler = HandleLine;
  }
}

// Sees to it that nginx makes lines of errors for the `error_log` with this
// list. False when memory is out.
bool LogErrors(ngx_conf_t* cf, ngx_log_t* head);

// Finds the module behind proxy_http_version 2, where nginx has it.
void FindProxyV2(ngx_conf_t* cf);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_CAPTURE_H_
