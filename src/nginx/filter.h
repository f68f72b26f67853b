// The header filter: sees runs which no other hook saw, those with a target
// from a variable that succeed, sends Proxy-Status, and makes errors of a
// status location safe.

#ifndef UPSTREAM_502_SRC_NGINX_FILTER_H_
#define UPSTREAM_502_SRC_NGINX_FILTER_H_

namespace upstream_502 {

void InsertHeaderFilter();

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_FILTER_H_
