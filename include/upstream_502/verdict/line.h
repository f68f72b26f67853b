// The error lines of nginx's upstream code: which text means what. Only the
// line itself counts here; what it means for an attempt is classify.h's to say.
//
//   Line line = RecognizeLine("connect() failed (111: Connection refused)");
//   line.says == Says::kConnectFailed && line.errno_number == 111

#ifndef UPSTREAM_502_VERDICT_LINE_H_
#define UPSTREAM_502_VERDICT_LINE_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "upstream_502/words/cause.h"
#include "upstream_502/words/errno.h"

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
  kFraming,        // FastCGI records, HTTP/2 frames, memcached lines
  kStreamClosed,   // HTTP/2 stream ended early
  kBrokenOff,      // HTTP/2 stream or connection given up by the peer
  kBodyEnded,      // FastCGI's end, early
  kBadChunk,       // chunks and trailers of HTTP/1: always body
  kNotHttp,        // no HTTP response, which nginx passes on as HTTP/0.9
  kSliceStatus,    // a slice with a status of its own
  kSliceMisfit,    // a slice with another range or ETag than it should have
  kSliceMissing,   // what came in the place of a slice is none
  kBadCoding,      // what a filter has to decode cannot be
  kTooMuchToKeep,  // more than nginx keeps of a subrequest's response
  kAuthStatus,     // of a subrequest, which auth_request cannot use
  kOpenFailed,     // a temporary file, or a page that merely is not there
  kTrouble,        // nginx could not go on
  kConfig,         // nginx could not go on, for what was configured
};

// What one line says.
struct Line {
  Says says = Says::kNothing;
  std::optional<Phase> phase = std::nullopt;  // where the line itself tells
  ErrnoClass errno_class = ErrnoClass::kNone;
  int errno_number = 0;  // what nginx ended it with; 0: nothing
  uint8_t usual = 0;     // its number, see usual.h; 0: it has none
};

// `message` is nginx's own text, without time, pid, client and the `while …`
// behind. Text from outside that nginx quotes in it is never read as an errno.
Line RecognizeLine(absl::string_view message);

// Whether the line tells that an attempt failed. Others are logged at error
// level without being a failure, or are not known.
inline bool TellsFailure(const Line& line) {
  return line.says != Says::kNothing && line.says != Says::kHarmless &&
         line.says != Says::kOpenFailed;
}

// Whether the line is a filter's, or such, about a response: no run of an
// upstream begins with it, and it may come when the run is over.
inline bool IsOfResponse(const Line& line) {
  return line.says == Says::kNotHttp || line.says == Says::kSliceStatus ||
         line.says == Says::kSliceMisfit || line.says == Says::kSliceMissing ||
         line.says == Says::kBadCoding || line.says == Says::kTooMuchToKeep;
}

// Whether the errno of the line is about the connection and not about this
// machine.
bool IsOfConnection(const Line& line);

// Whether these errors of OpenSSL are its own objections to the peer's
// certificate. An alert is the peer's objection, possibly to ours.
bool BlamesCertificate(absl::string_view ssl_message);

// The N of "auth request unexpected status: N"; -1: no such line.
int AuthStatus(absl::string_view message);

// The code of "NAME could not be resolved (3: Host not found)"; 0: no such
// line.
int ResolverCode(absl::string_view message);

// Whether the line is "no resolver defined to resolve NAME".
bool MissesResolver(absl::string_view message);

// The N of OpenSSL's "SSL alert number N"; -1: none.
int AlertNumber(absl::string_view message);

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_LINE_H_
