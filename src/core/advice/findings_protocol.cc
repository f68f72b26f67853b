// Findings about what a port speaks, and HTTP/2's error codes.

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "findings_case.h"
#include "upstream_502/advice/http2_error.h"
#include "upstream_502/verdict/line.h"
#include "upstream_502/verdict/speaks.h"

namespace upstream_502 {
namespace {

// Whether nginx spoke HTTP/2: grpc_pass, and proxy_pass where it is told to.
bool SpokeHttp2(const FindingCase& c) {
  return absl::StrContains(c.text.message, "http2") ||
         absl::StrContains(c.text.message, ":status") ||
         absl::StrContains(c.text.message, " with error ");
}

// Whether it is what nginx was told to speak.
bool IsExpected(const FindingCase& c, Speaks speaks) {
  switch (c.failure.protocol) {
    case Protocol::kHttp:
    case Protocol::kHttps:
      return SpokeHttp2(c) ? speaks == Speaks::kHttp2
                           : speaks == Speaks::kHttp1;
    case Protocol::kFastcgi:
      return speaks == Speaks::kFastcgi;
    case Protocol::kUwsgi:
    case Protocol::kSuwsgi:
    case Protocol::kScgi:
      return speaks == Speaks::kHttp1 || speaks == Speaks::kCgi;
    case Protocol::kGrpc:
    case Protocol::kGrpcs:
      return speaks == Speaks::kHttp2;
    case Protocol::kMemcached:
      return speaks == Speaks::kMemcached;
    case Protocol::kUnknown:
    case Protocol::kTunnel:
      break;
  }
  return true;  // anything may be
}

// The directive for a port that wants TLS; "" where nginx has none.
absl::string_view WithTls(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp:
      return "proxy_pass https://";
    case Protocol::kUwsgi:
      return "uwsgi_pass suwsgi://";
    case Protocol::kGrpc:
      return "grpc_pass grpcs://";
    case Protocol::kUnknown:
    case Protocol::kHttps:
    case Protocol::kFastcgi:
    case Protocol::kSuwsgi:
    case Protocol::kScgi:
    case Protocol::kGrpcs:
    case Protocol::kMemcached:
    case Protocol::kTunnel:
      break;
  }
  return "";
}

// And for one that does not.
absl::string_view WithoutTls(Protocol protocol) {
  return protocol == Protocol::kGrpcs    ? "grpc_pass grpc://"
         : protocol == Protocol::kSuwsgi ? "uwsgi_pass uwsgi://"
                                         : "proxy_pass http://";
}

// `tls`: it is spoken inside of TLS.
absl::string_view Fits(Speaks speaks, Protocol protocol, bool tls) {
  switch (speaks) {
    case Speaks::kTls:
      return WithTls(protocol);
    case Speaks::kHttp1:
      return tls ? "proxy_pass https://" : "proxy_pass http://";
    case Speaks::kHttp2:
      return tls ? "grpc_pass grpcs://" : "grpc_pass grpc://";
    case Speaks::kFastcgi:
      return "fastcgi_pass";
    case Speaks::kCgi:
      return "scgi_pass";
    case Speaks::kMemcached:
      return "memcached_pass";
    default:
      return "";
  }
}

// What nginx's line quotes of the answer, or took for a frame's length.
Speaks SpeaksInMessage(absl::string_view message) {
  uint32_t length = 0;
  if (absl::ConsumePrefix(&message, "upstream sent too large http2 frame: ")) {
    return absl::SimpleAtoi(message, &length) ? SpeaksOfFrameLength(length)
                                              : Speaks::kUnknown;
  }
  if (absl::ConsumePrefix(&message, "memcached sent invalid response: \"")) {
    return SpeaksOf(message);
  }
  return Speaks::kUnknown;
}

void SaySpeaks(const FindingCase& c, Speaks speaks) {
  // Only a handshake is told of that was none.
  const bool tls = c.IsTls() && c.failure.cause != Cause::kTlsProtocolError;
  const absl::string_view fits = Fits(speaks, c.failure.protocol, tls);
  c.Say(Finding::kWrongProtocol, c.Peer(), " speaks ", SpeaksName(speaks),
        c.IsTls() && !tls ? ", not TLS" : "",
        fits.empty() ? absl::StrCat(", which ", c.Directive("_pass"),
                                    " does not: check the port")
                     : absl::StrCat(": ", fits, " fits it"));
}

// One byte tells what it is not, unless records were right before it.
void FindNotFastcgi(const FindingCase& c) {
  constexpr uint32_t kLetterH = 'H';
  absl::string_view message = c.text.message;
  uint32_t byte = 0;
  if (c.evidence.speaks != Speaks::kFastcgi &&
      absl::ConsumePrefix(
          &message, "upstream sent unsupported FastCGI protocol version: ") &&
      absl::SimpleAtoi(message, &byte) &&
      (c.evidence.asked != 0 || byte == kLetterH)) {
    c.Say(Finding::kWrongProtocol, c.Peer(),
          " does not speak FastCGI, its answer begins with byte ", byte,
          byte == kLetterH ? " (H, as HTTP does): an HTTP server needs "
                             "proxy_pass http://"
                           : "");
  }
}

// OpenSSL looks at the record's version before all else; and no server of TLS
// is the first to speak.
void FindNotTls(const FindingCase& c) {
  const absl::string_view message = c.text.message;
  const bool version = absl::StartsWith(message, "SSL_do_handshake() failed") &&
                       absl::StrContains(message, ":wrong version number") &&
                       AlertNumber(message) < 0;
  if (!version &&
      !absl::StartsWith(message, "upstream prematurely sent response")) {
    return;
  }
  const Speaks speaks = c.evidence.speaks;
  if (speaks != Speaks::kTls && !SpeaksName(speaks).empty()) {
    SaySpeaks(c, speaks);
    return;
  }
  c.Say(Finding::kWrongProtocol, c.Peer(), " does not speak TLS",
        version ? ", plain text came: "
                : ", it sent plain text before the handshake: ",
        WithoutTls(c.failure.protocol), " fits what nginx was told to speak");
}

}  // namespace

void FindProtocol(const FindingCase& c) {
  // Whose header could be read speaks the protocol, whatever came after it.
  if (c.failure.phase == Phase::kBody && c.failure.received_status != 0) {
    return;
  }
  FindNotTls(c);
  FindNotFastcgi(c);
  // After a handshake it is what was inside of TLS.
  if (c.Has(Finding::kWrongProtocol) ||
      c.failure.cause == Cause::kTlsProtocolError) {
    return;
  }
  Speaks speaks = SpeaksInMessage(c.text.message);
  if (SpeaksName(speaks).empty()) {
    speaks = c.evidence.speaks;
  }
  const bool tls_in_tls = speaks == Speaks::kTls && c.IsTls();
  if (!SpeaksName(speaks).empty() && !tls_in_tls && !IsExpected(c, speaks)) {
    SaySpeaks(c, speaks);
  }
}

void FindH2Error(const FindingCase& c) {
  const Http2Error error = Http2ErrorOf(c.text.message);
  if (!error.name.empty()) {
    c.Say(Finding::kH2Error, c.Peer(),
          error.of_stream ? " ended the stream with "
                          : " ended the connection with ",
          error.name, " (", error.code, "): ", error.means);
  }
}

}  // namespace upstream_502
