// sock_diag(7) for TCP.

#include "system/inet_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>

namespace upstream_502 {
namespace {

constexpr uint32_t kListening = 1U << TCP_LISTEN;
// Every state that takes a port of ours: an end of a connection.
constexpr uint32_t kConnected = 0xfff & ~kListening & ~(1U << TCP_CLOSE);

int FamilyOf(const Address& address) {
  return address.family == AddressFamily::kV6 ? AF_INET6 : AF_INET;
}

template <typename Word>
void PutBytes(const Address& address, Word (&words)[4]) {
  static_assert(sizeof(words) == sizeof(address.bytes));
  std::memcpy(words, address.bytes.data(), sizeof(words));
}

inet_diag_req_v2 NewRequest(int family, uint32_t states) {
  inet_diag_req_v2 request = {};
  request.sdiag_family = static_cast<uint8_t>(family);
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = states;
  request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return request;
}

absl::string_view Bytes(const inet_diag_req_v2& request) {
  return {reinterpret_cast<const char*>(&request), sizeof(request)};
}

bool IsInet(int family) { return family == AF_INET || family == AF_INET6; }

// Which listener serves IPv4 beside IPv6.
bool ParseV6Only(absl::string_view attributes, bool* v6_only) {
  NetlinkAttribute attribute;
  Next next = NextAttribute(&attributes, &attribute);
  for (; next == Next::kOne; next = NextAttribute(&attributes, &attribute)) {
    if (attribute.type == INET_DIAG_SKV6ONLY && !attribute.payload.empty()) {
      *v6_only = attribute.payload[0] != 0;
    }
  }
  return next == Next::kEnd;
}

}  // namespace

bool InetSocket::Serves(const Address& address) const {
  if (v6_wildcard) {
    return address.family == AddressFamily::kV6 || !v6_only;
  }
  return local.family == address.family &&
         (local.IsWildcard() || local.bytes == address.bytes);
}

bool ParseInetSocket(absl::string_view payload, InetSocket* socket) {
  inet_diag_msg message;
  if (payload.size() < sizeof(message)) {
    return false;
  }
  std::memcpy(&message, payload.data(), sizeof(message));
  if (!IsInet(message.idiag_family)) {
    return false;
  }
  *socket = InetSocket();
  socket->local = AddressOf(message.idiag_family, message.id.idiag_src,
                            ntohs(message.id.idiag_sport));
  socket->remote = AddressOf(message.idiag_family, message.id.idiag_dst,
                             ntohs(message.id.idiag_dport));
  socket->state = message.idiag_state;
  socket->read_queue = message.idiag_rqueue;
  socket->write_queue = message.idiag_wqueue;
  socket->uid = message.idiag_uid;
  socket->inode = message.idiag_inode;
  socket->interface = message.id.idiag_if;
  socket->v6_wildcard = message.idiag_family == AF_INET6 &&
                        socket->local.family == AddressFamily::kV6 &&
                        socket->local.IsWildcard();
  payload.remove_prefix(sizeof(message));
  return ParseV6Only(payload, &socket->v6_only);
}

Answer InetDiag::Find(const Address& local, const Address& remote,
                      InetSocket* socket) {
  if (local.family == AddressFamily::kNone || local.port == 0) {
    return Answer::kAbsent;
  }
  // Ends of two families have no connection: only the listener is asked for.
  const bool connected = remote.family == local.family && remote.port != 0;
  inet_diag_req_v2 request = NewRequest(FamilyOf(local), 0);
  request.id.idiag_sport = htons(local.port);
  PutBytes(local, request.id.idiag_src);
  if (connected) {
    request.id.idiag_dport = htons(remote.port);
    PutBytes(remote, request.id.idiag_dst);
  }
  const Answer answer = netlink_->Ask(
      Bytes(request), Netlink::Kind::kOne, [&](absl::string_view payload) {
        return ParseInetSocket(payload, socket) &&
               socket->local.port == local.port;
      });
  return answer == Answer::kStopped ? Answer::kAbsent : answer;
}

Answer InetDiag::Listeners(uint16_t port,
                           absl::FunctionRef<bool(const InetSocket&)> take) {
  int seen = 0;
  for (const int family : {AF_INET, AF_INET6}) {
    inet_diag_req_v2 request = NewRequest(family, kListening);
    request.id.idiag_sport = htons(port);
    const Answer answer = netlink_->Ask(
        Bytes(request), Netlink::Kind::kDump, [&](absl::string_view payload) {
          InetSocket socket;
          if (!ParseInetSocket(payload, &socket) || ++seen > kMaxListeners) {
            return false;
          }
          const bool wanted = socket.state == TCP_LISTEN &&
                              (port == 0 || socket.local.port == port);
          return !wanted || take(socket);
        });
    if (answer != Answer::kComplete) {
      return answer;
    }
  }
  return Answer::kComplete;
}

Answer InetDiag::CountTowards(const Address& remote, int32_t* count) {
  *count = 0;
  inet_diag_req_v2 request = NewRequest(FamilyOf(remote), kConnected);
  request.id.idiag_dport = htons(remote.port);
  return netlink_->Ask(Bytes(request), Netlink::Kind::kDump,
                       [&](absl::string_view payload) {
                         InetSocket socket;
                         if (!ParseInetSocket(payload, &socket)) {
                           return false;
                         }
                         *count += socket.remote == remote ? 1 : 0;
                         return true;
                       });
}

}  // namespace upstream_502
