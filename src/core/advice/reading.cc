// What the words of nginx's message tell: the table of readings.

#include "upstream_502/advice/reading.h"

#include <cerrno>
#include <iterator>

#include "absl/strings/match.h"
#include "upstream_502/advice/address.h"

namespace upstream_502 {
namespace {

// Read from top to bottom: the first one whose words are in the message.
struct Row {
  Cause cause;
  absl::string_view words;
  Reading reading;
};

constexpr Cause kTls = Cause::kTlsProtocolError;
constexpr Cause kCertificate = Cause::kTlsCertificateInvalid;
constexpr Cause kFraming = Cause::kProtocolError;

constexpr Row kRows[] = {
    {kTls, "alert number 70", Reading::kTlsVersion},
    {kTls, "alert number 112", Reading::kTlsServerName},
    {kTls, "alert number 116", Reading::kTlsClientWanted},
    {kTls, "alert number 40", Reading::kTlsNoAgreement},
    {kTls, "alert number 42", Reading::kTlsClientRefused},
    {kTls, "alert number 43", Reading::kTlsClientRefused},
    {kTls, "alert number 44", Reading::kTlsClientRefused},
    {kTls, "alert number 45", Reading::kTlsClientRefused},
    {kTls, "alert number 46", Reading::kTlsClientRefused},
    {kTls, "alert number 48", Reading::kTlsClientRefused},
    {kTls, "wrong version number", Reading::kTlsPlainPort},
    {kTls, "packet length too long", Reading::kTlsPlainPort},
    {kTls, "record layer failure", Reading::kTlsPlainPort},
    {kTls, "http request", Reading::kTlsPlainPort},
    {kTls, "prematurely sent response", Reading::kTlsPlainPort},
    {kTls, "unsupported protocol", Reading::kTlsVersionHere},
    {kTls, "version too low", Reading::kTlsVersionHere},
    {kTls, "no protocols available", Reading::kTlsVersionHere},
    {kTls, "legacy sigalg", Reading::kTlsVersionHere},
    {kTls, "legacy renegotiation", Reading::kTlsRenegotiation},
    {kTls, "too small", Reading::kTlsWeakHere},
    {kTls, "wrong signature type", Reading::kTlsWeakHere},

    {kCertificate, "does not match", Reading::kCertificateName},
    {kCertificate, "error: (9:", Reading::kCertificateDates},
    {kCertificate, "error: (10:", Reading::kCertificateDates},
    {kCertificate, "error: (18:", Reading::kCertificateIssuer},
    {kCertificate, "error: (19:", Reading::kCertificateIssuer},
    {kCertificate, "error: (20:", Reading::kCertificateIssuer},
    {kCertificate, "error: (21:", Reading::kCertificateIssuer},
    {kCertificate, "error: (2:", Reading::kCertificateIssuer},
    {kCertificate, "error: (22:", Reading::kCertificateChain},
    {kCertificate, "too small", Reading::kCertificateWeak},
    {kCertificate, "too weak", Reading::kCertificateWeak},

    {kFraming, "rejected request with error", Reading::kStreamRefused},
    {kFraming, "goaway with error", Reading::kStreamRefused},
    {Cause::kClosedBeforeResponse, "goaway with error",
     Reading::kStreamRefused},
    {Cause::kResetBeforeResponse, "rejected request with error",
     Reading::kStreamRefused},
    {Cause::kResetBeforeResponse, "goaway with error", Reading::kStreamRefused},
    {kFraming, "table index", Reading::kHpack},
    {kFraming, "dynamic table", Reading::kHpack},
    {kFraming, "table size", Reading::kHpack},
    {kFraming, "CLIENT_ERROR", Reading::kCommandRefused},
    {kFraming, "SERVER_ERROR", Reading::kServerRefused},
    {kFraming, "invalid response: \"ERROR", Reading::kCommandRefused},
    // The letter H, and "HTT" as a length of three bytes.
    {kFraming, "FastCGI protocol version: 72", Reading::kHttpPort},
    {kFraming, "http2 frame: 4740180", Reading::kHttpPort},
    {kFraming, "prematurely closed FastCGI stdout", Reading::kNoOutput},
    // The end of a request.
    {kFraming, "unexpected FastCGI record: 3", Reading::kNoOutput},

    {Cause::kBodyIncomplete, "invalid chunked response", Reading::kChunks},
    {Cause::kBodyIncomplete, "inflate() ", Reading::kCoding},
    {Cause::kHeaderInvalid, "no valid HTTP/1.0 header", Reading::kNotHttp},
    {Cause::kHeaderInvalid, "unexpected :status \"1", Reading::kInterim},
    {Cause::kHeaderInvalid, "slice response", Reading::kSliceMisfit},
    {Cause::kErrorStatus, "in slice response", Reading::kSliceStatus},
    {Cause::kErrorStatus, "missing slice", Reading::kSliceMissing},
    {Cause::kErrorStatus, "Primary script unknown", Reading::kNoScript},
    {Cause::kInternalError, "auth request", Reading::kAuthStatus},
    {Cause::kInternalError, "too big subrequest", Reading::kKeptWhole},
    {Cause::kInternalError, "pwrite() \"", Reading::kTemporaryFile},
    {Cause::kInternalError, "pwritev() \"", Reading::kTemporaryFile},
    {Cause::kInternalError, "write() \"", Reading::kTemporaryFile},
    {Cause::kInternalError, "writev() \"", Reading::kTemporaryFile},
    {Cause::kInternalError, "open() \"", Reading::kTemporaryFile},
    {Cause::kInternalError, "mkdir() \"", Reading::kTemporaryFile},
};

// By the enum.
constexpr absl::string_view kHints[] = {
    "",
    // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): it is all one hint.
    "nobody listens on the unix socket: its file was left behind by a service "
    "that is not running",
    "nginx's user may not write to the unix socket: check mode and owner of it "
    "and of its directories (namei -l PATH), and SELinux (ausearch -m avc)",
    "this machine forbids the connection: a route of type prohibit (ip route "
    "show match ADDRESS), a firewall, or SELinux (setsebool -P "
    "httpd_can_network_connect 1)",
    "this machine, or a router on the way, has no route to the address: ip "
    "route "
    "get ADDRESS; for IPv6, whether this machine has IPv6 at all (resolver ... "
    "ipv6=off)",
    "this machine has no IPv6 address that nginx could connect from, or no "
    "port is left there: name an IPv4 address (127.0.0.1; localhost is ::1, "
    "too), or resolver ... ipv6=off",
    "no local port is free towards that peer (net.ipv4.ip_local_port_range; "
    "keepalive in upstream{} needs fewer), or this machine has no address to "
    "connect from (ip addr, $0_bind)",
    "the kernel refused the address itself: $0_bind names a loopback address, "
    "or a blackhole route covers it (ip route show match ADDRESS)",
    "a link-local address means nothing without its interface, which nginx "
    "cannot be told: use another address",
    "the path is a unix socket of another type: the service made it with "
    "SOCK_DGRAM or SOCK_SEQPACKET, nginx needs SOCK_STREAM",

    "the port speaks no TLS: nginx is to use a plain scheme (http://, "
    "grpc://, uwsgi://) or another port",
    "the backend refuses the TLS versions that $0_ssl_protocols allows (alert "
    "70): add what it speaks, TLSv1.3 or an older one",
    "nginx's own side refuses the TLS version that the backend speaks: "
    "$0_ssl_protocols must have it; TLSv1 and TLSv1.1 need "
    "$0_ssl_ciphers DEFAULT:@SECLEVEL=0, too",
    "nginx's own TLS library refuses the backend's key, digest or parameters "
    "as too weak: renew them there, or $0_ssl_ciphers DEFAULT:@SECLEVEL=0",
    "nginx's own TLS library refuses a server that only knows the old "
    "renegotiation: update it, or $0_ssl_conf_command Options "
    "UnsafeLegacyServerConnect",
    "the backend knows no site by the name it was told (alert 112): "
    "$0_ssl_server_name on, with $0_ssl_name one of its names",
    "the backend found nothing to agree on (alert 40): it may need a name "
    "($0_ssl_server_name on), a client certificate ($0_ssl_certificate) or "
    "other ciphers ($0_ssl_ciphers)",
    "the backend wants a client certificate: $0_ssl_certificate and "
    "$0_ssl_certificate_key",
    "the backend does not accept nginx's client certificate: it must be "
    "issued by a CA the backend trusts, and in date; see $0_ssl_certificate",

    "the backend's certificate is out of its dates, or one of the clocks is "
    "wrong: renew it there",
    "the backend's certificate is of an issuer that nginx was not told to "
    "trust, or comes without its intermediate one: see "
    "$0_ssl_trusted_certificate",
    "the backend's chain of certificates is longer than "
    "$0_ssl_verify_depth (1 unless changed)",
    "the backend's certificate is for other names than the one nginx asked "
    "for: $0_ssl_name is to be one of those it carries",
    "nginx's own TLS library refuses the backend's certificate as too weak: "
    "renew it with a larger key or a better digest",

    "an HTTP/1 server answers on this port, which $0_pass does not speak: "
    "proxy_pass is for it, or the port is a wrong one",
    "the server itself refused or ended the stream, and its error code says "
    "why",
    "the server uses HPACK's dynamic table, which nginx has told it not to "
    "use: a fault of the server's HTTP/2 library",
    "memcached refused the command: the key is longer than 250 bytes or "
    "holds a blank; see memcached_key",
    "memcached itself failed and says why: its memory, most often",
    "the body was declared chunked and sent otherwise: remove the "
    "Transfer-Encoding that the application itself sets",
    "the header was right, and what came after it breaks the protocol: a fault "
    "of the server's own library, or two answers mixed up on one connection",
    "the application ended the request without a header: see its log, and "
    "\"FastCGI sent in stderr\" in nginx's",
    "the server sent an interim response (1xx), which this nginx takes for the "
    "answer: switch early hints (103) off there, nginx passes them on from "
    "1.29 on; or pass no Expect on (100)",

    "what came is no HTTP response, and nginx passes it on as it is: the port "
    "speaks another protocol, or the application wrote the status line itself",
    "a later slice had another status than 206, so that the client's response "
    "is cut: the file changed or went away, or a server takes no Range",
    "the slice does not fit the ones before: the file changed meanwhile, the "
    "group's servers have different copies of it, or one takes no Range",
    "something else answered in the place of a later slice, so that the "
    "client's response is cut: no error_page for a location with slice",
    "gunzip cannot read the body: it is not the gzip that its "
    "Content-Encoding says, or it was cut",
    "auth_request takes 2xx, 401 and 403 only: have the service answer 401, "
    "and send clients to the login by error_page 401",
    "nginx keeps all of an included response in memory, and it is larger than "
    "subrequest_output_buffer_size: raise that, or include less",

    "PHP-FPM finds no file at the path it was told (SCRIPT_FILENAME: root, "
    "alias): the path is another one there (another machine, a container, "
    "chroot), or its user may not read it",

    "nothing was said for that long after the switch to another protocol "
    "(WebSocket): pings more often than that, or a longer time, keep it",
    // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): it is all one hint.
    "an event stream (text/event-stream) was silent for that long: a comment "
    "line now and then (\":\"), or a longer time, keeps it",
    "the backend closed on a request with a large header: suspect its own "
    "limit "
    "first",
    "nginx could not use a file of its own, a temporary or a cached one: the "
    "message names it; see "
    "space, inodes and permissions there (df, df -i, namei -l)",
};
static_assert(std::size(kHints) == kReadingCount);
static_assert(static_cast<size_t>(Reading::kTemporaryFile) + 1 ==
              kReadingCount);

bool IsUnix(absl::string_view peer) { return absl::StartsWith(peer, "unix:"); }
bool IsIpv6(absl::string_view peer) { return absl::StartsWith(peer, "["); }

Reading OfConnect(const Failure& failure, const FailureText& text) {
  const absl::string_view peer = text.peer;
  const bool unix_socket = IsUnix(peer);
  switch (failure.cause) {
    case Cause::kConnectionRefused:
      return unix_socket ? Reading::kUnixLeftBehind : Reading::kNone;
    case Cause::kPermissionDenied:
      if (unix_socket) {
        return Reading::kUnixForbidden;
      }
      return failure.errno_number == EACCES ? Reading::kRouteForbids
                                            : Reading::kNone;
    case Cause::kConnectionUnreachable:
      return failure.errno_number == ENETUNREACH ? Reading::kNoNetwork
                                                 : Reading::kNone;
    case Cause::kConnectionFailed:
      if (failure.errno_number == EPROTOTYPE) {
        return Reading::kSocketType;
      }
      if (failure.errno_number != EINVAL || peer.empty() || unix_socket) {
        return Reading::kNone;
      }
      return absl::StartsWithIgnoreCase(peer, "[fe80") ? Reading::kLinkLocal
                                                       : Reading::kBlackhole;
    case Cause::kLocalExhausted:
      if (failure.errno_number != EADDRNOTAVAIL) {
        return Reading::kNone;
      }
      return IsIpv6(peer) ? Reading::kNoIpv6 : Reading::kNoPort;
    case Cause::kInternalError:
      // A kernel without IPv6 makes no socket for it.
      return failure.errno_number == EAFNOSUPPORT && IsIpv6(text.peer) &&
                     absl::StartsWith(text.message, "socket() ")
                 ? Reading::kNoIpv6
                 : Reading::kNone;
    default:
      return Reading::kNone;
  }
}

// An answer is still to come after it.
bool IsInterim(const Failure& failure) {
  constexpr int kSwitching = 101;
  return failure.received_status >= 100 && failure.received_status < 200 &&
         failure.received_status != kSwitching;
}

// Above what servers take for a request's header unless told otherwise: uWSGI
// 4k, gunicorn 8k a field, Node.js 16k. Who refuses it for that does so at
// once.
bool IsLarge(const Failure& failure, absl::string_view method) {
  constexpr int32_t kAtOnceMs = 200;
  if (failure.response_time >= kAtOnceMs) {
    return false;
  }
  const bool uwsgi = DirectivePrefix(failure.protocol) == "uwsgi";
  const bool no_body = method == "GET" || method == "HEAD";
  return no_body && failure.bytes_sent > (uwsgi ? 4096 : 8192);
}

Reading OfNumbers(const Failure& failure, const FailureText& text) {
  switch (failure.cause) {
    case Cause::kHeaderInvalid:
      // Where a cache is in use nginx says nothing of it.
      return failure.received_status == 0 && text.message.empty() &&
                     failure.line == 0
                 ? Reading::kNotHttp
                 : Reading::kNone;
    case Cause::kProtocolError:
      return failure.phase == Phase::kBody && failure.received_status != 0
                 ? Reading::kBrokenInside
                 : Reading::kNone;
    case Cause::kBodyIncomplete:
      return IsInterim(failure) ? Reading::kInterim : Reading::kNone;
    case Cause::kBodyTimeout:
      return IsInterim(failure)               ? Reading::kInterim
             : failure.received_status == 101 ? Reading::kUpgraded
             : failure.event_stream != 0      ? Reading::kEventStream
                                              : Reading::kNone;
    case Cause::kSendReset:
    case Cause::kClosedBeforeResponse:
    case Cause::kResetBeforeResponse:
      return IsLarge(failure, text.method) ? Reading::kLargeHeader
                                           : Reading::kNone;
    default:
      return Reading::kNone;
  }
}

}  // namespace

Reading ReadingOf(const Failure& failure, const FailureText& text) {
  for (const Row& row : kRows) {
    if (row.cause == failure.cause &&
        absl::StrContains(text.message, row.words)) {
      return row.reading;
    }
  }
  const Reading reading = OfConnect(failure, text);
  return reading != Reading::kNone ? reading : OfNumbers(failure, text);
}

absl::string_view ReadingHint(Reading reading) {
  const auto i = static_cast<size_t>(reading);
  return i < kReadingCount ? kHints[i] : absl::string_view();
}

}  // namespace upstream_502
