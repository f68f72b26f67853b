// The netlink socket, and the walk through its datagrams.

#include "system/netlink.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "system/clock.h"

namespace upstream_502 {
namespace {

// Not tried again for so long where a socket is refused: a shortage passes, a
// policy or an old kernel does not.
constexpr int64_t kShortageMs = 1000;
constexpr int64_t kRefusedMs = 300 * 1000;

constexpr int kMaxReads = 1024;  // of one answer

constexpr size_t Aligned(size_t size) { return (size + 3) & ~size_t{3}; }

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS ||
         error == ENOMEM;
}

// The errno that a message says, in the kernel's negative form; 1: cut.
int ErrorIn(const NetlinkMessage& message) {
  int error = 0;
  if (message.payload.size() < sizeof(error)) {
    return 1;
  }
  std::memcpy(&error, message.payload.data(), sizeof(error));
  return error;
}

Answer OfError(const NetlinkMessage& message, bool dump) {
  // A dump ends with NLMSG_DONE. There is always something to go through, so
  // ENOENT means that the kernel has nobody to do it.
  const int error = ErrorIn(message);
  if (message.type == NLMSG_DONE) {
    return dump && error == 0 ? Answer::kComplete : Answer::kAbsent;
  }
  return error == -ENOENT && !dump ? Answer::kNoEntry : Answer::kAbsent;
}

}  // namespace

Next NextMessage(uint32_t sequence, absl::string_view* bytes,
                 NetlinkMessage* message) {
  while (!bytes->empty()) {
    nlmsghdr header;
    if (bytes->size() < sizeof(header)) {
      return Next::kBroken;
    }
    std::memcpy(&header, bytes->data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > bytes->size()) {
      return Next::kBroken;
    }
    *message = {
        header.nlmsg_type, header.nlmsg_flags,
        bytes->substr(sizeof(header), header.nlmsg_len - sizeof(header))};
    bytes->remove_prefix(std::min(Aligned(header.nlmsg_len), bytes->size()));
    if (header.nlmsg_seq == sequence) {
      return Next::kOne;
    }
  }
  return Next::kEnd;
}

Next NextAttribute(absl::string_view* bytes, NetlinkAttribute* attribute) {
  if (bytes->empty()) {
    return Next::kEnd;
  }
  nlattr header;
  if (bytes->size() < sizeof(header)) {
    return Next::kBroken;
  }
  std::memcpy(&header, bytes->data(), sizeof(header));
  if (header.nla_len < sizeof(header) || header.nla_len > bytes->size()) {
    return Next::kBroken;
  }
  *attribute = {static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
                bytes->substr(sizeof(header), header.nla_len - sizeof(header))};
  bytes->remove_prefix(std::min(Aligned(header.nla_len), bytes->size()));
  return Next::kOne;
}

Answer ReadAnswer(uint32_t sequence, bool dump, absl::string_view bytes,
                  Taker take) {
  NetlinkMessage message;
  Next next = NextMessage(sequence, &bytes, &message);
  for (; next == Next::kOne; next = NextMessage(sequence, &bytes, &message)) {
    switch (message.type) {
      case NLMSG_NOOP:
        continue;
      case NLMSG_DONE:
      case NLMSG_ERROR:
        return OfError(message, dump);
      case SOCK_DIAG_BY_FAMILY:
        break;
      default:
        return Answer::kAbsent;
    }
    if (!take(message.payload)) {
      return Answer::kStopped;
    }
    if (!dump) {
      return Answer::kComplete;
    }
  }
  return next == Next::kEnd ? Answer::kMore : Answer::kAbsent;
}

bool Netlink::Open(int64_t now_ms) {
  // What was opened before a fork is the parent's too.
  const pid_t pid = getpid();
  if (fd_ != -1 && pid_ == pid) {
    return true;
  }
  Close();
  if (pid_ == pid && now_ms < refused_until_ms_) {
    return false;
  }
  pid_ = pid;
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
               NETLINK_SOCK_DIAG);
  if (fd_ == -1) {
    refused_until_ms_ = now_ms + (IsShortage(errno) ? kShortageMs : kRefusedMs);
  }
  return fd_ != -1;
}

void Netlink::Close() {
  if (fd_ != -1) {
    close(fd_);
    fd_ = -1;
  }
}

Answer Netlink::Ask(absl::string_view body, Kind kind, Taker take) {
  // The kernel begins to look for an answer when it is asked.
  const int64_t end_us = kind == Kind::kDump ? WorkedUs() + kLimitUs : 0;
  if (fd_ == -1 || !Send(body, kind)) {
    Close();
    return Answer::kAbsent;
  }
  const Answer answer = Receive(kind, end_us, take);
  // The rest of an answer would be in the way of the next one.
  const bool clean = answer == Answer::kComplete ||
                     answer == Answer::kNoEntry ||
                     (answer == Answer::kStopped && kind == Kind::kOne);
  if (!clean) {
    Close();
  }
  return answer;
}

bool Netlink::Send(absl::string_view body, Kind kind) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(sizeof(header) + body.size());
  header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header.nlmsg_flags = NLM_F_REQUEST;
  if (kind == Kind::kDump) {
    header.nlmsg_flags |= NLM_F_DUMP;
  }
  header.nlmsg_seq = ++sequence_;
  iovec parts[] = {{&header, sizeof(header)},
                   {const_cast<char*>(body.data()), body.size()}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(header.nlmsg_len);
}

Answer Netlink::Receive(Kind kind, int64_t end_us, Taker take) {
  for (int read = 0; read < kMaxReads; ++read) {
    sockaddr_nl from = {};
    iovec part = {buffer_.data(), buffer_.size()};
    msghdr message = {};
    message.msg_name = &from;
    message.msg_namelen = sizeof(from);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t size = recvmsg(fd_, &message, MSG_DONTWAIT);
    if (size == -1 && errno == EINTR) {
      continue;
    }
    // The kernel answers within the call that asks: there is nothing to wait
    // for.
    if (size <= 0 || (message.msg_flags & MSG_TRUNC) != 0) {
      return Answer::kAbsent;
    }
    if (from.nl_pid != 0) {
      continue;  // not the kernel
    }
    const Answer answer =
        ReadAnswer(sequence_, kind == Kind::kDump,
                   {buffer_.data(), static_cast<size_t>(size)}, take);
    if (answer != Answer::kMore) {
      return answer;
    }
    if (kind == Kind::kDump && WorkedUs() > end_us) {
      return Answer::kStopped;
    }
  }
  return Answer::kAbsent;
}

}  // namespace upstream_502
