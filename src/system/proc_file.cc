// Reading a small file.

#include "system/proc_file.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>

namespace upstream_502 {

absl::string_view ReadFile(const char* path, char* buffer, size_t room) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd == -1) {
    return {};
  }
  size_t size = 0;
  // /proc gives a page at a time.
  while (size < room) {
    const ssize_t got = read(fd, buffer + size, room - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      break;
    }
    size += static_cast<size_t>(got);
  }
  close(fd);
  return {buffer, size};
}

}  // namespace upstream_502
