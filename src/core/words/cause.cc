// The table of causes, and the names of phases, origins and protocols.

#include "upstream_502/words/cause.h"

#include <cstddef>
#include <iterator>

#include "absl/strings/strip.h"

namespace upstream_502 {
namespace {

// The table of causes, in the order of the enum.
constexpr CauseInfo kCauses[] = {
    {
        .cause = Cause::kResolverMissing,
        .name = "resolver_missing",
        .phases = "resolve",
        .when = "target needs DNS, no resolver",
        .rfc9209 = "proxy_configuration_error",
        .hint = "the target holds a variable, so nginx looks the name up at "
                "run time and has no resolver: add one (resolver 127.0.0.53;) "
                "or name the servers in an upstream block",
    },
    {
        .cause = Cause::kDnsError,
        .name = "dns_error",
        .phases = "resolve",
        .when = "NXDOMAIN, SERVFAIL and the like",
        .rfc9209 = "dns_error",
        .hint =
            "the resolver answered that the name cannot be resolved: check "
            "its spelling, or it has no address of the kind that is asked for "
            "(ipv6=off); ask the same server with dig NAME @RESOLVER (nginx "
            "reads neither /etc/hosts nor search domains)",
    },
    {
        .cause = Cause::kDnsTimeout,
        .name = "dns_timeout",
        .phases = "resolve",
        .when = "resolver did not answer",
        .rfc9209 = "dns_timeout",
        .hint = "the server named in the resolver directive did not answer "
                "within resolver_timeout: ask it with dig NAME @RESOLVER, look "
                "for a firewall on port 53",
    },
    {
        .cause = Cause::kNoLiveUpstreams,
        .name = "no_live_upstreams",
        .phases = "select",
        .when = "every peer is marked down or full",
        .rfc9209 = "destination_unavailable",
        .hint = "every server was out: it failed max_fails times within "
                "fail_timeout (then the failures before this one tell why), "
                "is marked down, is at max_conns, or was tried by this "
                "request already; or a server name in the group has no address",
    },
    {
        .cause = Cause::kConnectionRefused,
        .name = "connection_refused",
        .phases = "connect",
        .when = "ECONNREFUSED",
        .rfc9209 = "connection_refused",
        .hint = "the connection was refused: nothing listens on this "
                "address and port, or a firewall rejects it; check whether the "
                "service is running, and where it listens",
    },
    {
        .cause = Cause::kConnectionTimeout,
        .name = "connection_timeout",
        .phases = "connect",
        .when = "*_connect_timeout ran out (504), or the kernel's ETIMEDOUT "
                "(502)",
        .rfc9209 = "connection_timeout",
        .hint = "no answer to the connection attempt: the host is down, a "
                "firewall drops the packets, or the accept queue is full "
                "(ss -ltn there: Recv-Q above Send-Q)",
    },
    {
        .cause = Cause::kConnectionUnreachable,
        .name = "connection_unreachable",
        .phases = "connect",
        .when = "EHOSTUNREACH, EHOSTDOWN, ENETUNREACH, ENETDOWN",
        .rfc9209 = "destination_ip_unroutable",
        .hint = "no route to the address: the host is down or absent (ip neigh "
                "show ADDRESS), or a firewall or router rejects the traffic",
    },
    {
        .cause = Cause::kConnectionFailed,
        .name = "connection_failed",
        .phases = "connect",
        .when = "any other errno of connect(); not 104 and 32, which mean "
                "\"connected, then reset\"",
        .rfc9209 = "connection_terminated",
        .hint = "connect() failed with an unusual errno: look at the "
                "address as nginx understood it, and at ip route get "
                "ADDRESS",
    },
    {
        .cause = Cause::kSocketMissing,
        .name = "socket_missing",
        .phases = "connect",
        .when = "ENOENT, ENOTDIR on a unix socket",
        .rfc9209 = "destination_unavailable",
        .hint = "the path of the unix socket does not exist for nginx: the "
                "service is not running, listens on another path, or sees "
                "other directories (systemd PrivateTmp, a container)",
    },
    {
        .cause = Cause::kPermissionDenied,
        .name = "permission_denied",
        .phases = "connect",
        .when = "EACCES, EPERM (socket mode, SELinux, firewall)",
        .rfc9209 = "destination_ip_prohibited",
        .hint = "this machine forbids the connection: a local firewall's "
                "OUTPUT rule, or SELinux (setsebool -P "
                "httpd_can_network_connect 1, ausearch -m avc)",
    },
    {
        .cause = Cause::kBacklogFull,
        .name = "backlog_full",
        .phases = "connect",
        .when = "EAGAIN on a unix socket: its accept queue is full",
        .rfc9209 = "connection_limit_reached",
        .hint = "the socket's accept queue is full: too few workers for the "
                "load or all are stuck; raise the service's backlog and "
                "net.core.somaxconn",
    },
    {
        .cause = Cause::kLocalExhausted,
        .name = "local_exhausted",
        .phases = "connect",
        .when = "EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM, "
                "worker_connections are not enough: this machine ran out, or "
                "has no address to connect from",
        .rfc9209 = "proxy_internal_error",
        .hint = "the nginx machine ran out: of ports "
                "(net.ipv4.ip_local_port_range, use keepalive), of files "
                "(worker_rlimit_nofile) or of worker_connections; the message "
                "says which",
    },
    {
        .cause = Cause::kTlsProtocolError,
        .name = "tls_protocol_error",
        .phases = "tls",
        .when = "protocol, cipher, alert, plain text where TLS was expected; "
                "also an alert or bad record after the handshake",
        .rfc9209 = "tls_protocol_error",
        .hint = "TLS with the backend failed: check whether the port is a TLS "
                "port, versions and ciphers overlap, and it wants a client "
                "certificate",
    },
    {
        .cause = Cause::kTlsCertificateInvalid,
        .name = "tls_certificate_invalid",
        .phases = "tls",
        .when = "verification or name mismatch",
        .rfc9209 = "tls_certificate_error",
        .hint = "the backend's certificate was not accepted: expired, signed "
                "by an unknown CA, for another name, or too weak a key",
    },
    {
        .cause = Cause::kTlsClosed,
        .name = "tls_closed",
        .phases = "tls",
        .when = "peer closed or reset inside the handshake",
        .rfc9209 = "connection_terminated",
        .hint = "the backend hung up inside the TLS handshake: it may speak "
                "plain text, need SNI, or be overloaded or restarting",
    },
    {
        .cause = Cause::kTlsTimeout,
        .name = "tls_timeout",
        .phases = "tls",
        .when = "handshake ran into the connect timeout",
        .rfc9209 = "connection_timeout",
        .hint = "the backend accepted the connection but did not finish the "
                "TLS handshake: it is overloaded, or does not speak TLS on "
                "this port",
    },
    {
        .cause = Cause::kSendReset,
        .name = "send_reset",
        .phases = "send",
        .when = "EPIPE, ECONNRESET while sending",
        .rfc9209 = "connection_terminated",
        .hint = "the connection ended while the request was being sent: the "
                "backend limits the body's size and may have answered, or "
                "its worker died; see its log",
    },
    {
        .cause = Cause::kSendTimeout,
        .name = "send_timeout",
        .phases = "send",
        .when = "*_send_timeout",
        .rfc9209 = "connection_write_timeout",
        .hint = "the backend stopped reading the request in time: its workers "
                "are stuck or busy, or packets were lost",
    },
    {
        .cause = Cause::kKeepaliveRace,
        .name = "keepalive_race",
        .phases = "send, header",
        .when = "EOF, RST or EPIPE on a reused connection before any response "
                "byte",
        .rfc9209 = "connection_terminated",
        .hint = "the backend closed an idle keepalive connection just as nginx "
                "reused it: its idle time was shorter than keepalive_timeout "
                "in upstream{}, or its worker restarts or limits requests per "
                "connection",
    },
    {
        .cause = Cause::kClosedBeforeResponse,
        .name = "closed_before_response",
        .phases = "header",
        .when = "EOF on a fresh connection, no byte received",
        .rfc9209 = "connection_terminated",
        .hint = "the backend closed the connection without a word: its worker "
                "crashed, was killed (dmesg | grep -i oom) or gave up, or a "
                "relay (docker-proxy) was refused itself; see its log",
    },
    {
        .cause = Cause::kResetBeforeResponse,
        .name = "reset_before_response",
        .phases = "header",
        .when = "RST on a fresh connection, no byte received; also connect() "
                "failing with errno 104 or 32",
        .rfc9209 = "connection_terminated",
        .hint = "the backend reset the connection: its worker crashed or was "
                "killed, it left the request unread, a relay (docker-proxy) "
                "was refused, or a device in between dropped it; see its log",
    },
    {
        .cause = Cause::kHeaderIncomplete,
        .name = "header_incomplete",
        .phases = "header",
        .when = "EOF or RST inside the header",
        .rfc9209 = "http_response_incomplete",
        .hint = "the backend died in the middle of the response header: see "
                "its log for a crash or a kill",
    },
    {
        .cause = Cause::kHeaderTooBig,
        .name = "header_too_big",
        .phases = "header",
        .when = "larger than the header buffer",
        .rfc9209 = "http_response_header_section_size",
        .hint = "the response header does not fit the buffer, mostly for "
                "large or many Set-Cookie lines",
    },
    {
        .cause = Cause::kHeaderInvalid,
        .name = "header_invalid",
        .phases = "header",
        .when = "status line, field, Content-Length, Transfer-Encoding ... not "
                "valid",
        .rfc9209 = "http_protocol_error",
        .hint = "the backend sent a response header that breaks the rules; "
                "the message quotes it: correct the application or the "
                "framework that writes it",
    },
    {
        .cause = Cause::kProtocolError,
        .name = "protocol_error",
        .phases = "header, body",
        .when = "FastCGI, SCGI, uwsgi, gRPC, HTTP/2, memcached framing",
        .rfc9209 = "http_protocol_error",
        .hint = "the answer does not follow the protocol nginx was told to "
                "speak: check whether this port speaks another one",
    },
    {
        .cause = Cause::kReadTimeout,
        .name = "read_timeout",
        .phases = "header",
        .when = "*_read_timeout before the header",
        .rfc9209 = "connection_read_timeout",
        .hint = "no answer came in time: a slow query, a lock, no free "
                "worker, or a request that the network lost",
    },
    {
        .cause = Cause::kErrorStatus,
        .name = "error_status",
        .phases = "header",
        .when = "the upstream itself said it failed: 502/504, a status nginx "
                "retried on, or stderr text that fastcgi_catch_stderr matches",
        .rfc9209 = "",
        .hint = "the backend itself says that it failed: look for the cause "
                "there",
    },
    {
        .cause = Cause::kBodyIncomplete,
        .name = "body_incomplete",
        .phases = "body",
        .when = "EOF, RST or bad chunking after the header: the client sees a "
                "cut 200",
        .rfc9209 = "http_response_incomplete",
        .hint = "the backend broke off inside the response body: its worker "
                "crashed or was killed, a wrong Content-Length, or it "
                "gave up writing to a slow client (buffering off); see its log",
    },
    {
        .cause = Cause::kBodyTimeout,
        .name = "body_timeout",
        .phases = "body",
        .when = "*_read_timeout after the header",
        .rfc9209 = "connection_read_timeout",
        .hint = "the backend stalled inside the response body (a slow query, "
                "a lock), or its Content-Length is above what it sends (curl: "
                "N out of M bytes)",
    },
    {
        .cause = Cause::kInternalError,
        .name = "internal_error",
        .phases = "resolve, select, connect, tls, send, header, body",
        .when = "nginx could not go on (no port in upstream, bad URL from a "
                "variable, bind() failed, allocation): 500",
        .rfc9209 = "proxy_internal_error",
        .hint = "nginx itself could not go on, the backend is not to blame: "
                "the message and nginx's error log say why",
    },
    {
        .cause = Cause::kUnknown,
        .name = "unknown",
        .phases = "resolve, select, connect, tls, send, header, body",
        .when = "nothing above; the event keeps nginx's message",
        .rfc9209 = "proxy_internal_error",
        .hint = "a failure this module does not know: see the message and "
                "nginx's error log around that time",
    },
};

constexpr bool CausesAreInOrder() {
  for (size_t i = 0; i < std::size(kCauses); ++i) {
    if (static_cast<size_t>(kCauses[i].cause) != i) {
      return false;
    }
  }
  return true;
}

static_assert(std::size(kCauses) == kCauseCount);
static_assert(kCauseCount <= kMaxCauses);
static_assert(CausesAreInOrder());

constexpr absl::string_view kPhases[] = {"resolve", "select", "connect", "tls",
                                         "send",    "header", "body"};
static_assert(std::size(kPhases) == kPhaseCount);
static_assert(static_cast<size_t>(Phase::kBody) + 1 == kPhaseCount);

constexpr absl::string_view kOrigins[] = {"nginx", "upstream", "cache",
                                          "config"};
static_assert(std::size(kOrigins) == kOriginCount);

// Numbers read back from shared memory may be out of range: they have no
// name, rather than undefined behaviour.
template <typename Enum, size_t kSize>
absl::string_view Name(const absl::string_view (&names)[kSize], Enum value) {
  const auto i = static_cast<size_t>(value);
  return i < kSize ? names[i] : absl::string_view();
}

struct ProtocolInfo {
  Protocol protocol;
  absl::string_view name;
  absl::string_view directive_prefix;
};

constexpr ProtocolInfo kProtocols[] = {
    {Protocol::kUnknown, "unknown", "proxy"},
    {Protocol::kHttp, "http", "proxy"},
    {Protocol::kHttps, "https", "proxy"},
    {Protocol::kFastcgi, "fastcgi", "fastcgi"},
    {Protocol::kUwsgi, "uwsgi", "uwsgi"},
    {Protocol::kSuwsgi, "suwsgi", "uwsgi"},
    {Protocol::kScgi, "scgi", "scgi"},
    {Protocol::kGrpc, "grpc", "grpc"},
    {Protocol::kGrpcs, "grpcs", "grpc"},
    {Protocol::kMemcached, "memcached", "memcached"},
    {Protocol::kTunnel, "tunnel", "tunnel"},
};
static_assert(std::size(kProtocols) == kProtocolCount);
static_assert(static_cast<size_t>(Protocol::kTunnel) + 1 == kProtocolCount);

const ProtocolInfo& Info(Protocol protocol) {
  const auto i = static_cast<size_t>(protocol);
  return kProtocols[i < std::size(kProtocols) ? i : 0];
}

}  // namespace

const CauseInfo& Info(Cause cause) {
  const auto i = static_cast<size_t>(cause);
  return kCauses[i < kCauseCount ? i : static_cast<size_t>(Cause::kUnknown)];
}

absl::string_view CauseName(Cause cause) { return Info(cause).name; }

absl::string_view PhaseName(Phase phase) { return Name(kPhases, phase); }

absl::string_view OriginName(Origin origin) { return Name(kOrigins, origin); }

absl::string_view ProtocolName(Protocol protocol) {
  return Info(protocol).name;
}

bool ParseCause(absl::string_view name, Cause* cause) {
  for (const CauseInfo& info : kCauses) {
    if (info.name == name) {
      *cause = info.cause;
      return true;
    }
  }
  return false;
}

Protocol ParseProtocol(absl::string_view schema) {
  const absl::string_view name = absl::StripSuffix(schema, "://");
  for (const ProtocolInfo& info : kProtocols) {
    if (info.name == name) {
      return info.protocol;
    }
  }
  return Protocol::kUnknown;
}

absl::string_view DirectivePrefix(Protocol protocol) {
  return Info(protocol).directive_prefix;
}

}  // namespace upstream_502
