// What became of a request, asked of the rules in verdict/outcome.h whenever
// somebody wants to know.

#ifndef UPSTREAM_502_SRC_NGINX_OUTCOME_H_
#define UPSTREAM_502_SRC_NGINX_OUTCOME_H_

#include "ngx_cxx.h"

#include "context.h"
#include "upstream_502/verdict/outcome.h"

namespace upstream_502 {

struct RequestOutcome : Outcome {
  // Whose failure it is: the request's own, or where it made no attempt and
  // ends in 5xx, a subrequest's. nullptr where there is none.
  Context* context = nullptr;
};

// `r` is a main request or a subrequest, at its header or later.
RequestOutcome DescribeOutcome(ngx_http_request_t* r);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_OUTCOME_H_
