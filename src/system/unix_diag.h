// The unix sockets of this network namespace: who listens on which path, and
// what became of our connection.
//
//   UnixDiag diag(&netlink);
//   UnixSocket ours;
//   if (diag.Find(inode, &ours) == Answer::kComplete && ours.has_peer) {
//     ours.peer;  // 0: the service has not accepted the connection
//   }

#ifndef UPSTREAM_502_SYSTEM_UNIX_DIAG_H_
#define UPSTREAM_502_SYSTEM_UNIX_DIAG_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "system/netlink.h"

namespace upstream_502 {

struct UnixSocket {
  uint32_t inode = 0;  // as fstat() of its descriptor tells, 32 bits of it
  uint8_t type = 0;    // SOCK_STREAM, …
  uint8_t state = 0;   // as TCP's: TCP_LISTEN, TCP_ESTABLISHED
  // The path it is bound to, as it was given to bind(); "" for a socket
  // without a name, and an abstract name begins with a zero byte. The view
  // lasts as long as the payload.
  absl::string_view name = {};

  bool has_file = false;  // the file it is bound to
  uint32_t file_inode = 0;
  dev_t file_device = 0;

  bool has_queue = false;
  uint32_t read_queue = 0;   // bytes; of a listener: connections that wait
  uint32_t write_queue = 0;  // of a listener: for how many is room

  bool has_peer = false;
  uint32_t peer = 0;  // its inode; 0: no process has it, as it was not accepted
};

// From the payload of a message. False for what is cut or is no unix socket.
bool ParseUnixSocket(absl::string_view payload, UnixSocket* socket);

// All of it gives kAbsent where the kernel cannot be asked.
class UnixDiag {
 public:
  static constexpr int kMaxListeners = 4096;

  explicit UnixDiag(Netlink* netlink) : netlink_(netlink) {}

  // The socket with this inode: its queue and peer, no name.
  Answer Find(uint32_t inode, UnixSocket* socket);

  // Everything listening, until `take` has enough (kStopped).
  Answer Listeners(absl::FunctionRef<bool(const UnixSocket&)> take);

 private:
  Netlink* netlink_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_UNIX_DIAG_H_
