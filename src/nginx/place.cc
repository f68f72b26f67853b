// Finds the location that asked an upstream, and how it is called.

#include "ngx_cxx.h"

#include "place.h"

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bridge.h"

namespace upstream_502 {
namespace {

// Whether `u` is asked as a module's configuration in `location` says: nginx's
// modules have that of their upstream in front.
bool HasUpstream(void* const* location, const ngx_http_upstream_t* u) {
  for (ngx_uint_t i = 0; i < ngx_http_max_module; ++i) {
    if (location[i] == u->conf) {
      return true;
    }
  }
  return false;
}

}  // namespace

void* const* AskingLocation(const ngx_http_request_t* r,
                            const ngx_http_upstream_t* u) {
  const ngx_array_t* all = GetMainConf(r)->locations;
  if (u->conf == nullptr || all == nullptr || HasUpstream(r->loc_conf, u)) {
    return r->loc_conf;
  }
  for (void* const* location :
       absl::MakeSpan(static_cast<void* const**>(all->elts), all->nelts)) {
    if (HasUpstream(location, u)) {
      return location;
    }
  }
  return r->loc_conf;
}

bool KeepLocation(ngx_conf_t* cf) {
  MainConf* main = GetMainConf(cf);
  if (main->locations == nullptr) {
    main->locations = ngx_array_create(cf->pool, 64, sizeof(void* const*));
  }
  auto** added =
      main->locations == nullptr
          ? nullptr
          : static_cast<void* const**>(ngx_array_push(main->locations));
  if (added == nullptr) {
    return false;
  }
  *added = static_cast<const ngx_http_conf_ctx_t*>(cf->ctx)->loc_conf;
  return true;
}

const LocConf* ConfOf(void* const* location) {
  return static_cast<const LocConf*>(
      location[ngx_http_upstream_502_module.ctx_index]);
}

ngx_str_t PlaceName(const ngx_http_request_t* r, void* const* location) {
  const auto* core = static_cast<const ngx_http_core_loc_conf_t*>(
      location[ngx_http_core_module.ctx_index]);
  const auto* server = static_cast<const ngx_http_core_srv_conf_t*>(
      ngx_http_get_module_srv_conf(r, ngx_http_core_module));
  const absl::string_view name = View(server->server_name);
  const absl::string_view path = View(core->name);
  return PoolCopy(
      r->pool, absl::StrCat("(", name, name.empty() || path.empty() ? "" : " ",
                            path, ")"));
}

}  // namespace upstream_502
