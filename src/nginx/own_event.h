// An event of a descriptor of the module's own. nginx wants a connection behind
// every event, and this one is none of those that `worker_connections` counts.

#ifndef UPSTREAM_502_SRC_NGINX_OWN_EVENT_H_
#define UPSTREAM_502_SRC_NGINX_OWN_EVENT_H_

#include "ngx_cxx.h"

namespace upstream_502 {

// One for the whole life of a process: nginx may hold its address for as long
// as the descriptor, or a copy of it, is open.
struct OwnEvent {
  ngx_connection_t connection;  // `data` is the owner's
  ngx_event_t read;             // its `data` is the connection
  ngx_event_t write;            // never used
};

// An old worker need not wait for it to end.
inline void PrepareEvent(OwnEvent* own, ngx_event_handler_pt handler,
                         void* data, ngx_log_t* log) {
  *own = {};
  own->connection.fd = static_cast<ngx_socket_t>(-1);
  own->connection.read = &own->read;
  own->connection.write = &own->write;
  own->connection.data = data;
  own->connection.log = log;
  own->read.handler = handler;
  own->read.data = &own->connection;
  own->read.log = log;
  own->read.cancelable = 1;
}

// Has the handler called whenever there is something new to read from `fd`;
// false where nginx's way of waiting cannot.
inline bool Hear(OwnEvent* own, int fd) {
  own->connection.fd = static_cast<ngx_socket_t>(fd);
  return fd != -1 && (ngx_event_flags & NGX_USE_EPOLL_EVENT) != 0 &&
         ngx_add_event(&own->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) == NGX_OK;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_OWN_EVENT_H_
