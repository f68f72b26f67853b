// The places of the configuration that may ask an upstream.

#ifndef UPSTREAM_502_SRC_NGINX_PLACE_H_
#define UPSTREAM_502_SRC_NGINX_PLACE_H_

#include "ngx_cxx.h"

#include "conf.h"

namespace upstream_502 {

// Remembers the location whose configuration is merged. False when memory is
// out.
bool KeepLocation(ngx_conf_t* cf);

// The location that asked `u`, as its `loc_conf`; `r` may have gone on to
// another one since.
void* const* AskingLocation(const ngx_http_request_t* r,
                            const ngx_http_upstream_t* u);

// What this module is told to do there.
const LocConf* ConfOf(void* const* location);

inline const LocConf* AskingConf(const ngx_http_request_t* r,
                                 const ngx_http_upstream_t* u) {
  return ConfOf(AskingLocation(r, u));
}

// "(SERVER_NAME LOCATION)", in the request's pool; empty when memory is out.
ngx_str_t PlaceName(const ngx_http_request_t* r, void* const* location);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_PLACE_H_
