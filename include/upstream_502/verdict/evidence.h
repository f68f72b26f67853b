// What the kernel knew about a failed attempt when it failed: plain values,
// read once, from which the findings are made later. Whatever was not looked
// at, or could not be seen, says so: -1, kNotAsked, kUnknown, 0 for a state.
//
//   if (evidence.accepted == Seen::kNo && evidence.queue >= 0) {
//     Say(evidence.queue, " wait for the service");
//   }

#ifndef UPSTREAM_502_VERDICT_EVIDENCE_H_
#define UPSTREAM_502_VERDICT_EVIDENCE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/speaks.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

enum class Seen : uint8_t { kNo, kYes, kNotAsked = 0xff };

// Where the peer is. Only on this machine, in this network namespace, can its
// sockets be seen.
enum class Where : uint8_t { kUnknown, kThisMachine, kElsewhere };

// What is wrong with the path of a unix socket, from the root on.
enum class PathFault : uint8_t {
  kNotAsked,
  kNone,              // it is a socket, and its modes let this process connect
  kDirectoryMissing,  // the first of its directories that is not there
  kAbsent,            // all directories are there, the file is not
  kNotASocket,        // something else is there: path_kind
  kNoPermission,      // the first part that may not be passed or written
  kUnclear,           // an access list or a link decides: nothing to say
};

enum class FileKind : uint8_t {
  kUnknown,
  kSocket,
  kFile,
  kDirectory,
  kFifo,
  kDevice,
  kLink,  // one that leads nowhere
};

enum class Confinement : uint8_t { kNotAsked, kNone, kSelinux, kAppArmor };

// Whose descriptors `files_used` counts.
enum class FilesOf : uint8_t { kNotAsked, kProcess, kMachine };

// What `ports_used` counts.
enum class PortsOf : uint8_t {
  kNotAsked,
  kPeer,         // our connections to the peer, those in TIME_WAIT too
  kPeerAtLeast,  // the same, but counting them all would have taken too long
  kMachine,      // all TCP sockets, where going through them takes too long
};

// What the text holds: items with ", " between them.
enum class Named : uint8_t {
  kNothing,
  kPorts,      // those listened on at the peer's address: "3000, 3001"
  kAddresses,  // those listened on with the peer's port: "127.0.0.1, ::1"
  kSockets,    // unix sockets listened on near by: "/run/php8.3-fpm.sock"
  kContext,    // what confines this process: "nginx (enforce)"
  kHosts,      // the address that /etc/hosts has: "192.0.2.1"
  kCertificateNames,  // those the certificate is for: "a.example, b.example"
  kIssuer,            // who issued it, one item: "CN=Example CA"
  kServerName,        // that was sent (SNI): "a.example"
  kResolvers,         // the name servers asked: "192.0.2.53:53"
  kServers,           // of the group, and why each was out: see AppendServer
  kMoved,             // a name, where it was and where it is: see SetMoved
};
inline constexpr size_t kNamedCount = 12;

struct Evidence {
  static constexpr int32_t kNotSeen = -1;
  static constexpr uint32_t kNoUser = UINT32_MAX;
  static constexpr size_t kTextRoom = 110;  // what is left of 256 bytes
  static constexpr int64_t kNoTime = INT64_MIN;

  // Validity of the certificate that the server showed, in Unix seconds.
  int64_t not_before_s = kNoTime;
  int64_t not_after_s = kNoTime;

  // The connection, as this end knows it (TCP). Times in ms up to the failure.
  int32_t idle_ms = kNotSeen;  // a reused one, before this request
  int32_t unacknowledged_bytes = kNotSeen;
  int32_t retransmissions = kNotSeen;  // over the connection's life
  int32_t last_ack_ms = kNotSeen;      // since the other end last acknowledged
  int32_t rtt_us = kNotSeen;

  // The other end of it (this machine).
  int32_t unread_bytes = kNotSeen;  // of the request

  // The service's accept queue: how many wait, and for how many there is room.
  int32_t queue = kNotSeen;
  int32_t queue_max = kNotSeen;

  // What came and was not read yet, and where the response's header ends,
  // counted from its first byte, read or not.
  int32_t waiting_bytes = kNotSeen;
  int32_t header_bytes = kNotSeen;

  // Processes killed for want of memory within the last `oom_seconds`.
  int32_t oom_kills = kNotSeen;
  int32_t oom_seconds = kNotSeen;

  // From the first answer that had the name (kMoved) there to the last; 0:
  // there was one only.
  int32_t moved_seconds = kNotSeen;

  // What this machine ran out of.
  int32_t files_used = kNotSeen;
  int32_t files_max = kNotSeen;
  int32_t ports_used = kNotSeen;
  int32_t ports_max = kNotSeen;
  int32_t connections_used = kNotSeen;  // nginx's own: filled in by the adapter
  int32_t connections_max = kNotSeen;

