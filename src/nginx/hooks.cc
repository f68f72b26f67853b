// Takes over the upstreams of a configuration.

#include "ngx_cxx.h"

#include "hooks.h"

#include <optional>

#include "absl/types/span.h"
#include "bridge.h"
#include "place.h"
#include "servers.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

// "host", "host:port" as it was written, or "unix:/path".
ngx_str_t MakeName(ngx_pool_t* pool, const ngx_str_t& host, in_port_t port,
                   bool with_port) {
  const bool is_unix = host.len > 0 && host.data[0] == '/';
  if (!is_unix && !with_port) {
    return host;
  }
  const size_t size = host.len + sizeof("unix:65535");
  auto* data = static_cast<u_char*>(ngx_pnalloc(pool, size));
  if (data == nullptr) {
    return host;
  }
  const u_char* end = is_unix ? ngx_snprintf(data, size, "unix:%V", &host)
                              : ngx_snprintf(data, size, "%V:%d", &host,
                                             static_cast<int>(port));
  return {static_cast<size_t>(end - data), data};
}

ngx_str_t ConfiguredName(ngx_pool_t* pool,
                         const ngx_http_upstream_srv_conf_t& upstream) {
  const bool written = (upstream.flags & NGX_HTTP_UPSTREAM_CREATE) == 0 &&
                       upstream.no_port == 0 && upstream.port != 0;
  return MakeName(pool, upstream.host, upstream.port, written);
}

absl::Span<UpstreamHook> HooksOf(MainConf* conf) {
  return {conf->hooks, conf->hook_mask == 0 ? 0 : conf->hook_mask + 1};
}

uint32_t AddRow(Store* store, const UpstreamHook& hook) {
  return store->FindOrAddUpstream(View(hook.name), Protocol::kUnknown,
                                  UpstreamKind::kConfigured, NowMs());
}

// Workers share with the master what they do not write.
void SetRow(uint32_t row, UpstreamHook* hook) {
  if (hook->row != row) {
    hook->row = row;
  }
}

// Whether the name of a target stands for an address, or was one.
bool HasAddress(const ngx_http_upstream_resolved_t* resolved) {
  return resolved != nullptr &&
         (resolved->naddrs > 0 || resolved->sockaddr != nullptr);
}

}  // namespace

bool HookUpstreams(ngx_conf_t* cf, ngx_http_upstream_init_peer_pt init) {
  MainConf* main = GetMainConf(cf);
  auto* umcf = static_cast<ngx_http_upstream_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module));
  const absl::Span<ngx_http_upstream_srv_conf_t*> upstreams(
      static_cast<ngx_http_upstream_srv_conf_t**>(umcf->upstreams.elts),
      umcf->upstreams.nelts);
  ngx_uint_t places = 8;
  while (places < 4 * upstreams.size()) {
    places *= 2;
  }
  main->hooks = static_cast<UpstreamHook*>(
      ngx_pcalloc(cf->pool, places * sizeof(UpstreamHook)));
  if (main->hooks == nullptr) {
    return false;
  }
  main->hook_mask = places - 1;
  for (ngx_http_upstream_srv_conf_t* upstream : upstreams) {
    if (upstream->peer.init != nullptr) {
      *HookPlace(*main, upstream) = {
          .upstream = upstream,
          .init = upstream->peer.init,
          .finalize = nullptr,
          .name = ConfiguredName(cf->pool, *upstream),
          .row = kOtherUpstream,
          .protocol = Protocol::kUnknown,
          .tls = false,
          .grpc = false,
          .own_peers = HasOwnPeers(*upstream),
      };
      upstream->peer.init = init;
    }
  }
  return true;
}

// First those that have a row, so that none of them makes room for another.
void RegisterUpstreams(MainConf* conf) {
  Store& store = conf->zone.store;
  const bool counts = conf->writer != kNoWriter;
  for (UpstreamHook& hook : HooksOf(conf)) {
    if (hook.upstream != nullptr) {
      SetRow(counts ? store.FindUpstream(View(hook.name), NowMs())
                    : kOtherUpstream,
             &hook);
    }
  }
  for (UpstreamHook& hook : HooksOf(conf)) {
    if (counts && hook.upstream != nullptr && hook.row == kOtherUpstream) {
      SetRow(AddRow(&store, hook), &hook);
    }
  }
}

bool FindMissingRows(MainConf* conf) {
  if (conf->writer == kNoWriter) {
    return true;
  }
  Store& store = conf->zone.store;
  bool missing = false;
  std::optional<bool> room;  // going through all rows, once
  for (UpstreamHook& hook : HooksOf(conf)) {
    if (hook.upstream == nullptr || store.HasRow(hook.row)) {
      continue;
    }
    SetRow(store.FindUpstream(View(hook.name), NowMs()), &hook);
    if (hook.row == kOtherUpstream && !room) {
      room = store.HasRoomForUpstream();
    }
    if (hook.row == kOtherUpstream && *room) {
      SetRow(AddRow(&store, hook), &hook);
      room = hook.row != kOtherUpstream;
    }
    missing = missing || hook.row == kOtherUpstream;
  }
  return missing;
}

uint32_t RowOf(MainConf* conf, const CountedAs& counted) {
  if (counted.name.empty()) {
    return kNoUpstream;
  }
  return conf->writer == kNoWriter
             ? kOtherUpstream
             : conf->zone.store.FindOrAddUpstream(
                   counted.name, Protocol::kUnknown, counted.kind, NowMs());
}

UpstreamHook* HookOf(ngx_http_request_t* r, const ngx_http_upstream_t* u) {
  const ngx_http_upstream_srv_conf_t* upstream = u->upstream;
  // Before it is needed (out of the cache, say) it stands in the location.
  if (upstream == nullptr && u->resolved == nullptr && u->conf != nullptr) {
    upstream = u->conf->upstream;
  }
  return FindHook(*GetMainConf(r), upstream);
}

CountedAs HowCounted(ngx_http_request_t* r, const ngx_http_upstream_t* u,
                     void* const* location) {
  const UpstreamHook* hook = HookOf(r, u);
  if (hook != nullptr) {
    return {.name = View(hook->name)};
  }
  const ngx_http_upstream_resolved_t* resolved = u->resolved;
  absl::string_view target;
  if (resolved != nullptr && resolved->host.data != nullptr) {
    target = View(MakeName(r->pool, resolved->host, resolved->port,
                           resolved->no_port == 0 && resolved->port != 0));
  }
  // In brackets stand names that are this module's own.
  if (!target.empty() && target[0] != '(' && HasAddress(resolved) &&
      ConfOf(location)->variable_names ==
          static_cast<ngx_uint_t>(VariableNames::kResolved)) {
    return {target, UpstreamKind::kResolved, target};
  }
  return {View(PlaceName(r, location)), UpstreamKind::kPlace, target};
}

}  // namespace upstream_502
