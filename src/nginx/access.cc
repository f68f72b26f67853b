// Who may read the status location.

#include "access.h"
// access.h comes first.
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/match.h"
#include "bridge.h"
#include "conf.h"
#include "upstream_502/report/local.h"

namespace upstream_502 {
namespace {

bool IsLocal(const sockaddr* address) {
  switch (address->sa_family) {
    case AF_INET: {
      const auto* in = reinterpret_cast<const sockaddr_in*>(address);
      return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
#if (NGX_HAVE_INET6)
    case AF_INET6: {
      const in6_addr& in6 =
          reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
      return IN6_IS_ADDR_LOOPBACK(&in6) ||
             (IN6_IS_ADDR_V4MAPPED(&in6) && in6.s6_addr[12] == 127);
    }
#endif
    default:
      return address->sa_family == AF_UNIX;
  }
}

// By the address that no header replaces: nginx's realip module writes into
// c->sockaddr, so the system is asked. A stream of HTTP/2 has the descriptor of
// its connection.
bool ComesFromHere(const ngx_connection_t* c) {
#if (NGX_HTTP_V3)
  if (c->quic != nullptr) {  // one socket for all: its connection knows
    return IsLocal(c->quic->parent->sockaddr);
  }
#endif
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  auto* peer = reinterpret_cast<sockaddr*>(&address);
  return getpeername(c->fd, peer, &size) == 0 && IsLocal(peer);
}

// By the header of the PROXY protocol, which has to name an address where one
// is expected: "UNKNOWN" may be anybody.
bool IsProxiedFromHere(const ngx_http_request_t* r) {
  const ngx_proxy_protocol_t* header = r->connection->proxy_protocol;
  if (header == nullptr) {
    return !r->main->http_connection->addr_conf->proxy_protocol;
  }
  ngx_addr_t address = {};
  return ngx_parse_addr(r->pool, &address, header->src_addr.data,
                        header->src_addr.len) == NGX_OK &&
         IsLocal(address.sockaddr);
}

bool Matches(absl::string_view host, const ngx_http_server_name_t& name) {
#if (NGX_PCRE)
  if (name.regex != nullptr) {
    // Not through nginx's own function: it would replace the captures.
    ngx_str_t subject = Str(host);
    int captures[3];
    return ngx_regex_exec(name.regex->regex, &subject, captures, 3) >= 0;
  }
#endif
  return MatchesServerName(host, View(name.name));
}

// Host and port as the client asked for them.
absl::string_view RequestAuthority(const ngx_http_request_t* r) {
  if (r->headers_in.host != nullptr) {
    return View(r->headers_in.host->value);
  }
  if (r->host_start == nullptr) {
    return {};
  }
  // Of a request line, or of a pseudo-header.
  return {reinterpret_cast<const char*>(r->host_start),
          static_cast<size_t>(r->host_end - r->host_start)};
}

}  // namespace

std::optional<absl::string_view> RequestHeader(const ngx_http_request_t* r,
                                               absl::string_view name) {
  const ngx_list_part_t* part = &r->headers_in.headers.part;
  for (; part != nullptr; part = part->next) {
    const auto* headers = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (absl::EqualsIgnoreCase(View(headers[i].key), name)) {
        return View(headers[i].value);
      }
    }
  }
  return std::nullopt;
}

bool IsLocalClient(const ngx_http_request_t* r) {
  return ComesFromHere(r->connection) && IsLocal(r->connection->sockaddr) &&
         IsProxiedFromHere(r);
}

bool IsKnownHost(const ngx_http_request_t* r) {
  const absl::string_view host = View(r->headers_in.server);
  const ngx_str_t hostname = const_cast<ngx_cycle_t*>(ngx_cycle)->hostname;
  if (host.empty() || IsIpAddress(host) || IsLocalhost(host) ||
      IsHostname(host, View(hostname))) {
    return true;
  }
  const ngx_array_t* names = GetLocConf(r)->status_names;
  const auto* name = static_cast<const ngx_http_server_name_t*>(names->elts);
  return std::any_of(name, name + names->nelts,
                     [host](const auto& each) { return Matches(host, each); });
}

bool IsFromOtherSite(const ngx_http_request_t* r) {
  const auto site = RequestHeader(r, "sec-fetch-site");
  if (site && *site != "same-origin" && *site != "none") {
    return true;
  }
  const auto origin = RequestHeader(r, "origin");
  return origin && !IsSameOrigin(*origin, RequestAuthority(r));
}

ngx_array_t* KeepServerNames(ngx_conf_t* cf) {
  const auto* server = static_cast<ngx_http_core_srv_conf_t*>(
      ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module));
  const ngx_array_t& names = server->server_names;
  ngx_array_t* kept = ngx_array_create(cf->pool, names.nelts, names.size);
  if (kept == nullptr) {
    return nullptr;
  }
  void* copy = ngx_array_push_n(kept, names.nelts);
  if (copy != nullptr) {
    std::memcpy(copy, names.elts, names.nelts * names.size);
  }
  return copy == nullptr ? nullptr : kept;
}

}  // namespace upstream_502
