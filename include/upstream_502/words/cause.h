// The vocabulary of the module: causes, phases, origins and protocols, with
// every name that users see. The one table of causes lives in
// cause.cc; documentation, metrics, the page and the tests derive from it.
//
//   Cause cause;
//   if (ParseCause("keepalive_race", &cause)) {
//     Use(CauseName(cause), Info(cause).rfc9209);
//   }

#ifndef UPSTREAM_502_WORDS_CAUSE_H_
#define UPSTREAM_502_WORDS_CAUSE_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// Why an attempt failed. Values are stored in shared memory and in the file of
// the state: never renumber, new ones go behind kUnknown.
enum class Cause : uint8_t {
  kResolverMissing,
  kDnsError,
  kDnsTimeout,
  kNoLiveUpstreams,
  kConnectionRefused,
  kConnectionTimeout,
  kConnectionUnreachable,
  kConnectionFailed,
  kSocketMissing,
  kPermissionDenied,
  kBacklogFull,
  kLocalExhausted,
  kTlsProtocolError,
  kTlsCertificateInvalid,
  kTlsClosed,
  kTlsTimeout,
  kSendReset,
  kSendTimeout,
  kKeepaliveRace,
  kClosedBeforeResponse,
  kResetBeforeResponse,
  kHeaderIncomplete,
  kHeaderTooBig,
  kHeaderInvalid,
  kProtocolError,
  kReadTimeout,
  kErrorStatus,
  kBodyIncomplete,
  kBodyTimeout,
  kInternalError,
  kUnknown,
};

inline constexpr size_t kCauseCount = 31;
// Room for causes in every counter array; fixed, so that the layout of shared
// memory outlives a new cause.
inline constexpr size_t kMaxCauses = 32;

// How far the attempt got.
enum class Phase : uint8_t {
  kResolve,
  kSelect,
  kConnect,
  kTls,
  kSend,
  kHeader,
  kBody,
};
inline constexpr size_t kPhaseCount = 7;

// Who made a gateway response.
enum class Origin : uint8_t { kNginx, kUpstream, kCache, kConfig };
inline constexpr size_t kOriginCount = 4;

// What nginx speaks with the upstream, after the scheme it logs.
enum class Protocol : uint8_t {
  kUnknown,
  kHttp,
  kHttps,
  kFastcgi,
  kUwsgi,
  kSuwsgi,
  kScgi,
  kGrpc,
  kGrpcs,
  kMemcached,
  kTunnel,
};
inline constexpr size_t kProtocolCount = 11;

// The statuses a gateway response can have, in the order they are counted.
inline constexpr size_t kResponseCodeCount = 3;
inline constexpr int kResponseCodes[kResponseCodeCount] = {500, 502, 504};

// One row of the table of causes.
struct CauseInfo {
  Cause cause;
  absl::string_view name;     // as in JSON, metrics and variables
  absl::string_view phases;   // "connect", or "send, header"
  absl::string_view when;     // one line for the documentation
  absl::string_view rfc9209;  // Proxy-Status `error`; "" where there is none
  absl::string_view hint;     // what it means and what to look at
};

const CauseInfo& Info(Cause cause);

// Whether it fails while nginx looks a name up: there is no attempt then.
inline bool IsBeforeAttempt(Cause cause) {
  return Info(cause).phases == "resolve";
}
// The same while nginx looks for a server, which it counts as an attempt, but
// no server does.
inline bool IsWithoutServer(Cause cause) {
  return IsBeforeAttempt(cause) || Info(cause).phases == "select";
}

absl::string_view CauseName(Cause cause);
absl::string_view PhaseName(Phase phase);
absl::string_view OriginName(Origin origin);
absl::string_view ProtocolName(Protocol protocol);  // kUnknown: "unknown"

// False when `name` names no cause.
bool ParseCause(absl::string_view name, Cause* cause);

// From nginx's `u->schema` ("fastcgi://") or a bare scheme.
Protocol ParseProtocol(absl::string_view schema);

// The prefix of the protocol's directives: "proxy", "fastcgi", "uwsgi",
// "scgi", "grpc", "memcached", "tunnel".
absl::string_view DirectivePrefix(Protocol protocol);

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_CAUSE_H_
