// Real sockets for tests of what the kernel says about them, and a network of
// their own to have them in.

#ifndef UPSTREAM_502_T_UNIT_SYSTEM_SOCKETS_H_
#define UPSTREAM_502_T_UNIT_SYSTEM_SOCKETS_H_

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "system/address.h"

namespace upstream_502 {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }

  void Close() {
    if (fd_ != -1) {
      close(std::exchange(fd_, -1));
    }
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

inline int64_t MonotonicUs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

// Whether `condition` comes true before its time is up.
template <typename Condition>
bool Within(const Condition& condition) {
  const int64_t end_us = MonotonicUs() + 10 * 1000 * 1000;
  while (!condition()) {
    if (MonotonicUs() > end_us) {
      return false;
    }
    usleep(500);
  }
  return true;
}

struct Name {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

// "127.0.0.1:80", "[::1]:80"; port 0 is allowed here.
inline Name NameOf(const std::string& text) {
  Name name;
  const size_t colon = text.rfind(':');
  const int port = std::atoi(text.c_str() + colon + 1);
  Address address;
  if (!ParseAddress(text.substr(0, colon) + ":1", &address)) {
    std::abort();
  }
  if (text[0] == '[') {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    if (address.family == AddressFamily::kV4) {  // mapped
      v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
      std::memcpy(v6.sin6_addr.s6_addr + 12, address.bytes.data(), 4);
    } else {
      std::memcpy(&v6.sin6_addr, address.bytes.data(), 16);
    }
    std::memcpy(&name.storage, &v6, sizeof(v6));
    name.size = sizeof(v6);
  } else {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    std::memcpy(&v4.sin_addr, address.bytes.data(), 4);
    std::memcpy(&name.storage, &v4, sizeof(v4));
    name.size = sizeof(v4);
  }
  return name;
}

inline Name UnixName(const std::string& path) {
  Name name;
  sockaddr_un un = {};
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  std::memcpy(&name.storage, &un, sizeof(un));
  name.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return name;
}

inline Fd ListenAt(const Name& name, int backlog = 16, int v6_only = -1) {
  Fd fd(socket(name.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (v6_only != -1) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
  }
  if (bind(fd.get(), name.get(), name.size) != 0 ||
      listen(fd.get(), backlog) != 0) {
    return Fd();
  }
  return fd;
}

inline Fd ListenAt(const std::string& text, int backlog = 16,
                   int v6_only = -1) {
  return ListenAt(NameOf(text), backlog, v6_only);
}

inline int PortOf(const Fd& fd) { return LocalEnd(fd.get()).port; }

inline std::string At(const std::string& host, int port) {
  return host + ":" + std::to_string(port);
}

// Begins to connect, as nginx does; `error` is what connect() said.
inline Fd Connect(const Name& name, int* error = nullptr) {
  Fd fd(socket(name.get()->sa_family,
               SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int result = connect(fd.get(), name.get(), name.size);
  if (error != nullptr) {
    *error = result == 0 ? 0 : errno;
  }
  return fd;
}

inline Fd Connect(const std::string& text) { return Connect(NameOf(text)); }

inline Fd Accept(const Fd& listener) {
  return Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

inline void Send(const Fd& fd, const std::string& text) {
  ASSERT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

// Ends a connection with a reset.
inline void Reset(Fd* fd) {
  const linger at_once = {1, 0};
  setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  fd->Close();
}

// What waits to be read at `fd`, without waiting for it.
inline bool HasReceived(const Fd& fd, size_t size) {
  int waiting = 0;
  return ioctl(fd.get(), FIONREAD, &waiting) == 0 &&
         waiting >= static_cast<int>(size);
}

inline constexpr int kSkipped = 77;

// Runs `body` in a process of its own; its expectations count.
template <typename Body>
void InChild(const Body& body) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  ASSERT_NE(pid, -1);
  if (pid == 0) {
    body();
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == kSkipped) {
    GTEST_SKIP() << "not allowed here";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// IFF_UP, or 0.
inline bool SetLoopback(short flags) {
  const Fd fd(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request = {};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = flags;
  return ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0;
}

// The same where nobody else has a socket.
template <typename Body>
void InNetwork(const Body& body) {
  InChild([&body] {
    const int space =
        geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;
    if (unshare(space) != 0 || !SetLoopback(IFF_UP)) {
      _exit(kSkipped);
    }
    body();
  });
}

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    path_ = "/tmp/u502" + std::string(6, 'X');  // mkdtemp's own way to ask
    mkdtemp(path_.data());
    chmod(path_.c_str(), 0755);
  }
  ~Folder() { std::system(("rm -rf " + path_).c_str()); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_SYSTEM_SOCKETS_H_
