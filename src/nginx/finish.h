// The end of a request: its response is counted, the events of its failed
// attempts are stored.

#ifndef UPSTREAM_502_SRC_NGINX_FINISH_H_
#define UPSTREAM_502_SRC_NGINX_FINISH_H_

#include "ngx_cxx.h"

#include "outcome.h"

namespace upstream_502 {

// The id of the event of `failure`, one of `context`, handed out at the first
// question.
uint64_t EventId(Context* context, Note* failure);

// Completes the failure as Finish stores it; its text, in views of the request.
// `r` is the main request, `outcome` that of the one in `context`.
FailureText CompleteFailure(ngx_http_request_t* r, const Outcome& outcome,
                            const Context& context, Note* failure);

// At configuration: lets events carry $request_id where it is used.
void IndexRequestId(ngx_conf_t* cf);

// `r` is a main request.
void Finish(ngx_http_request_t* r);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_FINISH_H_
