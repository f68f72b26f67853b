// The TCP sockets of this machine, as far as a failed connection asks about
// them: one of them by its addresses, who listens, how many lead to a peer.
//
//   InetDiag diag(&netlink);
//   InetSocket socket;
//   // The other end of our connection, if it is on this machine:
//   if (diag.Find(peer, ours, &socket) == Answer::kComplete) {
//     socket.read_queue;  // bytes the service has not read
//   }

#ifndef UPSTREAM_502_SYSTEM_INET_DIAG_H_
#define UPSTREAM_502_SYSTEM_INET_DIAG_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "system/address.h"
#include "system/netlink.h"

namespace upstream_502 {

struct InetSocket {
  Address local;
  Address remote;
  uint8_t state = 0;         // TCP_LISTEN, TCP_ESTABLISHED, …
  uint32_t read_queue = 0;   // bytes; of a listener: connections that wait
  uint32_t write_queue = 0;  // bytes; of a listener: for how many is room
  uint32_t uid = 0;
  uint32_t inode = 0;        // 0: no process has it (any longer, or yet)
  uint32_t interface = 0;    // the one it is bound to; 0: none
  bool v6_wildcard = false;  // bound to ::
  bool v6_only = false;

  // Whether a listener takes connections to `address`, its port left aside.
  bool Serves(const Address& address) const;
};

// From the payload of a message. False for what is cut or is no TCP socket.
bool ParseInetSocket(absl::string_view payload, InetSocket* socket);

// All of it gives kAbsent where the kernel cannot be asked.
class InetDiag {
 public:
  // No dump of listeners goes on behind this many.
  static constexpr int kMaxListeners = 4096;

  explicit InetDiag(Netlink* netlink) : netlink_(netlink) {}

  // The socket with these two ends. Where no connection has them, the one that
  // listens at `local`; with a `remote` of port 0 always that one.
  Answer Find(const Address& local, const Address& remote, InetSocket* socket);

  // Everything listening on `port`, or at all where it is 0. `take` may say
  // that it has enough: kStopped then.
  Answer Listeners(uint16_t port,
                   absl::FunctionRef<bool(const InetSocket&)> take);

  // How many of our sockets lead to `remote`, those waiting for their end
  // (TIME_WAIT) too. kStopped: so many, and more.
  Answer CountTowards(const Address& remote, int32_t* count);

 private:
  Netlink* netlink_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_INET_DIAG_H_
