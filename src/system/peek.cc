// MSG_PEEK and FIONREAD.

#include "system/peek.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>

namespace upstream_502 {

absl::string_view Peek(int fd, char* buffer, size_t room) {
  const ssize_t size =
      fd == -1 ? -1 : recv(fd, buffer, room, MSG_PEEK | MSG_DONTWAIT);
  return size <= 0 ? absl::string_view()
                   : absl::string_view(buffer, static_cast<size_t>(size));
}

int32_t WaitingBytes(int fd) {
  int bytes = 0;
  return fd == -1 || ioctl(fd, FIONREAD, &bytes) != 0 ? -1 : bytes;
}

bool HoldsErrors(absl::string_view records) {
  constexpr size_t kHead = 8;  // version, type, id, length, padding, reserved
  constexpr char kVersion = 1;
  constexpr char kStderr = 7;
  const auto byte = [&records](size_t i) {
    return static_cast<uint8_t>(records[i]);
  };
  while (records.size() >= kHead) {
    if (records[0] != kVersion || records[1] == kStderr) {
      return true;
    }
    const size_t size = kHead + (size_t{byte(4)} << 8) + byte(5) + byte(6);
    records.remove_prefix(std::min(size, records.size()));
  }
  return false;
}

bool HeaderEnd::Find(absl::string_view part) {
  for (const char byte : part) {
    ++size_;
    if (byte == '\n') {
      if (line_empty_) {
        return true;
      }
      line_empty_ = true;
    } else if (byte != '\r') {
      line_empty_ = false;
    }
  }
  return false;
}

}  // namespace upstream_502
