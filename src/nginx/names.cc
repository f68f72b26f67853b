// Asks nginx's resolver about the names of upstreams that fail.

#include "ngx_cxx.h"

#include "names.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bridge.h"
#include "system/address.h"

namespace upstream_502 {
namespace {

constexpr size_t kNames = 64;  // of one worker; the one asked longest ago goes
constexpr size_t kMostAddresses = 64;
constexpr ngx_uint_t kMostServers = 512;  // looked through for a peer
constexpr int64_t kAskEveryMs = 30 * 1000;
constexpr ngx_msec_t kPatienceMs = 5 * 1000;
// An answer tells for so long, so that an upstream that is seldom asked has
// one, too.
constexpr int64_t kTellsMs = 5 * 60 * 1000;

// A name, and what a resolver has said of it.
struct Name {
  // In lower case, as nginx makes it: it writes into it.
  std::string text;
  const ngx_resolver_t* resolver = nullptr;
  ngx_resolver_ctx_t* pending = nullptr;
  std::optional<int64_t> asked_ms;
  std::optional<int64_t> answered_ms;
  int64_t changed_ms = 0;          // the first answer that was the same
  std::vector<Address> addresses;  // sorted, without ports; empty: no answer
};

// This worker's; other processes have none.
constinit std::optional<std::array<Name, kNames>> names;

int64_t Ticks() { return static_cast<int64_t>(ngx_current_msec); }

void KeepAnswer(const ngx_resolver_ctx_t& ctx, Name* name) {
  std::vector<Address> addresses;
  for (ngx_uint_t i = 0;
       ctx.state == NGX_OK && i < std::min(ctx.naddrs, kMostAddresses); ++i) {
    Address address = AddressOf(ctx.addrs[i].sockaddr, ctx.addrs[i].socklen);
    address.port = 0;
    addresses.push_back(address);
  }
  // Name servers turn the order round.
  std::sort(addresses.begin(), addresses.end(),
            [](const Address& a, const Address& b) {
              return std::tie(a.family, a.bytes) < std::tie(b.family, b.bytes);
            });
  if (!name->answered_ms || addresses != name->addresses) {
    name->changed_ms = Ticks();
  }
  name->addresses = std::move(addresses);
  name->answered_ms = Ticks();
}

// nginx's resolver calls it, once, unless StopAskingNames was before.
void HearAnswer(ngx_resolver_ctx_t* ctx) {
  auto* name = static_cast<Name*>(ctx->data);
  Guarded(ngx_cycle, [&] { KeepAnswer(*ctx, name); });
  name->pending = nullptr;
  ngx_resolve_name_done(ctx);
}

// An old worker need not wait for the answer to end.
void Ask(const ngx_http_core_loc_conf_t& conf, Name* name) {
  name->asked_ms = Ticks();
  ngx_resolver_ctx_t* ctx = ngx_resolve_start(conf.resolver, nullptr);
  if (ctx == nullptr || ctx == NGX_NO_RESOLVER) {
    return;
  }
  ctx->name = Str(name->text);
  ctx->handler = HearAnswer;
  ctx->data = name;
  ctx->timeout = std::min(conf.resolver_timeout, kPatienceMs);
  ctx->cancelable = 1;
  name->pending = ctx;
  // It may be answered at once, out of the resolver's cache.
  if (ngx_resolve_name(ctx) != NGX_OK) {
    name->pending = nullptr;
  }
}

// The name's place, or one that is free for it; nullptr where all are waited
// for.
Name* PlaceOf(absl::string_view text, const ngx_resolver_t* resolver) {
  Name* oldest = nullptr;
  for (Name& name : *names) {
    if (name.resolver == resolver && name.text == text) {
      return &name;
    }
    if (name.pending == nullptr &&
        (oldest == nullptr || name.asked_ms < oldest->asked_ms)) {
      oldest = &name;
    }
  }
  if (oldest != nullptr) {
    *oldest = Name();
    oldest->text = std::string(text);
    oldest->resolver = resolver;
  }
  return oldest;
}

// "app.internal" of "app.internal:8080", in lower case; "" of an address, which
// never moves.
std::string HostOf(absl::string_view server) {
  const absl::string_view host = server.substr(0, server.find(':'));
  return host.empty() || host[0] == '[' || host == "unix" ||
                 host.find_first_not_of("0123456789.") ==
                     absl::string_view::npos
             ? ""
             : absl::AsciiStrToLower(host);
}

// The name in the configuration that was `peer` when it was loaded; "" where
// there is none. Those with `resolve` had no address then: nginx follows them.
std::string ConfiguredName(const UpstreamHook& hook, absl::string_view peer) {
  const ngx_http_upstream_srv_conf_t& upstream = *hook.upstream;
  // All peers of `proxy_pass http://name` have its name, and no server{} line.
  if (upstream.servers == nullptr) {
    return hook.own_peers ? HostOf(View(upstream.host)) : "";
  }
  const auto* servers =
      static_cast<const ngx_http_upstream_server_t*>(upstream.servers->elts);
  const ngx_uint_t count = std::min(upstream.servers->nelts, kMostServers);
  for (ngx_uint_t i = 0; i < count; ++i) {
    const ngx_addr_t* addresses = servers[i].addrs;
    for (ngx_uint_t j = 0; j < std::min(servers[i].naddrs, kMostServers); ++j) {
      if (View(addresses[j].name) == peer) {
        return HostOf(View(servers[i].name));
      }
    }
  }
  return "";
}

// Whether this nginx has `server ... resolve`, and such a server a host.
template <typename Server>
constexpr Seen CanFollow() {
  return requires(Server server) { server.host; }
  ? Seen::kYes : Seen::kNo;
}

// Where the resolver was not asked for addresses of the peer's family, or there
// are none, nothing is known of the peer's.
void AddMoved(const Name& name, const Address& peer, Evidence* evidence) {
  std::array<char, Address::kTextRoom> room;
  std::string now;
  for (const Address& address : name.addresses) {
    if (address.family == peer.family) {
      absl::StrAppend(&now, now.empty() ? "" : ", ",
                      FormatHost(address, &room));
    }
  }
  SetMoved(name.text, FormatHost(peer, &room), now, evidence);
  if (evidence->named == Named::kMoved) {
    // From one answer to another: what is between them and now nobody saw.
    evidence->moved_seconds =
        static_cast<int32_t>((*name.answered_ms - name.changed_ms) / 1000);
    evidence->follows = CanFollow<ngx_http_upstream_server_t>();
  }
}

}  // namespace

void StartAskingNames() { names.emplace(); }

void StopAskingNames() {
  if (!names) {
    return;
  }
  for (Name& name : *names) {
    if (name.pending != nullptr) {
      ngx_resolve_name_done(name.pending);
      name.pending = nullptr;
    }
  }
}

void AskName(ngx_http_request_t* r, const UpstreamHook& hook,
             absl::string_view peer,
             absl::FunctionRef<bool(absl::string_view name)> in_hosts,
             Evidence* evidence) {
  const auto* conf = static_cast<const ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf(r, ngx_http_core_module));
  Address address;
  if (!names || conf->resolver == nullptr || !ParseAddress(peer, &address)) {
    return;
  }
  const std::string text = ConfiguredName(hook, peer);
  if (text.empty() || in_hosts(text)) {
    return;
  }
  Name* name = PlaceOf(text, conf->resolver);
  if (name == nullptr) {
    return;
  }
  const int64_t now = Ticks();
  if (name->pending == nullptr && !ngx_exiting &&
      (!name->asked_ms || now - *name->asked_ms >= kAskEveryMs)) {
    Ask(*conf, name);
  }
  if (name->answered_ms && now - *name->answered_ms < kTellsMs) {
    AddMoved(*name, address, evidence);
  }
}

}  // namespace upstream_502
