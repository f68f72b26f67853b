// The rules that decide whether an attempt failed, and why.

#include "upstream_502/verdict/classify.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "upstream_502/verdict/outcome.h"

namespace upstream_502 {
namespace {

using enum Says;

bool TellsEof(absl::string_view ssl_message) {
  return absl::StrContains(ssl_message, "unexpected eof while reading");
}

// The handshake is missing. A reused connection had one.
bool AwaitsTls(const Attempt& a) {
  return a.tls && !a.tls_handshaked && !a.reused;
}

Phase Reached(const Attempt& a) {
  if (a.header_done) {
    return Phase::kBody;
  }
  if (a.bytes_received > 0 || (a.request_sent && !a.sending)) {
    return Phase::kHeader;
  }
  if (a.sending) {
    return Phase::kSend;
  }
  if (AwaitsTls(a)) {
    return a.tls_started ? Phase::kTls : Phase::kConnect;
  }
  return a.connected || a.reused || a.tls_handshaked ? Phase::kSend
                                                     : Phase::kConnect;
}

// What the rules find.
struct Reason {
  Cause cause;
  Phase phase;
  bool by_line = false;  // the line told it, and so its errno counts
};

Reason Fails(Cause cause, Phase phase) {
  return {.cause = cause, .phase = phase};
}

Reason ResolveFailed(const Attempt& a) {
  const int code = ResolverCode(a.message);
  if (code == ETIMEDOUT) {
    return Fails(Cause::kDnsTimeout, Phase::kResolve);
  }
  if (code != 0) {
    return Fails(Cause::kDnsError, Phase::kResolve);
  }
  if (MissesResolver(a.message)) {
    return Fails(Cause::kResolverMissing, Phase::kResolve);
  }
  return Fails(a.rc == 500 ? Cause::kInternalError : Cause::kUnknown,
               Phase::kResolve);
}

Reason ConnectFailed(const Attempt& a, ErrnoClass errno_class) {
  switch (errno_class) {
    case ErrnoClass::kRefused:
      return Fails(Cause::kConnectionRefused, Phase::kConnect);
    case ErrnoClass::kTimedOut:
      return Fails(Cause::kConnectionTimeout, Phase::kConnect);
    case ErrnoClass::kUnreachable:
      return Fails(Cause::kConnectionUnreachable, Phase::kConnect);
    case ErrnoClass::kNotFound:
      return Fails(Cause::kSocketMissing, Phase::kConnect);
    case ErrnoClass::kPermission:
      return Fails(Cause::kPermissionDenied, Phase::kConnect);
    case ErrnoClass::kBacklog:
      // For TCP, EAGAIN says that this machine has no free local port.
      return Fails(a.unix_socket ? Cause::kBacklogFull : Cause::kLocalExhausted,
                   Phase::kConnect);
    case ErrnoClass::kExhausted:
      return Fails(Cause::kLocalExhausted, Phase::kConnect);
    case ErrnoClass::kNone:
    case ErrnoClass::kReset:
    case ErrnoClass::kBrokenPipe:
    case ErrnoClass::kOther:
      break;
  }
  return Fails(Cause::kConnectionFailed, Phase::kConnect);
}

// nginx asks for a pending error before it sends. The kernel answers a RST
// to a SYN with ECONNREFUSED, so ECONNRESET and EPIPE, like anything on a
// connection that was in use already, mean that the connection had stood.
bool HadConnected(const Attempt& a, ErrnoClass errno_class) {
  return errno_class == ErrnoClass::kReset ||
         errno_class == ErrnoClass::kBrokenPipe || a.tls_handshaked || a.reused;
}

// The connection ended under way: by FIN (`orderly`) or by RST. Whether nginx
// learns of it by reading or by `writing` is chance.
Reason Lost(const Attempt& a, bool writing, bool orderly) {
  if (AwaitsTls(a)) {
    return Fails(Cause::kTlsClosed, Phase::kTls);
  }
  if (a.bytes_received > 0) {
    return Fails(Cause::kHeaderIncomplete, Phase::kHeader);
  }
  const bool sending = writing || a.sending;
  if (a.reused) {
    return Fails(Cause::kKeepaliveRace,
                 sending || !a.request_sent ? Phase::kSend : Phase::kHeader);
  }
  if (sending) {
    return Fails(Cause::kSendReset, Phase::kSend);
  }
  // OpenSSL does not tell a FIN from a RST.
  return Fails(orderly || a.tls ? Cause::kClosedBeforeResponse
                                : Cause::kResetBeforeResponse,
               Phase::kHeader);
}

Reason TimedOut(const Attempt& a) {
  if (a.header_done) {
    return Fails(Cause::kBodyTimeout, Phase::kBody);
  }
  switch (Reached(a)) {
    case Phase::kResolve:
    case Phase::kSelect:
    case Phase::kConnect:
      return Fails(Cause::kConnectionTimeout, Phase::kConnect);
    case Phase::kTls:
      return Fails(Cause::kTlsTimeout, Phase::kTls);
    case Phase::kSend:
      return Fails(Cause::kSendTimeout, Phase::kSend);
    case Phase::kHeader:
    case Phase::kBody:
      break;
  }
  return a.timer == Timer::kWrite ? Fails(Cause::kSendTimeout, Phase::kSend)
                                  : Fails(Cause::kReadTimeout, Phase::kHeader);
}

Reason TlsFailed(const Attempt& a) {
  const bool alert = AlertNumber(a.message) >= 0;
  if (!alert && TellsEof(a.message)) {
    return Fails(Cause::kTlsClosed, Phase::kTls);
  }
  return Fails(!alert && BlamesCertificate(a.message)
                   ? Cause::kTlsCertificateInvalid
                   : Cause::kTlsProtocolError,
               Phase::kTls);
}

Reason Trouble(const Attempt& a, const Line& line) {
  if (a.header_done || !line.phase) {
    return Fails(Cause::kInternalError, Reached(a));
  }
  return Fails(Cause::kInternalError,
               AwaitsTls(a) ? std::min(*line.phase, Phase::kTls) : *line.phase);
}

// Reading or writing failed, and OpenSSL may have said why.
Reason ExchangeFailed(const Attempt& a, const Line& line) {
  const bool sending = line.says == kWriteFailed;
  const bool ssl = absl::StrContains(a.message, "(SSL:");
  if (ssl && TellsEof(a.message)) {
    return Lost(a, sending, true);
  }
  if (ssl && (line.errno_number == 0 || AlertNumber(a.message) >= 0)) {
    return Fails(Cause::kTlsProtocolError, Phase::kTls);
  }
  if (sending && !IsOfConnection(line)) {
    return Fails(Cause::kInternalError, Phase::kSend);
  }
  return Lost(a, sending, false);
}

// A line after the response header: the client has it, or a part of it.
Reason BodyFailed(const Line& line) {
  switch (line.says) {
    case kTimedOut:
      return Fails(Cause::kBodyTimeout, Phase::kBody);
    case kFraming:
    case kInvalidHeader:  // a trailer
    case kTooBigHeader:
      return Fails(Cause::kProtocolError, Phase::kBody);
    case kTrouble:
    case kConfig:
    case kOpenFailed:
    case kExhausted:
    case kTooMuchToKeep:
      return Fails(Cause::kInternalError, Phase::kBody);
    case kWriteFailed:
      return Fails(
          IsOfConnection(line) ? Cause::kBodyIncomplete : Cause::kInternalError,
          Phase::kBody);
    case kNothing:
    case kHarmless:
    case kUnresolved:
    case kNoLive:
    case kConnectFailed:
    case kTlsClosed:
    case kTlsFailed:
    case kCertificate:
    case kPlainText:
    case kClosed:
    case kReadFailed:
    case kTlsReadFailed:
    case kStreamClosed:
    case kBrokenOff:
    case kBodyEnded:
    case kBadChunk:
    case kNotHttp:
    case kSliceStatus:
    case kSliceMisfit:
    case kSliceMissing:
    case kBadCoding:
    case kAuthStatus:
      break;
  }
  return Fails(Cause::kBodyIncomplete, Phase::kBody);
}

// A line about a header that was read well: what is in it is of no use.
bool IsOfHeader(const Line& line) {
  return line.says == kNotHttp || line.says == kSliceStatus ||
         line.says == kSliceMisfit || line.says == kSliceMissing ||
         line.says == kAuthStatus;
}

Reason Exhausted(const Line& line) {
  return Fails(line.errno_class == ErrnoClass::kNone ||
                       line.errno_class == ErrnoClass::kExhausted
                   ? Cause::kLocalExhausted
                   : Cause::kInternalError,
               Phase::kConnect);
}

// A line until there is a header that is of use.
Reason HeaderFailed(const Attempt& a, const Line& line) {
  switch (line.says) {
    case kUnresolved:
      return ResolveFailed(a);
    case kNoLive:
      return Fails(Cause::kNoLiveUpstreams, Phase::kSelect);
    case kExhausted:
      return Exhausted(line);
    case kConnectFailed:
      return HadConnected(a, line.errno_class)
                 ? Lost(a, false, false)
                 : ConnectFailed(a, line.errno_class);
    case kTimedOut:
      return TimedOut(a);
    case kTlsClosed:
      return Fails(Cause::kTlsClosed, Phase::kTls);
    case kTlsFailed:
      return TlsFailed(a);
    case kCertificate:
      return Fails(Cause::kTlsCertificateInvalid, Phase::kTls);
    case kPlainText:
      return Fails(Cause::kTlsProtocolError, Phase::kTls);
    case kClosed:
      return Lost(a, false, true);
    case kReadFailed:
    case kTlsReadFailed:
    case kWriteFailed:
      return ExchangeFailed(a, line);
    case kTooBigHeader:
      return Fails(Cause::kHeaderTooBig, Phase::kHeader);
    case kInvalidHeader:
    case kNotHttp:
    case kSliceMisfit:
      return Fails(Cause::kHeaderInvalid, Phase::kHeader);
    case kSliceStatus:
    case kSliceMissing:
      return Fails(Cause::kErrorStatus, Phase::kHeader);
    case kAuthStatus:
      return Fails(Cause::kInternalError, Phase::kHeader);
    case kStreamClosed:
      return Fails(Cause::kHeaderIncomplete, Phase::kHeader);
    case kFraming:
    case kBrokenOff:
    case kBodyEnded:
      return Fails(Cause::kProtocolError, Phase::kHeader);
    case kTrouble:
    case kConfig:
      return Trouble(a, line);
    case kNothing:
    case kHarmless:
    case kOpenFailed:
    case kBadChunk:
    case kBadCoding:
    case kTooMuchToKeep:
      break;
  }
  return Fails(Cause::kUnknown, Reached(a));
}

Reason LineTells(const Attempt& a, const Line& line) {
  const bool of_body = a.header_done || line.says == kBadChunk;
  return of_body && !IsOfHeader(line) ? BodyFailed(line)
                                      : HeaderFailed(a, line);
}

// The upstream's own word. Nothing is logged then, and what nginx notes for
// the attempt looks like a failure of its own.
bool UpstreamSaidSo(const Attempt& a, bool line_tells) {
  if (IsGatewayStatus(a.received_status) && (a.header_done || !line_tells)) {
    return true;
  }
  if (line_tells) {
    return false;
  }
  // Only http_403 ... http_504 let nginx try again after a whole header; the
  // same where it serves a stale response instead (rc 0).
  if (a.header_done) {
    return a.ending == Ending::kRetried ||
           (a.rc == 0 && IsGatewayStatus(a.status));
  }
  if (a.ending == Ending::kRetried && a.status != 0 &&
      !IsGatewayStatus(a.status)) {
    return true;
  }
  // fastcgi_catch_stderr: its line is the one of harmless output.
  return a.protocol == Protocol::kFastcgi && a.status == 502 &&
         a.bytes_received > 0;
}

// No line, or none that is known.
Reason SilentlyFailed(const Attempt& a) {
  if (a.not_http) {
    return Fails(Cause::kHeaderInvalid, Phase::kHeader);
  }
  const int rc = a.ending == Ending::kFinal ? a.rc : 0;
  if (a.status == 504 || rc == 504) {
    return TimedOut(a);
  }
  if (a.header_done) {
    return Fails(Cause::kBodyIncomplete, Phase::kBody);
  }
  if (rc >= 500 && rc != 502) {
    return Fails(Cause::kInternalError, Reached(a));
  }
  // The one silent 502 of nginx's own: a balancer (of another module) that
  // gave no peer, without calling it "no live upstreams". Angie does not tell
  // at error level why HTTP/3 to a server failed.
  if (!a.peer_named && a.message.empty() && Reached(a) == Phase::kConnect &&
      !a.tls_started) {
    return Fails(Cause::kNoLiveUpstreams, Phase::kSelect);
  }
  return Fails(Cause::kUnknown, Reached(a));
}

// An answer that came to its end, maybe, and yet was of no use.
bool IsUseless(const Attempt& a, const Line& line) {
  return a.ending == Ending::kFinal &&
         (a.not_http || IsOfResponse(line) || line.says == kAuthStatus);
}

bool HasFailed(const Attempt& a, bool line_tells) {
  switch (a.ending) {
    case Ending::kRetried:
      return true;
    case Ending::kNoAttempt:
      return a.rc >= 500;
    case Ending::kFinal:
      break;
  }
  if (a.header_done && IsGatewayStatus(a.received_status)) {
    return true;
  }
  // The second where nobody waits for it any longer: the client has gone while
  // a subrequest was at work, say. A status line alone is no answer yet.
  if (a.rc == -1 || a.rc == -4) {
    return line_tells;
  }
  if (IsGatewayStatus(a.rc)) {
    return true;
  }
  if (a.rc >= 500) {
    return line_tells || !a.header_done;
  }
  // The client's doing, or the upstream's 4xx that error_page replaces.
  if (a.rc >= 400) {
    return false;
  }
  // nginx ends an upgraded connection that was reset as one that was closed.
  if (a.upgraded && line_tells) {
    return true;
  }
  // Stale content may have been served in the place of a failure.
  return IsGatewayStatus(a.status) || IsGatewayStatus(a.received_status);
}

// Why an attempt failed that did.
Reason Decide(const Attempt& a, const Line& line, bool line_tells) {
  const bool attempted = a.ending != Ending::kNoAttempt;
  if (attempted && UpstreamSaidSo(a, line_tells)) {
    return Fails(Cause::kErrorStatus, Phase::kHeader);
  }
  if (attempted && !line_tells) {
    return SilentlyFailed(a);
  }
  Reason reason = attempted ? LineTells(a, line) : ResolveFailed(a);
  reason.by_line = true;
  return reason;
}

}  // namespace

std::optional<Failure> Classify(const Attempt& attempt) {
  const Line line =
      attempt.line ? *attempt.line : RecognizeLine(attempt.message);
  // An open() that failed may be a missing error page; where the body broke
  // off on this side, it is the temporary file.
  const bool line_tells =
      TellsFailure(line) ||
      (line.says == kOpenFailed && attempt.ending == Ending::kFinal &&
       attempt.rc == -1 && attempt.header_done);
  std::optional<Failure> classified;
  if (!IsUseless(attempt, line) && !HasFailed(attempt, line_tells)) {
    return classified;
  }
  const Reason reason = Decide(attempt, line, line_tells);
  Failure& failure = classified.emplace();
  failure.cause = reason.cause;
  failure.phase = reason.phase;
  if (reason.by_line) {
    failure.errno_number =
        static_cast<int16_t>(std::min<int>(line.errno_number, INT16_MAX));
    failure.errno_class = line.errno_class;
  }
  failure.protocol = attempt.protocol;
  failure.reused = attempt.reused ? 1 : 0;
  failure.status = attempt.status;
  failure.received_status = attempt.received_status;
  // The text of a usual line is told by its number and the errno alone.
  if (failure.errno_number == line.errno_number) {
    failure.line = line.usual;
  }
  return classified;
}

}  // namespace upstream_502
