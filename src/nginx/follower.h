// One who follows: it gets each failure and incident as it comes, whichever
// worker it happens in.

#ifndef UPSTREAM_502_SRC_NGINX_FOLLOWER_H_
#define UPSTREAM_502_SRC_NGINX_FOLLOWER_H_

#include "ngx_cxx.h"

#include "outlet.h"
#include "upstream_502/report/query.h"

namespace upstream_502 {

// As AddReader.
ngx_int_t AddFollower(ngx_http_request_t* r, const Query& query,
                      FollowFormat format, Outlet** follower);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_FOLLOWER_H_
