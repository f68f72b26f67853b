// What became of a request: its origin, whether it was rescued, and which
// failure decided. Computed from its record whenever somebody asks.

#ifndef UPSTREAM_502_SRC_NGINX_OUTCOME_H_
#define UPSTREAM_502_SRC_NGINX_OUTCOME_H_

#include "record.h"

namespace upstream_502 {

struct Outcome {
  int status = 0;        // what the client gets
  bool gateway = false;  // a gateway response; `origin` is set
  bool rescued = false;  // an attempt failed and the client never saw it
  Origin origin = Origin::kConfig;
  // The last failed attempt and whose it is: the request's own, or where it
  // made none and ends in 5xx, a subrequest's. nullptr where there is none.
  NotedAttempt* failure = nullptr;
  const Record* record = nullptr;
  uint32_t attempts = 0;  // of `record`'s request
  uint32_t failures = 0;
};

// `r` is a main request or a subrequest, at its header or later.
Outcome DescribeOutcome(ngx_http_request_t* r);

// The id of the failure's event, handed out at the first question.
uint64_t EventId(ngx_http_request_t* r, NotedAttempt* failure);

// Completes the facts of the failure's event as Finish stores it; its text, in
// views of the request.
EventText FillEvent(ngx_http_request_t* r, const Outcome& outcome,
                    const Record& record, NotedAttempt* failure);

// At configuration: lets events carry $request_id where it is used.
void IndexRequestId(ngx_conf_t* cf);

// The main request is over: counts its response and stores the events of all
// its failed attempts.
void Finish(ngx_http_request_t* r);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_OUTCOME_H_
