// Configuration: what the directives leave behind.

#ifndef UPSTREAM_502_SRC_NGINX_CONF_H_
#define UPSTREAM_502_SRC_NGINX_CONF_H_

#include "ngx_cxx.h"

#include <type_traits>

#include "desk.h"
#include "upstream_502/report/negotiate.h"
#include "zone.h"

namespace upstream_502 {

struct UpstreamHook;
class Watch;

enum class VariableNames : ngx_uint_t { kLocation, kResolved };
enum class RecordUri : ngx_uint_t { kOff, kPath, kFull };

struct MainConf {
  Zone zone;
  // Rows where peers were found of late, by the address of their name.
  uint32_t peer_rows[256];
  UpstreamHook* hooks;           // open addressing by address, see hooks.h
  uint64_t hook_mask;            // of its size, a power of two; 0: no hooks
  const ngx_module_t* proxy_v2;  // nullptr where nginx is older
  ngx_int_t request_id;  // the variable's index, NGX_ERROR where nobody uses it
  Desk desk;
  Watch* watch;     // for those who follow; nullptr: nobody does
  ngx_flag_t asks;  // the kernel about failures, in some location
  ngx_flag_t incident_log;
  ngx_event_t incident_timer;  // looks for those that are over
  uint32_t writer;             // this worker's place, see rounds.h
  ngx_event_t round_timer;
  ngx_array_t* locations;  // all of them, see place.h
};

struct LocConf {
  ngx_flag_t enable;
  ngx_flag_t evidence;
  ngx_uint_t variable_names;  // VariableNames
  ngx_uint_t record_uri;      // RecordUri
  ngx_flag_t proxy_status;
  ngx_flag_t proxy_details;
  ngx_str_t proxy_name;  // as it stands in the field: a token
  Format status_format;  // these four in a status location only
  ngx_flag_t status_any;
  ngx_flag_t status_write;
  ngx_array_t* status_names;  // the server's, of ngx_http_server_name_t
};
static_assert(std::is_trivial_v<LocConf> && std::is_standard_layout_v<LocConf>);

inline MainConf* GetMainConf(const ngx_http_request_t* r) {
  return static_cast<MainConf*>(
      ngx_http_get_module_main_conf(r, ngx_http_upstream_502_module));
}

inline MainConf* GetMainConf(const ngx_conf_t* cf) {
  return static_cast<MainConf*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_502_module));
}

inline LocConf* GetLocConf(const ngx_http_request_t* r) {
  return static_cast<LocConf*>(
      ngx_http_get_module_loc_conf(r, ngx_http_upstream_502_module));
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_CONF_H_
