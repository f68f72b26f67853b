// What the words of nginx's message tell beyond the cause: a TLS handshake that
// failed for a plain port is no handshake that failed for its version, and each
// wants other words and other checks.
//
//   ReadingOf({.cause = Cause::kTlsProtocolError}, {.message = "… alert number
//   70)"})
//   == Reading::kTlsVersion

#ifndef UPSTREAM_502_ADVICE_READING_H_
#define UPSTREAM_502_ADVICE_READING_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

enum class Reading : uint8_t {
  kNone,  // the cause's own words

  // connect()
  kUnixLeftBehind,  // nobody listens on a unix socket that is there
  kUnixForbidden,
  kRouteForbids,  // a route of type prohibit, or a firewall
  kNoNetwork,     // no route at all
  kNoIpv6,        // no IPv6 address of this machine's own
  kNoPort,        // no local port, or no address to connect from
  kBlackhole,     // a route of type blackhole, or *_bind to a loopback address
  kLinkLocal,     // an address that needs its interface
  kSocketType,    // a unix socket of another type

  // TLS
  kTlsPlainPort,
  kTlsVersion,        // the other side refused our versions
  kTlsVersionHere,    // our side refused what the other offers
  kTlsWeakHere,       // key, digest or parameters are too weak for our side
  kTlsRenegotiation,  // OpenSSL 3 refuses the old way of it
  kTlsServerName,     // the other side knows no such name, or was told none
  kTlsNoAgreement,    // alert 40: ciphers, a name, anything
  kTlsClientWanted,   // it wants a certificate of ours
  kTlsClientRefused,  // it does not take ours

  // Certificates
  kCertificateDates,
  kCertificateIssuer,
  kCertificateChain,
  kCertificateName,
  kCertificateWeak,

  // Framing
  kHttpPort,        // an HTTP/1 server answers FastCGI or HTTP/2
  kStreamRefused,   // an HTTP/2 code of the server's own
  kHpack,           // HPACK's table
  kCommandRefused,  // memcached's CLIENT_ERROR, ERROR
  kServerRefused,   // memcached's SERVER_ERROR
  kChunks,          // declared chunked, sent otherwise
  kBrokenInside,    // after a header that was right
  kNoOutput,        // a FastCGI application ended without a header
  kInterim,         // a 1xx that nginx takes for the answer

  // Answers of no use
  kNotHttp,       // passed on as HTTP/0.9
  kSliceStatus,   // a later slice with a status of its own
  kSliceMisfit,   // with another range or ETag
  kSliceMissing,  // something else in its place
  kCoding,        // no gzip
  kAuthStatus,    // which auth_request cannot use
  kKeptWhole,     // a subrequest's, larger than nginx keeps
  kNoScript,      // PHP-FPM's "Primary script unknown"

  kUpgraded,     // idle after a 101
  kEventStream,  // silent
  kLargeHeader,  // the request's, and the server closed
  kTemporaryFile,
};
inline constexpr size_t kReadingCount = 45;

Reading ReadingOf(const Failure& failure, const FailureText& text);

// The words in place of the cause's own hint; "" for kNone. $0 stands for the
// prefix of the protocol's directives.
absl::string_view ReadingHint(Reading reading);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_READING_H_
