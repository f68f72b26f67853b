// What is known about one attempt at the moment it is accounted: read once
// out of nginx's structs, plain values from then on.

#ifndef UPSTREAM_502_ATTEMPT_H_
#define UPSTREAM_502_ATTEMPT_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "upstream_502/cause.h"

namespace upstream_502 {

// Which of the connection's timers had run out when nginx logged the line.
enum class Timer : uint8_t { kNone, kRead, kWrite };

// How nginx ended the attempt.
enum class Ending : uint8_t {
  kRetried,    // the next attempt of the same run followed
  kFinal,      // the last attempt of its run
  kNoAttempt,  // nginx gave up before it could try (resolver, DNS)
};

// What an error line is worth.
enum class Line : uint8_t {
  kFailure,  // names the cause of a failed attempt
  kNoise,    // logged at error level without being a failure
  kOther,    // not known: kept as the message if the attempt fails
};

// What RecognizeLine has made of a line.
struct RecognizedLine {
  Line worth = Line::kOther;
  uint8_t pattern = 0;  // which line it is; 0: not asked
  uint8_t usual = 0;    // what a Classifier keeps it as; 0: it does not
  ErrnoClass errno_class = ErrnoClass::kNone;
  int errno_number = 0;  // what nginx ended it with; 0: nothing
  uint32_t text = 0;     // a Classifier's number of it; 0: no text
};

// The facts `Classify` decides on. "At the line" means: when nginx wrote the
// error line that was captured, before it tore the attempt down.
struct Attempt {
  // nginx's own text, without time, pid, client and the `while …` suffix;
  // empty where nothing was logged. An errno is still in it, as nginx
  // wrote it: "recv() failed (104: Connection reset by peer)".
  absl::string_view message = "";
  RecognizedLine line = {};  // what it was recognized as, if it was

  Protocol protocol = Protocol::kUnknown;
  Ending ending = Ending::kFinal;
  Timer timer = Timer::kNone;

  bool has_line = false;        // a line was captured for this attempt
  bool unix_socket = false;     // the peer is a unix socket
  bool tls = false;             // the upstream is spoken to over TLS
  bool tls_started = false;     // the handshake had begun at the line
  bool tls_handshaked = false;  // the handshake was complete at the line
  bool reused = false;          // the connection came from the keepalive cache
  bool connected = false;       // TCP (and TLS) were through: connect_time set
  bool request_sent = false;    // nginx had begun to send (u->request_sent)
  bool sending = false;         // … and had not sent all of it at the line
  bool header_done = false;     // the whole response header had been read
  bool upgraded = false;        // a 101 had been passed on

  uint16_t status = 0;           // what nginx noted for the attempt; 0: unset
  uint16_t received_status = 0;  // what the upstream said; 0: nothing
  uint64_t bytes_received = 0;   // response bytes at the line; see also
                                 // Http2ResponseBytes

  // The status the run ended with (nginx's rc: 502, 504, 500, 499, 0, -1 for
  // NGX_ERROR). Only meaningful where `ending` is not kRetried.
  int rc = 0;
};

// Whether `message` (as in Attempt) tells a failure of an upstream attempt.
// Cheap: compares prefixes only.
RecognizedLine RecognizeLine(absl::string_view message);

// The errno in nginx's " (111: Connection refused)" at the end of `message`,
// or 0. Only for messages that nginx ends that way; quoted text from the
// upstream is never read as an errno.
int ParseErrno(absl::string_view message);

struct Verdict {
  bool failed = false;  // false: not a failed attempt, the rest is unset
  Cause cause = Cause::kUnknown;
  Phase phase = Phase::kHeader;
  ErrnoClass errno_class = ErrnoClass::kNone;
  int errno_number = 0;    // 0: none
  int16_t tls_alert = -1;  // the alert the upstream sent; -1: none
  int16_t dns_rcode = -1;  // the resolver's answer; -1: none
};

// How many of these bytes, the HTTP/2 frames a server has sent, are of its
// response: from its first HEADERS frame on, which frames about the connection
// (SETTINGS, PING, GOAWAY) are not.
uint64_t Http2ResponseBytes(absl::string_view frames);

// Decides whether `attempt` failed and why. A pure function; every failure
// of nginx's upstream code gets a cause, kUnknown only where nothing fits.
Verdict Classify(const Attempt& attempt);

// The `error` of a Proxy-Status member (RFC 9209) for a failure: that of the
// table of causes, or a nearer one where `message` or the kind of peer allows
// it. "" where there is none.
absl::string_view Rfc9209Error(Cause cause, absl::string_view message,
                               bool unix_socket);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ATTEMPT_H_
