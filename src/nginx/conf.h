// Configuration: what the directives leave behind.

#ifndef UPSTREAM_502_SRC_NGINX_CONF_H_
#define UPSTREAM_502_SRC_NGINX_CONF_H_

#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <type_traits>

#include "upstream_502/query.h"
#include "upstream_502/text.h"
#include "zone.h"

namespace upstream_502 {

// One upstream of the configuration, also the implicit one of
// `proxy_pass http://host`.
struct UpstreamHook {
  ngx_http_upstream_srv_conf_t* upstream;
  ngx_http_upstream_init_peer_pt init;  // what `peer.init` was
  // What `finalize_request` is of a run that nothing is kept of; nullptr until
  // one run was counted.
  void (*finalize)(ngx_http_request_t* r, ngx_int_t rc);
  ngx_str_t name;
  uint32_t row;  // in the store
};

enum class RecordUri : ngx_uint_t { kOff, kPath, kFull };

// Reports on their way out of this worker.
struct AnswerCount {
  uint32_t now;
  uint32_t most;     // at once, since memory was given back
  ngx_event_t trim;  // gives it back
};

struct MainConf {
  Zone zone;
  // Rows where peers were found of late, by the address of their name.
  uint32_t peer_rows[256];
  UpstreamHook* hooks;           // open addressing by address
  uint64_t hook_mask;            // of its size, a power of two; 0: no hooks
  const ngx_module_t* proxy_v2;  // nullptr where nginx is older
  ngx_int_t request_id;  // the variable's index, NGX_ERROR where nobody uses it
  AnswerCount answers;
};

struct LocConf {
  ngx_flag_t enable;
  ngx_uint_t record_uri;  // RecordUri
  ngx_flag_t proxy_status;
  ngx_flag_t proxy_details;
  ngx_str_t proxy_name;  // as it stands in the field: a token, or quoted
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

inline LocConf* GetLocConf(const ngx_http_request_t* r) {
  return static_cast<LocConf*>(
      ngx_http_get_module_loc_conf(r, ngx_http_upstream_502_module));
}

// Where the search for the hook of `upstream` begins.
inline UpstreamHook* FirstHook(const MainConf& conf, const void* upstream) {
  const uint64_t hash = reinterpret_cast<uintptr_t>(upstream) * kMultiplier;
  return &conf.hooks[hash >> 32 & conf.hook_mask];
}

// The hook of `upstream`, or the free place where it would be. There is
// always one: most places stay free.
inline UpstreamHook* HookPlace(const MainConf& conf, const void* upstream) {
  UpstreamHook* hook = FirstHook(conf, upstream);
  while (hook->upstream != upstream && hook->upstream != nullptr) {
    hook = hook == conf.hooks + conf.hook_mask ? conf.hooks : hook + 1;
  }
  return hook;
}

// nullptr for an upstream that was not there when hooks were set.
inline UpstreamHook* FindHook(const MainConf& conf,
                              const ngx_http_upstream_srv_conf_t* upstream) {
  if (conf.hook_mask == 0 || upstream == nullptr) {
    return nullptr;
  }
  UpstreamHook* hook = FirstHook(conf, upstream);
  if (hook->upstream == upstream) [[likely]] {
    return hook;
  }
  hook = HookPlace(conf, upstream);
  return hook->upstream != nullptr ? hook : nullptr;
}

// The place for the hook of an upstream that has none yet.
UpstreamHook* AddHook(MainConf* conf, ngx_http_upstream_srv_conf_t* upstream);

extern ngx_command_t commands[];

void* CreateMainConf(ngx_conf_t* cf);
char* InitMainConf(ngx_conf_t* cf, void* conf);
void* CreateLocConf(ngx_conf_t* cf);
char* MergeLocConf(ngx_conf_t* cf, void* parent, void* child);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_CONF_H_
