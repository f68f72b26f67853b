// Why no server of a group could be asked, as the balancers that nginx ships
// keep it.

#ifndef UPSTREAM_502_SRC_NGINX_SERVERS_H_
#define UPSTREAM_502_SRC_NGINX_SERVERS_H_

#include "ngx_cxx.h"

#include "hooks.h"
#include "upstream_502/verdict/evidence.h"

namespace upstream_502 {

// Whether `upstream` keeps its peers in nginx's own form. For when the
// configuration was read, and its peer.init is not ours yet.
bool HasOwnPeers(const ngx_http_upstream_srv_conf_t& upstream);

// How many servers the group has, counting each of their addresses; 0: not
// known.
uint32_t CountServers(const UpstreamHook& hook);

// Puts the servers of the group and why each is out into `evidence`. The open
// run of `r` has tried the peers of its elements from `begin` on.
void AddServers(const ngx_http_request_t* r, const UpstreamHook& hook,
                uint32_t begin, Evidence* evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_SERVERS_H_