  // Owner of the part of the path that is at fault, and this process's user.
  uint32_t path_uid = kNoUser;
  uint32_t path_gid = kNoUser;
  uint32_t uid = kNoUser;
  uint32_t gid = kNoUser;

  uint32_t listener_uid = kNoUser;  // whose the listening socket is (TCP)

  int16_t path_mode = kNotSeen;     // permission bits: 0755
  int16_t early_status = kNotSeen;  // of an answer that nginx did not read
  int16_t requests_to_connect = kNotSeen;  // SYNs sent, none answered yet
  uint16_t named_count = 0;         // items there were; the text may hold fewer
  int16_t verify_error = kNotSeen;  // X509_V_ERR_… of OpenSSL; 0: none

  uint8_t asked = 0;  // 1: the kernel was asked about this failure
  Where where = Where::kUnknown;
  Seen accepted = Seen::kNotAsked;   // the service took the connection
  Seen listening = Seen::kNotAsked;  // somebody listens at the peer's address
  // A socket with the very path is listened on, but its file is not the one
  // seen here: another mount namespace, or the file was removed since.
  Seen listening_hidden = Seen::kNotAsked;
  Seen in_hosts = Seen::kNotAsked;  // /etc/hosts knows the name
  Seen sni = Seen::kNotAsked;       // the name of the server was sent (TLS)
  Seen follows = Seen::kNotAsked;   // nginx can follow names by itself (kMoved)
  uint8_t chain_length = 0;         // certificates that it sent; 0: not asked
  uint8_t verify_depth = 0xff;      // as configured; 0xff: not asked
  Speaks speaks = Speaks::kUnknown;
  uint8_t tcp_state = 0;       // ours, as TCP_ESTABLISHED; 0: not asked
  uint8_t peer_state = 0;      // the other end's; 0: not asked or not there
  uint8_t retransmits = 0xff;  // of what is unacknowledged now; 0xff: not asked
  uint8_t backoff = 0xff;
  uint8_t probes = 0xff;
  PathFault path_fault = PathFault::kNotAsked;
  FileKind path_kind = FileKind::kUnknown;
  uint8_t path_end = 0;  // the part at fault: the path's first … bytes
  Confinement confinement = Confinement::kNotAsked;
  FilesOf files_of = FilesOf::kNotAsked;
  PortsOf ports_of = PortsOf::kNotAsked;
  Named named = Named::kNothing;
  uint8_t text_size = 0;
  std::array<char, kTextRoom> text = {};

  absl::string_view Text() const {
    return {text.data(), std::min<size_t>(text_size, kTextRoom)};
  }
};

// It is stored in shared memory word by word, without a gap.
static_assert(std::is_trivially_copyable_v<Evidence>);
static_assert(std::is_standard_layout_v<Evidence>);
static_assert(std::has_unique_object_representations_v<Evidence>);
static_assert(sizeof(Evidence) <= 256);
static_assert(sizeof(Evidence) % 8 == 0);

// Adds an item to the text. What is not printable ASCII becomes '?'; what does
// not fit is counted only, but for the first item, which is cut. Where a text
// of another kind is there already, the more telling of the two stays.
void AppendItem(Named named, absl::string_view item, Evidence* evidence);

// Why a server of the group could not be asked.
enum class ServerOut : uint8_t {
  kDown,      // marked `down`
  kMaxConns,  // `conns` of `max_conns` connections are open
  kFailed,    // `fails` times, so that it is left out for a while
  kTried,     // by this request
};

struct ServerFacts {
  absl::string_view address = {};  // as in $upstream_addr
  ServerOut out = ServerOut::kDown;
  uint32_t fails = 0;
  Cause last_cause = Cause::kUnknown;        // of its last failure, where known
  int32_t seconds_ago = Evidence::kNotSeen;  // that was
  int32_t seconds_more = Evidence::kNotSeen;  // it is left out
  uint32_t conns = 0;
  uint32_t max_conns = 0;
};

// Adds a server to the text (kServers), in the short form that ParseServer
// reads: "10.0.0.1:80 f 3 4 2 8".
void AppendServer(const ServerFacts& server, Evidence* evidence);

// False for what is no such item. The address is a view of `item`.
bool ParseServer(absl::string_view item, ServerFacts* server);

// A name that had the address `old` when the configuration was loaded has
// others now: `now` is a list with ", " between them, without ports. Nothing is
// kept where `old` is one of them, or something is empty. The text becomes
// "NAME OLD -> NOW", with as many as fit; named_count is their number.
void SetMoved(absl::string_view name, absl::string_view old,
              absl::string_view now, Evidence* evidence);

struct Moved {
  absl::string_view name;  // cut with "..." where it is long
  absl::string_view old;
  absl::string_view now;
};

// What SetMoved has kept; nothing of it where it has not.
Moved MovedOf(const Evidence& evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_EVIDENCE_H_
