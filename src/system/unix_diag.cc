// sock_diag(7) for unix sockets.
//
// The connections that wait at a listener could be asked for too (ICONS), but
// a long queue of them ends the whole dump early. Our own socket tells the
// same about the one that matters: its peer is nobody's until it is accepted.

#include "system/unix_diag.h"

#include <linux/netlink.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include <cstring>

namespace upstream_502 {
namespace {

constexpr uint32_t kNoCookie = ~0U;

unix_diag_req NewRequest(uint32_t states, uint32_t show) {
  unix_diag_req request = {};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = states;
  request.udiag_show = show;
  request.udiag_cookie[0] = kNoCookie;
  request.udiag_cookie[1] = kNoCookie;
  return request;
}

absl::string_view Bytes(const unix_diag_req& request) {
  return {reinterpret_cast<const char*>(&request), sizeof(request)};
}

template <typename Value>
bool Read(absl::string_view bytes, Value* value) {
  if (bytes.size() < sizeof(Value)) {
    return false;
  }
  std::memcpy(value, bytes.data(), sizeof(Value));
  return true;
}

// The kernel's own form of a device number.
dev_t DeviceOf(uint32_t number) {
  return makedev(number >> 20, number & 0xfffff);
}

// The zero byte at the end of a path belongs to its size.
absl::string_view NameOf(absl::string_view bytes) {
  if (!bytes.empty() && bytes.front() != '\0') {
    return bytes.substr(0, bytes.find('\0'));
  }
  return bytes;
}

bool ReadAttribute(const NetlinkAttribute& attribute, UnixSocket* socket) {
  switch (attribute.type) {
    case UNIX_DIAG_NAME:
      socket->name = NameOf(attribute.payload);
      return true;
    case UNIX_DIAG_VFS: {
      unix_diag_vfs file;
      socket->has_file = Read(attribute.payload, &file);
      if (socket->has_file) {
        socket->file_inode = file.udiag_vfs_ino;
        socket->file_device = DeviceOf(file.udiag_vfs_dev);
      }
      return socket->has_file;
    }
    case UNIX_DIAG_PEER:
      socket->has_peer = Read(attribute.payload, &socket->peer);
      return socket->has_peer;
    case UNIX_DIAG_RQLEN: {
      unix_diag_rqlen queue;
      socket->has_queue = Read(attribute.payload, &queue);
      if (socket->has_queue) {
        socket->read_queue = queue.udiag_rqueue;
        socket->write_queue = queue.udiag_wqueue;
      }
      return socket->has_queue;
    }
    default:
      return true;
  }
}

}  // namespace

bool ParseUnixSocket(absl::string_view payload, UnixSocket* socket) {
  unix_diag_msg message;
  if (!Read(payload, &message) || message.udiag_family != AF_UNIX) {
    return false;
  }
  *socket = UnixSocket();
  socket->inode = message.udiag_ino;
  socket->type = message.udiag_type;
  socket->state = message.udiag_state;
  payload.remove_prefix(sizeof(message));
  NetlinkAttribute attribute;
  Next next = NextAttribute(&payload, &attribute);
  for (; next == Next::kOne; next = NextAttribute(&payload, &attribute)) {
    if (!ReadAttribute(attribute, socket)) {
      return false;
    }
  }
  return next == Next::kEnd;
}

Answer UnixDiag::Find(uint32_t inode, UnixSocket* socket) {
  unix_diag_req request = NewRequest(0, UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN);
  request.udiag_ino = inode;
  const Answer answer = netlink_->Ask(
      Bytes(request), Netlink::Kind::kOne, [&](absl::string_view payload) {
        return ParseUnixSocket(payload, socket) && socket->inode == inode;
      });
  socket->name = {};
  return answer == Answer::kStopped ? Answer::kAbsent : answer;
}

Answer UnixDiag::Listeners(absl::FunctionRef<bool(const UnixSocket&)> take) {
  const unix_diag_req request = NewRequest(
      1U << TCP_LISTEN, UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_RQLEN);
  int seen = 0;
  return netlink_->Ask(
      Bytes(request), Netlink::Kind::kDump, [&](absl::string_view payload) {
        UnixSocket socket;
        if (!ParseUnixSocket(payload, &socket) || ++seen > kMaxListeners) {
          return false;
        }
        return socket.state != TCP_LISTEN || take(socket);
      });
}

}  // namespace upstream_502
