// One failure for each finding that a failure shows by itself, as
// docs/findings.md tells them.

#ifndef UPSTREAM_502_T_UNIT_ADVICE_FINDINGS_EXAMPLES_H_
#define UPSTREAM_502_T_UNIT_ADVICE_FINDINGS_EXAMPLES_H_

#include <map>

#include "advice/findings_scene.h"

namespace upstream_502 {

inline Evidence Here(Evidence evidence) {
  evidence.where = Where::kThisMachine;
  return evidence;
}

inline Evidence Servers() {
  Evidence evidence;
  AppendServer({.address = "10.0.0.1:8080",
                .out = ServerOut::kFailed,
                .fails = 3,
                .last_cause = Cause::kConnectionRefused,
                .seconds_ago = 2,
                .seconds_more = 8},
               &evidence);
  AppendServer({.address = "10.0.0.2:8080"}, &evidence);
  return evidence;
}

inline Evidence NameMoved() {
  Evidence evidence;
  SetMoved("app.example", "192.0.2.10", "198.51.100.20", &evidence);
  evidence.moved_seconds = 95;
  return evidence;
}

inline constexpr absl::string_view kTcp = "127.0.0.1:3001";
inline constexpr absl::string_view kFar = "192.0.2.10:443";
inline constexpr absl::string_view kFpm = "unix:/run/php/php8.2-fpm.sock";

// One failure for each finding, as in the document.
inline std::map<Finding, FindingScene> Examples() {
  return {
      {Finding::kResolverUnanswered,
       {{.cause = Cause::kDnsTimeout},
        {.message = "api.example could not be resolved (110: Operation timed "
                    "out)"},
        Naming(Named::kResolvers, "192.0.2.53:53")}},
      {Finding::kHostsOnly,
       {{.cause = Cause::kDnsError},
        {},
        Naming(Named::kHosts, "192.0.2.10", {.in_hosts = Seen::kYes})}},
      {Finding::kPortClosed,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kTcp},
        Here(Naming(Named::kPorts, "3000, 3002", {.listening = Seen::kNo}))}},
      {Finding::kOtherAddress,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kTcp},
        Here(Naming(Named::kAddresses, "::1", {.listening = Seen::kNo}))}},
      {Finding::kRejected,
       {{.cause = Cause::kConnectionUnreachable,
         .errno_number = 113,
         .response_time = 2},
        {.peer = kFar},
        {.where = Where::kElsewhere}}},
      {Finding::kSocketStale,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kFpm},
        Here({.listening = Seen::kNo,
              .path_fault = PathFault::kNone,
              .path_kind = FileKind::kSocket})}},
      {Finding::kSocketAbsent,
       {{.cause = Cause::kSocketMissing},
        {.peer = kFpm},
        Here(Naming(
            Named::kSockets, "/run/php/php8.3-fpm.sock",
            {.listening = Seen::kNo, .path_fault = PathFault::kAbsent}))}},
      {Finding::kSocketHidden,
       {{.cause = Cause::kSocketMissing},
        {.peer = "unix:/tmp/app.sock"},
        Here({.listening_hidden = Seen::kYes,
              .path_fault = PathFault::kAbsent})}},
      {Finding::kDirectoryMissing,
       {{.cause = Cause::kSocketMissing},
        {.peer = kFpm},
        Here({.path_fault = PathFault::kDirectoryMissing, .path_end = 8})}},
      {Finding::kNotASocket,
       {{.cause = Cause::kConnectionRefused},
        {.peer = kFpm},
        Here({.path_fault = PathFault::kNotASocket,
              .path_kind = FileKind::kFile,
              .path_end = 24})}},
      {Finding::kNoPermission,
       {{.cause = Cause::kPermissionDenied},
        {.peer = kFpm},
        Here({.path_uid = 1000,
              .path_gid = 1000,
              .uid = 33,
              .gid = 33,
              .path_mode = 0660,
              .path_fault = PathFault::kNoPermission,
              .path_end = 24})}},
      {Finding::kConfined,
       {{.cause = Cause::kPermissionDenied, .errno_number = 13},
        {.peer = kTcp},
        Naming(Named::kContext, "system_u:system_r:httpd_t:s0",
               {.confinement = Confinement::kSelinux})}},
      {Finding::kQueueFull,
       {{.cause = Cause::kConnectionTimeout},
        {.peer = kTcp},
        Here({.queue = 129, .queue_max = 128})}},
      {Finding::kSynUnanswered,
       {{.cause = Cause::kConnectionTimeout},
        {.peer = kFar},
        {.requests_to_connect = 6,
         .where = Where::kElsewhere,
         .tcp_state = 2}}},
      {Finding::kSynRepeated,
       {{.cause = Cause::kReadTimeout, .connect_time = 3012}, {.peer = kFar}}},
      {Finding::kNotAccepted,
       {{.cause = Cause::kReadTimeout},
        {.peer = kTcp},
        Here({.queue = 12, .queue_max = 128, .accepted = Seen::kNo})}},
      {Finding::kNotRead,
       {{.cause = Cause::kReadTimeout},
        {.peer = kTcp},
        Here({.unread_bytes = 418, .accepted = Seen::kYes})}},
      {Finding::kNoAnswer,
       {{.cause = Cause::kReadTimeout, .limit = 60000},
        {.peer = kTcp},
        Here({.unread_bytes = 0, .accepted = Seen::kYes})}},
      {Finding::kUnacknowledged,
       {{.cause = Cause::kReadTimeout},
        {.peer = kFar},
        {.unacknowledged_bytes = 418, .last_ack_ms = 60010, .retransmits = 8}}},
      {Finding::kServiceGone,
       {{.cause = Cause::kClosedBeforeResponse},
        {.peer = kTcp},
        Here({.listening = Seen::kNo})}},
      {Finding::kStillListening,
       {{.cause = Cause::kClosedBeforeResponse},
        {.peer = kTcp},
        Here({.listening = Seen::kYes})}},
      {Finding::kOomKill,
       {{.cause = Cause::kClosedBeforeResponse},
        {.peer = kTcp},
        Here({.oom_kills = 1, .oom_seconds = 4})}},
      {Finding::kAnsweredEarly,
       {{.cause = Cause::kSendReset, .bytes_sent = 131072},
        {.peer = kTcp},
        {.early_status = 413}}},
      {Finding::kWrongProtocol,
       {{.cause = Cause::kHeaderInvalid, .protocol = Protocol::kHttp},
        {.peer = kFar},
        {.speaks = Speaks::kTls}}},
      {Finding::kCertificateExpired,
       {{.time_ms = 1790000000000, .cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        {.not_after_s = 1789800000, .verify_error = 10}}},
      {Finding::kCertificateNotYetValid,
       {{.time_ms = 1790000000000, .cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        {.not_before_s = 1790007200, .verify_error = 9}}},
      {Finding::kCertificateName,
       {{.cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar,
         .message = "upstream SSL certificate does not match \"api.example\""},
        Naming(Named::kCertificateNames, "www.example, example")}},
      {Finding::kCertificateUntrusted,
       {{.cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        Naming(Named::kIssuer, "CN=Example CA", {.verify_error = 20})}},
      {Finding::kCertificateChain,
       {{.cause = Cause::kTlsCertificateInvalid},
        {.peer = kFar},
        Naming(Named::kIssuer, "CN=Example CA",
               {.verify_error = 21, .chain_length = 1})}},
      {Finding::kTlsRefusedHere,
       {{.cause = Cause::kTlsProtocolError},
        {.peer = kFar,
         .message = "SSL_do_handshake() failed (SSL: error:0A000102:SSL "
                    "routines::unsupported protocol)"}}},
      {Finding::kNoServerName,
       {{.cause = Cause::kTlsClosed, .phase = Phase::kTls},
        {.peer = kFar},
        {.sni = Seen::kNo}}},
      {Finding::kTlsAlert,
       {{.cause = Cause::kTlsProtocolError},
        {.peer = kFar,
         .message = "SSL_do_handshake() failed (SSL: error:0A00045C:SSL "
                    "routines::tlsv13 alert certificate required:SSL alert "
                    "number 116)"}}},
      {Finding::kH2Error,
       {{.cause = Cause::kProtocolError, .protocol = Protocol::kGrpc},
        {.peer = kTcp, .message = "upstream rejected request with error 7"}}},
      {Finding::kHeaderSize,
       {{.cause = Cause::kHeaderTooBig,
         .protocol = Protocol::kHttp,
         .limit = 4096},
        {.peer = kTcp},
        {.header_bytes = 20052}}},
      {Finding::kIdleClosed,
       {{.cause = Cause::kKeepaliveRace}, {.peer = kTcp}, {.idle_ms = 5004}}},
      {Finding::kClosedInUse,
       {{.cause = Cause::kKeepaliveRace}, {.peer = kTcp}, {.idle_ms = 12}}},
      {Finding::kConnectionsUsed,
       {{.cause = Cause::kLocalExhausted},
        {.message = "512 worker_connections are not enough"},
        {.connections_used = 512, .connections_max = 512}}},
      {Finding::kFilesUsed,
       {{.cause = Cause::kLocalExhausted, .errno_number = 24},
        {},
        {.files_used = 1024,
         .files_max = 1024,
         .files_of = FilesOf::kProcess}}},
      {Finding::kPortsUsed,
       {{.cause = Cause::kLocalExhausted, .errno_number = 99},
        {.peer = kFar},
        {.ports_used = 28231, .ports_max = 28232, .ports_of = PortsOf::kPeer}}},
      {Finding::kPeersDown,
       {{.cause = Cause::kNoLiveUpstreams}, {}, Servers()}},
      {Finding::kNameMoved,
       {{.cause = Cause::kConnectionTimeout}, {.peer = kFar}, NameMoved()}},
      {Finding::kNotRetried,
       {{.cause = Cause::kErrorStatus,
         .received_status = 503,
         .not_retried = NotRetried::kNotListed}}},
      {Finding::kSentAgain, {{.cause = Cause::kReadTimeout, .sent_to = 2}}},
  };
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_ADVICE_FINDINGS_EXAMPLES_H_
