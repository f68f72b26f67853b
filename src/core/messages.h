// The error lines of nginx's upstream code: which text means what. Only the
// line itself counts here; what it means for an attempt is attempt.cc's to
// say.

#ifndef UPSTREAM_502_CORE_MESSAGES_H_
#define UPSTREAM_502_CORE_MESSAGES_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "upstream_502/cause.h"

namespace upstream_502 {

// What a line of nginx's error log says, as far as the line alone can.
enum class Says : uint8_t {
  kNothing,        // not known, or known and no failure by itself
  kHarmless,       // logged at error level, yet nothing failed
  kUnresolved,     // no name, no address
  kNoLive,         // no peer to choose
  kExhausted,      // no file, no connection left here
  kConnectFailed,  // with the errno of connect()
  kTimedOut,       // which timeout only the state of the attempt tells
  kTlsClosed,      // closed inside the handshake
  kTlsFailed,      // OpenSSL's errors follow
  kCertificate,    // the certificate was rejected
  kPlainText,      // bytes before the handshake
  kClosed,         // EOF
  kReadFailed,     // with the errno of recv()
  kTlsReadFailed,  // OpenSSL's errors follow
  kWriteFailed,    // with the errno of send(), or OpenSSL's errors
  kTooBigHeader,
  kInvalidHeader,
  kFraming,       // FastCGI records, HTTP/2 frames, memcached lines
  kStreamClosed,  // HTTP/2 stream ended early
  kBrokenOff,     // HTTP/2 stream or connection given up by the peer
  kBodyEnded,     // FastCGI's end, early
  kBadChunk,      // chunks and trailers of HTTP/1: always body
  kOpenFailed,    // a temporary file, or a page that merely is not there
  kTrouble,       // nginx could not go on
  kConfig,        // nginx could not go on, for what was configured
};

// A line that starts with `prefix` and ends, but for the errno, with `suffix`.
struct LinePattern {
  absl::string_view prefix;
  Says says;
  bool has_errno = false;  // nginx ends the line with " (N: text)"
  std::optional<Phase> phase = std::nullopt;  // where the line itself tells
  absl::string_view suffix = "";
};

// The number of `message`'s pattern, from 1; that of one that says kNothing
// where it is not known.
uint8_t FindPattern(absl::string_view message);
const LinePattern& PatternAt(uint8_t number);

// The N of a line that ends with " (N: text)"; 0 where it does not. Text from
// outside may end so too: only for lines that are known to end with an errno.
int NumberAtEnd(absl::string_view message);

// The code of "NAME could not be resolved (3: Host not found)"; 0: no such
// line.
int ResolverCode(absl::string_view message);

// Whether the line is "no resolver defined to resolve NAME".
bool MissesResolver(absl::string_view message);

// The N of OpenSSL's "SSL alert number N"; -1: none.
int AlertNumber(absl::string_view message);

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_MESSAGES_H_
