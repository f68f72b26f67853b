// Every place where nginx's upstream code writes an error line, with the line
// as nginx 1.22 to 1.31 renders it and the state of the attempt at that
// moment.

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "upstream_502/attempt.h"

namespace upstream_502 {
namespace {

using enum Cause;
using enum Phase;

// States of an attempt that ends in a 502.
constexpr Attempt kConnecting = {.status = 502, .rc = 502};
constexpr Attempt kUnixConnecting = {
    .unix_socket = true, .status = 502, .rc = 502};
constexpr Attempt kTlsConnecting = {.tls = true, .status = 502, .rc = 502};
constexpr Attempt kHandshaking = {
    .tls = true, .tls_started = true, .status = 502, .rc = 502};
constexpr Attempt kTlsSent = {.tls = true,
                              .tls_started = true,
                              .tls_handshaked = true,
                              .connected = true,
                              .request_sent = true,
                              .status = 502,
                              .rc = 502};
constexpr Attempt kTlsReady = {.tls = true,
                               .tls_started = true,
                               .tls_handshaked = true,
                               .connected = true,
                               .status = 502,
                               .rc = 502};
constexpr Attempt kSent = {
    .connected = true, .request_sent = true, .status = 502, .rc = 502};
constexpr Attempt kReused = {.reused = true,
                             .connected = true,
                             .request_sent = true,
                             .status = 502,
                             .rc = 502};
constexpr Attempt kReusedUnsent = {.reused = true, .status = 502, .rc = 502};
constexpr Attempt kInHeader = {.connected = true,
                               .request_sent = true,
                               .status = 502,
                               .bytes_received = 20,
                               .rc = 502};
constexpr Attempt kFastcgiHeader = {.protocol = Protocol::kFastcgi,
                                    .connected = true,
                                    .request_sent = true,
                                    .status = 502,
                                    .bytes_received = 20,
                                    .rc = 502};
constexpr Attempt kInBody = {.connected = true,
                             .request_sent = true,
                             .header_done = true,
                             .status = 200,
                             .received_status = 200,
                             .bytes_received = 90,
                             .rc = 502};
constexpr Attempt kBodyAborted = {.connected = true,
                                  .request_sent = true,
                                  .header_done = true,
                                  .status = 200,
                                  .received_status = 200,
                                  .bytes_received = 90,
                                  .rc = -1};
// … in a 500 of nginx's own, which leaves the status unset.
constexpr Attempt kLocal = {.rc = 500};
constexpr Attempt kTlsLocal = {.tls = true, .rc = 500};
constexpr Attempt kSentLocal = {
    .connected = true, .request_sent = true, .rc = 500};
// … before there is an attempt.
constexpr Attempt kNone = {.ending = Ending::kNoAttempt, .rc = 502};

struct Site {
  absl::string_view id;
  absl::string_view message;
  const Attempt& state;
  Cause cause;
  Phase phase;
  int errno_number = 0;
};

const Site kSites[] = {
    // Before an attempt.
    {"A22", "no resolver defined to resolve name.test", kNone, kResolverMissing,
     kResolve},
    {"A23", "name.test could not be resolved (3: Host not found)", kNone,
     kDnsError, kResolve},
    {"A23", "name.test could not be resolved (2: Server failure)", kNone,
     kDnsError, kResolve},
    {"A23", "name.test could not be resolved (17: Unknown error)", kNone,
     kDnsError, kResolve},
    {"A23", "name.test could not be resolved (110: Operation timed out)", kNone,
     kDnsTimeout, kResolve},

    // Choosing a peer and connecting.
    {"B1", "no live upstreams", kConnecting, kNoLiveUpstreams, kSelect},
    {"B3", "socket() failed (24: Too many open files)", kLocal, kLocalExhausted,
     kConnect, 24},
    {"B3", "socket() failed (97: Address family not supported by protocol)",
     kLocal, kInternalError, kConnect, 97},
    {"B4", "the new socket has number 1024, but only 512 files are available",
     kLocal, kLocalExhausted, kConnect},
    {"B4", "768 worker_connections are not enough", kLocal, kLocalExhausted,
     kConnect},
    {"B5", "ioctl(FIONBIO) failed (9: Bad file descriptor)", kLocal,
     kInternalError, kConnect, 9},
    {"B6", "bind(198.51.100.77) failed (99: Cannot assign requested address)",
     kLocal, kInternalError, kConnect, 99},
    {"B7", "setsockopt(IP_TRANSPARENT) failed (1: Operation not permitted)",
     kLocal, kInternalError, kConnect, 1},
    {"B8", "epoll_ctl(1, 9) failed (12: Cannot allocate memory)", kLocal,
     kInternalError, kConnect, 12},
    {"B9", "setsockopt(SO_RCVBUF) failed (22: Invalid argument)", kLocal,
     kInternalError, kConnect, 22},
    {"B10a", "connect() to unix:/run/app.sock failed (111: Connection refused)",
     kUnixConnecting, kConnectionRefused, kConnect, 111},
    {"B10b",
     "connect() to 255.255.255.255:80 failed (101: Network is "
     "unreachable)",
     kConnecting, kConnectionUnreachable, kConnect, 101},
    {"B10b", "connect() to 10.0.0.1:80 failed (113: No route to host)",
     kConnecting, kConnectionUnreachable, kConnect, 113},
    {"B10b", "connect() to 10.0.0.1:80 failed (100: Network is down)",
     kConnecting, kConnectionUnreachable, kConnect, 100},
    {"B10b", "connect() to 10.0.0.1:80 failed (112: Host is down)", kConnecting,
     kConnectionUnreachable, kConnect, 112},
    {"B10c",
     "connect() to unix:/run/app.sock failed (11: Resource temporarily "
     "unavailable)",
     kUnixConnecting, kBacklogFull, kConnect, 11},
    {"B10c",
     "connect() to 10.0.0.1:80 failed (11: Resource temporarily unavailable)",
     kConnecting, kLocalExhausted, kConnect, 11},
    {"B10d",
     "connect() to unix:/nonexistent failed (2: No such file or directory)",
     kUnixConnecting, kSocketMissing, kConnect, 2},
    {"B10d", "connect() to unix:/a/b failed (20: Not a directory)",
     kUnixConnecting, kSocketMissing, kConnect, 20},
    {"B10e", "connect() to unix:/run/app.sock failed (13: Permission denied)",
     kUnixConnecting, kPermissionDenied, kConnect, 13},
    {"B10e", "connect() to 10.0.0.1:80 failed (1: Operation not permitted)",
     kConnecting, kPermissionDenied, kConnect, 1},
    {"B10f",
     "connect() to 127.0.0.1:80 failed (99: Cannot assign requested address)",
     kConnecting, kLocalExhausted, kConnect, 99},
    {"B10g", "connect() to [fe80::1]:80 failed (22: Invalid argument)",
     kConnecting, kConnectionFailed, kConnect, 22},
    {"B10g",
     "connect() to unix:/run/dgram failed (91: Protocol wrong type for socket)",
     kUnixConnecting, kConnectionFailed, kConnect, 91},
    {"B10g", "connect() to 10.0.0.1:80 failed (105: No buffer space available)",
     kConnecting, kLocalExhausted, kConnect, 105},
    {"B11a", "connect() failed (111: Connection refused)", kConnecting,
     kConnectionRefused, kConnect, 111},
    {"B11a", "connect() failed (110: Connection timed out)", kConnecting,
     kConnectionTimeout, kConnect, 110},
    {"B11a", "connect() failed (113: No route to host)", kConnecting,
     kConnectionUnreachable, kConnect, 113},
    {"B11a", "connect() failed (104: Connection reset by peer)", kConnecting,
     kResetBeforeResponse, kHeader, 104},
    {"B11a", "connect() failed (32: Broken pipe)", kConnecting,
     kResetBeforeResponse, kHeader, 32},
    {"B11b",
     "connect() failed (111: Connection refused)",
     {.connected = true, .status = 502, .rc = 502},
     kConnectionRefused,
     kConnect,
     111},
    {"B11b", "connect() failed (104: Connection reset by peer)", kReusedUnsent,
     kKeepaliveRace, kSend, 104},
    {"B11b", "connect() failed (104: Connection reset by peer)", kTlsReady,
     kClosedBeforeResponse, kHeader, 104},
    {"B11c", "connect() failed (111: Connection refused)", kTlsConnecting,
     kConnectionRefused, kConnect, 111},
    {"B11c", "connect() failed (104: Connection reset by peer)", kTlsConnecting,
     kTlsClosed, kTls, 104},
    {"B12", "kevent() reported that connect() failed (111: Connection refused)",
     kConnecting, kConnectionRefused, kConnect, 111},
    {"B14", "malloc(4096) failed (12: Cannot allocate memory)", kLocal,
     kInternalError, kConnect, 12},
    {"B14", "posix_memalign(16, 4096) failed (12: Cannot allocate memory)",
     kLocal, kInternalError, kConnect, 12},

    // TLS.
    {"C1", "SSL_new() failed (SSL: error:00000000:lib(0)::reason(0))",
     kTlsLocal, kInternalError, kTls},
    {"C2",
     "SSL_set_tlsext_host_name(\"x\") failed (SSL: error:0A0000E1:SSL "
     "routines::ssl3 ext invalid servername)",
     kTlsLocal, kInternalError, kTls},
    {"C3",
     "cannot load certificate \"/x\": BIO_new_file() failed (SSL: "
     "error:80000002:system library::No such file or directory)",
     kTlsLocal, kInternalError, kTls},
    {"C4", "SSL_set_alpn_protos() failed", kTlsLocal, kInternalError, kTls},
    {"C5", "setsockopt(TCP_NODELAY) failed (22: Invalid argument)", kTlsLocal,
     kInternalError, kTls, 22},
    {"C6", "peer closed connection in SSL handshake", kHandshaking, kTlsClosed,
     kTls},
    {"C6",
     "peer closed connection in SSL handshake (104: Connection reset by peer)",
     kHandshaking, kTlsClosed, kTls, 104},
    {"C7a",
     "SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 "
     "alert handshake failure:SSL alert number 40)",
     kHandshaking, kTlsProtocolError, kTls},
    {"C7a",
     "SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 "
     "unrecognized name:SSL alert number 112)",
     kHandshaking, kTlsProtocolError, kTls},
    {"C7b",
     "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong "
     "version number)",
     kHandshaking, kTlsProtocolError, kTls},
    {"C7c",
     "SSL_do_handshake() failed (SSL: error:0A00018F:SSL routines::ee "
     "key too small)",
     kHandshaking, kTlsCertificateInvalid, kTls},
    {"C7c",
     "SSL_do_handshake() failed (SSL: error:0A00018E:SSL routines::ca md "
     "too weak)",
     kHandshaking, kTlsCertificateInvalid, kTls},
    {"C7c",
     "SSL_do_handshake() failed (SSL: error:0A00018A:SSL routines::dh "
     "key too small)",
     kHandshaking, kTlsProtocolError, kTls},
    {"C8",
     "upstream SSL certificate verify error: (20:unable to get local "
     "issuer certificate)",
     kHandshaking, kTlsCertificateInvalid, kTls},
    {"C9", "upstream SSL certificate does not match \"evil.test\"",
     kHandshaking, kTlsCertificateInvalid, kTls},
    {"C11", "epoll_ctl(3, 9) failed (9: Bad file descriptor)", kHandshaking,
     kInternalError, kTls, 9},
    {"C12", "upstream prematurely sent response", kTlsConnecting,
     kTlsProtocolError, kTls},
    {"C13", "upstream prematurely closed connection", kTlsConnecting,
     kTlsClosed, kTls},

    // Sending.
    {"D1", "writev() failed (104: Connection reset by peer)", kSent, kSendReset,
     kSend, 104},
    {"D1", "writev() failed (32: Broken pipe)", kReused, kKeepaliveRace, kSend,
     32},
    {"D1", "writev() failed (12: Cannot allocate memory)", kSent,
     kInternalError, kSend, 12},
    {"D2", "sendfile() failed (32: Broken pipe)", kSent, kSendReset, kSend, 32},
    {"D2", "sendfile() failed (5: Input/output error)", kSent, kInternalError,
     kSend, 5},
    {"D3", "sendfile() reported that \"/tmp/x (104: y)\" was truncated at 9",
     kSent, kInternalError, kSend},
    {"D4", "setsockopt(TCP_CORK) failed (22: Invalid argument)", kSent,
     kInternalError, kSend, 22},
    {"D5", "SSL_write() failed (32: Broken pipe)", kTlsSent, kSendReset, kSend,
     32},
    {"D5",
     "SSL_write() failed (SSL: error:0A000126:SSL routines::unexpected "
     "eof while reading)",
     kTlsSent, kSendReset, kSend},
    {"D5",
     "SSL_write() failed (SSL: error:0A000413:SSL routines::sslv3 alert "
     "unsupported certificate:SSL alert number 43)",
     kTlsSent, kTlsProtocolError, kTls},
    {"D6", "SSL_sendfile() failed (104: Connection reset by peer)", kTlsSent,
     kSendReset, kSend, 104},
    {"D6", "SSL_sendfile() reported that \"/x\" was truncated at 9", kTlsSent,
     kInternalError, kSend},
    {"D6", "SSL_sendfile() not available", kTlsSent, kInternalError, kSend},
    {"D7", "setsockopt(TCP_NODELAY) failed (22: Invalid argument)", kSent,
     kInternalError, kSend, 22},
    {"D8", "pread() \"/tmp/body\" failed (5: Input/output error)", kTlsSent,
     kInternalError, kSend, 5},
    {"D8", "pread() read only 5 of 9 from \"/tmp/body\"", kTlsSent,
     kInternalError, kSend},
    {"D8", "fcntl(O_DIRECT) \"/x\" failed (22: Invalid argument)", kTlsSent,
     kInternalError, kSend, 22},
    {"D9", "negative size buf in output t:0 r:0 f:0 0:0-0 0 0-0", kSent,
     kInternalError, kSend},
    {"D9", "bad buf in output chain t:0 r:0 f:0 0:0-0 0 0-0", kSent,
     kInternalError, kSend},
    {"D9", "zero size buf in chain writer t:0 r:0 f:0 0:0-0 0 0-0", kSent,
     kInternalError, kSend},
    {"D9", "file buf in writev t:0 r:0 f:1 0:0-0 0 0-0", kSent, kInternalError,
     kSend},
    {"D11", "no connection data found for keepalive http2 connection", kReused,
     kInternalError, kSend},
    {"D13", "setsockopt(!TCP_CORK) failed (22: Invalid argument)", kSentLocal,
     kInternalError, kSend, 22},
    {"D15", "writev() failed (32: Broken pipe)", kInBody, kBodyIncomplete,
     kBody, 32},
    {"D17", "send() failed (32: Broken pipe)", kBodyAborted, kBodyIncomplete,
     kBody, 32},

    // Reading the header.
    {"E1", "recv() failed (104: Connection reset by peer)", kSent,
     kResetBeforeResponse, kHeader, 104},
    {"E1", "recv() failed (104: Connection reset by peer)", kInHeader,
     kHeaderIncomplete, kHeader, 104},
    {"E1", "recv() failed (104: Connection reset by peer)", kReused,
     kKeepaliveRace, kHeader, 104},
    {"E2", "ioctl(FIONREAD) failed (9: Bad file descriptor)", kSent,
     kInternalError, kHeader, 9},
    {"E3", "kevent() reported about an closed connection (54: Unknown error)",
     kSent, kClosedBeforeResponse, kHeader, 54},
    {"E4",
     "SSL_read() failed (SSL: error:0A00045C:SSL routines::tlsv13 alert "
     "certificate required:SSL alert number 116)",
     kTlsSent, kTlsProtocolError, kTls},
    {"E4",
     "SSL_read() failed (SSL: error:1C800066:Provider routines::cipher "
     "operation failed error:0A000119:SSL routines::decryption failed or "
     "bad record mac)",
     kTlsSent, kTlsProtocolError, kTls},
    {"E4",
     "SSL_read() failed (SSL: error:0A000126:SSL routines::unexpected eof "
     "while reading)",
     kTlsSent, kClosedBeforeResponse, kHeader},
    {"E5", "upstream prematurely closed connection", kSent,
     kClosedBeforeResponse, kHeader},
    {"E5", "upstream prematurely closed connection", kConnecting,
     kClosedBeforeResponse, kHeader},
    {"E5", "upstream prematurely closed connection", kTlsSent,
     kClosedBeforeResponse, kHeader},
    {"E5b", "upstream prematurely closed connection", kReused, kKeepaliveRace,
     kHeader},
    {"E5b", "upstream prematurely closed connection", kReusedUnsent,
     kKeepaliveRace, kSend},
    {"E5c", "upstream prematurely closed connection", kInHeader,
     kHeaderIncomplete, kHeader},
    {"E7", "upstream sent too big header", kInHeader, kHeaderTooBig, kHeader},
    {"E9", "epoll_ctl(3, 9) failed (9: Bad file descriptor)", kSentLocal,
     kInternalError, kHeader, 9},
    {"E11", "upstream sent HTTP/1.0 response with early hints", kInHeader,
     kHeaderInvalid, kHeader},
    {"E12", "upstream sent invalid header: \"Bad\\x20...\"", kInHeader,
     kHeaderInvalid, kHeader},
    {"E13",
     "upstream sent duplicate header line: \"Content-Length: 2\", "
     "previous value: \"Content-Length: 1\"",
     kInHeader, kHeaderInvalid, kHeader},
    {"E14",
     "upstream sent \"Content-Length\" and \"Transfer-Encoding\" "
     "headers at the same time",
     kInHeader, kHeaderInvalid, kHeader},
    {"E15",
     "upstream sent invalid \"Content-Length\" header: "
     "\"Content-Length: -2\"",
     kInHeader, kHeaderInvalid, kHeader},
    {"E18", "upstream sent unknown \"Transfer-Encoding\": \"gzip, chunked\"",
     kInHeader, kHeaderInvalid, kHeader},

    // FastCGI, uwsgi, SCGI, memcached.
    {"F1", "upstream sent unexpected FastCGI record: 3", kFastcgiHeader,
     kProtocolError, kHeader},
    {"F2", "upstream prematurely closed FastCGI stdout", kFastcgiHeader,
     kProtocolError, kHeader},
    {"F3", "FastCGI sent in stderr: \"PHP Fatal error (104: x)\"",
     kFastcgiHeader, kErrorStatus, kHeader},
    {"F4", "upstream sent invalid status \"abc\"", kFastcgiHeader,
     kHeaderInvalid, kHeader},
    {"F5", "upstream sent invalid header: \"Bad Header\\x0d...\"",
     kFastcgiHeader, kHeaderInvalid, kHeader},
    {"F6", "upstream sent unsupported FastCGI protocol version: 72",
     kFastcgiHeader, kProtocolError, kHeader},
    {"F7", "upstream sent invalid FastCGI record type: 99", kFastcgiHeader,
     kProtocolError, kHeader},
    {"F8", "upstream sent unexpected FastCGI request id high byte: 1",
     kFastcgiHeader, kProtocolError, kHeader},
    {"F9", "upstream sent unexpected FastCGI request id low byte: 2",
     kFastcgiHeader, kProtocolError, kHeader},
    {"F10", "invalid header after joining FastCGI records", kSentLocal,
     kInternalError, kHeader},
    {"F11", "upstream sent invalid status \"xx\"", kInHeader, kHeaderInvalid,
     kHeader},
    {"F14",
     "memcached sent invalid key in response \"VALUE o 0 2\" for key "
     "\"k\"",
     kInHeader, kProtocolError, kHeader},
    {"F15",
     "memcached sent invalid flags in response \"VALUE k x 2\" for key "
     "\"k\"",
     kInHeader, kProtocolError, kHeader},
    {"F16",
     "memcached sent invalid length in response \"VALUE k 0 x\" for "
     "key \"k\"",
     kInHeader, kProtocolError, kHeader},
    {"F17", "memcached sent invalid response: \"ERROR\"", kInHeader,
     kProtocolError, kHeader},

    // The body.
    {"I1", "upstream prematurely closed connection", kInBody, kBodyIncomplete,
     kBody},
    {"I3", "readv() failed (104: Connection reset by peer)", kInBody,
     kBodyIncomplete, kBody, 104},
    {"I4", "recv() failed (104: Connection reset by peer)", kInBody,
     kBodyIncomplete, kBody, 104},
    {"I5", "ioctl(FIONREAD) failed (9: Bad file descriptor)", kInBody,
     kInternalError, kBody, 9},
    {"I6",
     "kevent() reported that upstream closed connection (54: Unknown "
     "error)",
     kInBody, kBodyIncomplete, kBody, 54},
    {"I7",
     "SSL_read() failed (SSL: error:0A000119:SSL routines::decryption "
     "failed or bad record mac)",
     kInBody, kBodyIncomplete, kBody},
    {"I11", "upstream sent invalid chunked response", kBodyAborted,
     kBodyIncomplete, kBody},
    {"I11",
     "upstream sent invalid chunked response",
     {.request_sent = true, .status = 200, .rc = -1},
     kBodyIncomplete,
     kBody},
    {"I12", "upstream sent too big trailers", kBodyAborted, kBodyIncomplete,
     kBody},
    {"I12", "upstream sent invalid trailer: \"x\\x00...\"", kBodyAborted,
     kBodyIncomplete, kBody},
    {"I13", "upstream prematurely closed FastCGI stdout", kInBody,
     kBodyIncomplete, kBody},
    {"I14", "upstream prematurely closed FastCGI request", kInBody,
     kBodyIncomplete, kBody},
    {"I16", "upstream sent unsupported FastCGI protocol version: 72",
     kBodyAborted, kProtocolError, kBody},
    {"I20", "header already sent", kBodyAborted, kInternalError, kBody},
    {"I21", "pwritev() \"/tmp/proxy/1\" failed (28: No space left on device)",
     kBodyAborted, kInternalError, kBody, 28},
    {"I21", "pwritev() \"/tmp/proxy/1\" has written only 4096 of 8192",
     kBodyAborted, kInternalError, kBody},
    {"I21", "open() \"/tmp/proxy/1\" failed (13: Permission denied)",
     kBodyAborted, kInternalError, kBody, 13},
    {"I22", "malloc(4096) failed (12: Cannot allocate memory)", kBodyAborted,
     kInternalError, kBody, 12},
    {"I23", "connection upgrade in subrequest", kBodyAborted, kInternalError,
     kBody},
    {"I29", "thread pool \"x\" not found", kBodyAborted, kInternalError, kBody},
};

TEST(AttemptSitesTest, EverySiteHasItsCause) {
  for (const Site& site : kSites) {
    Attempt attempt = site.state;
    attempt.message = site.message;
    attempt.has_line = true;
    const Verdict verdict = Classify(attempt);
    SCOPED_TRACE(absl::StrCat(site.id, ": ", site.message));
    EXPECT_TRUE(verdict.failed);
    EXPECT_EQ(CauseName(verdict.cause), CauseName(site.cause));
    EXPECT_EQ(PhaseName(verdict.phase), PhaseName(site.phase));
    EXPECT_EQ(verdict.errno_number, site.errno_number);
    EXPECT_EQ(verdict.errno_class, ClassifyErrno(site.errno_number));
    // Two lines are worth what the attempt's end makes of them.
    if (site.id != "F3" && !absl::StartsWith(site.message, "open()")) {
      EXPECT_EQ(RecognizeLine(site.message), Line::kFailure);
    }
  }
}

// A cause that a table of the documentation names has the phase it names.
TEST(AttemptSitesTest, PhasesAreThoseOfTheTableOfCauses) {
  for (const Site& site : kSites) {
    EXPECT_TRUE(
        absl::StrContains(Info(site.cause).phases, PhaseName(site.phase)))
        << site.id;
  }
}

}  // namespace
}  // namespace upstream_502
