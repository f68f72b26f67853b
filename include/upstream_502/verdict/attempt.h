// What is known about one attempt at the moment it is accounted: read once
// out of nginx's structs, plain values from then on.

#ifndef UPSTREAM_502_VERDICT_ATTEMPT_H_
#define UPSTREAM_502_VERDICT_ATTEMPT_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/line.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

// Which of the connection's timers had run out when nginx logged the line.
enum class Timer : uint8_t { kNone, kRead, kWrite };

// How nginx ended the attempt.
enum class Ending : uint8_t {
  kRetried,    // the next attempt of the same run followed
  kFinal,      // the last attempt of its run
  kNoAttempt,  // nginx gave up before it could try (resolver, DNS)
};

// The facts `Classify` decides on. "At the line" means: when nginx wrote the
// error line that was captured, before it tore the attempt down.
struct Attempt {
  // nginx's own text, without time, pid, client and the `while …` suffix;
  // empty where nothing was logged. An errno is still in it, as nginx
  // wrote it: "recv() failed (104: Connection reset by peer)".
  absl::string_view message = "";
  std::optional<Line> line = std::nullopt;  // what it was recognized as

  Protocol protocol = Protocol::kUnknown;
  Ending ending = Ending::kFinal;
  Timer timer = Timer::kNone;

  bool peer_named = false;      // a server was chosen
  bool unix_socket = false;     // … and is a unix socket
  bool tls = false;             // the upstream is spoken to over TLS
  bool tls_started = false;     // the handshake had begun at the line
  bool tls_handshaked = false;  // the handshake was complete at the line
  bool reused = false;          // the connection came from the keepalive cache
  bool connected = false;       // TCP (and TLS) were through: connect_time set
  bool request_sent = false;    // nginx had begun to send (u->request_sent)
  bool sending = false;         // … and had not sent all of it at the line
  bool header_done = false;     // the whole response header had been read
  bool upgraded = false;        // a 101 had been passed on
  bool not_http = false;        // passed on as HTTP/0.9, which nobody asked for

  uint16_t status = 0;           // what nginx noted for the attempt; 0: unset
  uint16_t received_status = 0;  // what the upstream said; 0: nothing
  uint64_t bytes_received = 0;   // response bytes at the line; see also
                                 // Http2ResponseBytes

  // The status the run ended with (nginx's rc: 502, 504, 500, 499, 0, -1 for
  // NGX_ERROR, -4 for NGX_DONE where the request was torn down around it). Only
  // meaningful where `ending` is not kRetried.
  int rc = 0;
};

// How many of these bytes, the HTTP/2 frames a server has sent, are of its
// response: from its first HEADERS frame on, which frames about the connection
// (SETTINGS, PING, GOAWAY) are not.
uint64_t Http2ResponseBytes(absl::string_view frames);

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_ATTEMPT_H_
