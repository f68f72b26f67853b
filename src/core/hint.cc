#include "upstream_502/hint.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"

namespace upstream_502 {
namespace {

// The directive whose time ran out, without the protocol's prefix.
struct Timeout {
  Cause cause;
  absl::string_view directive;
};

constexpr Timeout kTimeouts[] = {
    {Cause::kConnectionTimeout, "_connect_timeout"},
    {Cause::kTlsTimeout, "_connect_timeout"},
    {Cause::kSendTimeout, "_send_timeout"},
    {Cause::kReadTimeout, "_read_timeout"},
    {Cause::kBodyTimeout, "_read_timeout"},
};

// What the table says of TCP does not always hold for a unix socket.
struct UnixHint {
  Cause cause;
  absl::string_view text;
};

constexpr UnixHint kUnixHints[] = {
    {Cause::kConnectionRefused,
     "nobody listens on the unix socket: its file was left behind by a "
     "service that is not running"},
    {Cause::kPermissionDenied,
     "nginx's user may not write to the unix socket: check mode and owner of "
     "it and of its directories (namei -l PATH), and SELinux "
     "(ausearch -m avc)"},
};

// What to look at in particular. `family` is a prefix of directives, "" means
// every protocol; $0 stands for the prefix.
struct Detail {
  Cause cause;
  absl::string_view family;
  absl::string_view text;
};

// What ends a request of theirs.
constexpr absl::string_view kHttpServers =
    "gunicorn: --timeout (WORKER TIMEOUT); uWSGI: harakiri, socket instead "
    "of http-socket; Node: server.timeout, an exception";
constexpr absl::string_view kGrpcServers =
    "gRPC: a server stopped without grace";

constexpr Detail kDetails[] = {
    {Cause::kConnectionRefused, "fastcgi",
     "PHP-FPM: systemctl status 'php*-fpm', listen in the pool's file"},
    {Cause::kConnectionTimeout, "fastcgi",
     "PHP-FPM: pm.max_children, listen.backlog"},
    {Cause::kConnectionTimeout, "uwsgi", "uWSGI: processes, listen"},
    {Cause::kConnectionRefused, "uwsgi", "uWSGI: socket in its file"},
    {Cause::kSocketMissing, "proxy", "gunicorn: --bind"},
    {Cause::kSocketMissing, "uwsgi", "uWSGI: socket in its file"},
    {Cause::kSocketMissing, "fastcgi",
     "PHP-FPM: listen in the pool's file, which has the version in its path"},
    {Cause::kPermissionDenied, "fastcgi",
     "PHP-FPM: listen.owner, listen.group, listen.mode"},
    {Cause::kPermissionDenied, "uwsgi", "uWSGI: chmod-socket, chown-socket"},
    {Cause::kBacklogFull, "fastcgi",
     "PHP-FPM: pm.max_children, listen.backlog"},
    {Cause::kBacklogFull, "uwsgi", "uWSGI: processes, listen"},
    {Cause::kBacklogFull, "proxy",
     "gunicorn: --workers, --backlog; uWSGI: processes, listen"},

    {Cause::kTlsProtocolError, "",
     "see $0_ssl_protocols, $0_ssl_ciphers, $0_ssl_server_name, "
     "$0_ssl_certificate"},
    {Cause::kTlsCertificateInvalid, "",
     "see $0_ssl_trusted_certificate, $0_ssl_name, $0_ssl_verify"},
    {Cause::kTlsClosed, "", "see $0_ssl_server_name, $0_ssl_name"},

    {Cause::kSendReset, "fastcgi", "PHP-FPM: request_terminate_timeout"},
    {Cause::kSendReset, "uwsgi", "uWSGI: harakiri, limit-post"},
    {Cause::kKeepaliveRace, "proxy",
     "gunicorn: --keep-alive; Node: server.keepAliveTimeout"},
    {Cause::kKeepaliveRace, "fastcgi",
     "PHP-FPM: pm.max_requests ends a worker and its connections"},
    {Cause::kKeepaliveRace, "grpc",
     "gRPC: the server's max connection age and idle time"},
    {Cause::kClosedBeforeResponse, "fastcgi",
     "PHP-FPM: request_terminate_timeout, pm.max_requests, a segfault"},
    {Cause::kClosedBeforeResponse, "uwsgi",
     "uWSGI: harakiri, http-socket instead of socket"},
    {Cause::kClosedBeforeResponse, "proxy", kHttpServers},
    {Cause::kClosedBeforeResponse, "grpc", kGrpcServers},
    {Cause::kResetBeforeResponse, "fastcgi",
     "PHP-FPM: request_terminate_timeout, a segfault"},
    {Cause::kResetBeforeResponse, "uwsgi",
     "uWSGI: harakiri, http-socket instead of socket"},
    {Cause::kResetBeforeResponse, "proxy", kHttpServers},
    {Cause::kResetBeforeResponse, "grpc", kGrpcServers},
    {Cause::kHeaderIncomplete, "fastcgi", "PHP-FPM: request_terminate_timeout"},
    {Cause::kHeaderIncomplete, "uwsgi", "uWSGI: harakiri"},
    {Cause::kHeaderIncomplete, "grpc", kGrpcServers},

    {Cause::kHeaderTooBig, "proxy", "$0_buffers must grow along"},
    {Cause::kHeaderTooBig, "fastcgi", "$0_buffers must grow along"},
    {Cause::kHeaderTooBig, "uwsgi", "$0_buffers must grow along"},
    {Cause::kHeaderTooBig, "scgi", "$0_buffers must grow along"},
    {Cause::kProtocolError, "fastcgi",
     "an HTTP server wants proxy_pass, not fastcgi_pass"},
    {Cause::kProtocolError, "uwsgi",
     "uWSGI must listen with socket =, not http-socket ="},
    {Cause::kProtocolError, "grpc",
     "grpc_pass needs HTTP/2, grpcs:// where the port is TLS; a code after "
     "'error' is the server's own refusal"},

    {Cause::kReadTimeout, "fastcgi",
     "PHP-FPM: pm.max_children, request_terminate_timeout, "
     "request_slowlog_timeout"},
    {Cause::kReadTimeout, "uwsgi", "uWSGI: harakiri, processes"},
    {Cause::kReadTimeout, "proxy",
     "gunicorn: --workers, --timeout; uWSGI: processes, harakiri"},
    {Cause::kReadTimeout, "grpc",
     "gRPC: a stream may be silent no longer than that"},
    {Cause::kErrorStatus, "fastcgi",
     "or fastcgi_catch_stderr matched what it wrote to stderr"},
    {Cause::kBodyIncomplete, "fastcgi", "PHP-FPM: request_terminate_timeout"},
    {Cause::kBodyIncomplete, "uwsgi", "uWSGI: harakiri"},
    {Cause::kBodyIncomplete, "proxy", kHttpServers},
    {Cause::kBodyIncomplete, "grpc", kGrpcServers},
    {Cause::kBodyTimeout, "proxy",
     "a WebSocket or an event stream needs pings or a longer time"},
    {Cause::kBodyTimeout, "grpc",
     "gRPC: a stream may be silent no longer than that"},
};

// nginx's own notation: "60s", "1500ms".
std::string Duration(int64_t ms) {
  return ms % 1000 == 0 ? absl::StrCat(ms / 1000, "s") : absl::StrCat(ms, "ms");
}

// nginx's own notation: "4k", "4000".
std::string Size(int64_t bytes) {
  return bytes % 1024 == 0 ? absl::StrCat(bytes / 1024, "k")
                           : absl::StrCat(bytes);
}

// What decided, before the cause's own hint.
std::string Lead(const HintInput& input) {
  const absl::string_view prefix = DirectivePrefix(input.protocol);
  for (const Timeout& timeout : kTimeouts) {
    // Without a limit it may have been the kernel that gave up.
    if (timeout.cause == input.cause && input.limit > 0) {
      return absl::StrCat(prefix, timeout.directive, " ", Duration(input.limit),
                          " ran out: ");
    }
  }
  if (input.cause == Cause::kHeaderTooBig) {
    return absl::StrCat(
        "raise ", prefix, "_buffer_size",
        input.limit > 0 ? absl::StrCat(" (now ", Size(input.limit), ")") : "",
        ": ");
  }
  if (input.cause == Cause::kErrorStatus && input.received_status > 0) {
    return absl::StrCat("the backend answered ", input.received_status, ": ");
  }
  return "";
}

absl::string_view Middle(const HintInput& input) {
  if (absl::StartsWith(input.peer, "unix:")) {
    for (const UnixHint& hint : kUnixHints) {
      if (hint.cause == input.cause) {
        return hint.text;
      }
    }
  }
  return Info(input.cause).hint;
}

}  // namespace

std::string Hint(const HintInput& input) {
  const absl::string_view family = DirectivePrefix(input.protocol);
  std::string hint = absl::StrCat(Lead(input), Middle(input));
  for (const Detail& detail : kDetails) {
    if (detail.cause == input.cause &&
        (detail.family.empty() || detail.family == family)) {
      absl::StrAppend(&hint, "; ", absl::Substitute(detail.text, family));
    }
  }
  return hint;
}

std::string Hint(const Event& event) {
  return Hint({.cause = event.facts.cause,
               .phase = event.facts.phase,
               .protocol = event.facts.protocol,
               .peer = event.peer,
               .received_status = event.facts.received_status,
               .limit = event.facts.limit});
}

}  // namespace upstream_502
