// Addresses between text, sockets and netlink.

#include "system/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"

namespace upstream_502 {
namespace {

constexpr size_t kV4Size = 4;
constexpr size_t kV6Size = 16;

template <typename Name>
bool Holds(const sockaddr* name, size_t size, Name* copy) {
  if (size < sizeof(Name)) {
    return false;
  }
  std::memcpy(copy, name, sizeof(Name));
  return true;
}

// For calls that want a sockaddr. Returns its size, 0 for kNone.
socklen_t Fill(const Address& address, sockaddr_storage* storage) {
  *storage = {};
  if (address.family == AddressFamily::kV4) {
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(address.port);
    std::memcpy(&name.sin_addr, address.bytes.data(), kV4Size);
    std::memcpy(storage, &name, sizeof(name));
    return sizeof(name);
  }
  if (address.family == AddressFamily::kV6) {
    sockaddr_in6 name = {};
    name.sin6_family = AF_INET6;
    name.sin6_port = htons(address.port);
    std::memcpy(&name.sin6_addr, address.bytes.data(), kV6Size);
    std::memcpy(storage, &name, sizeof(name));
    return sizeof(name);
  }
  return 0;
}

template <typename Call>
Address EndOf(int fd, const Call& call) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  auto* name = reinterpret_cast<sockaddr*>(&storage);
  if (fd == -1 || call(fd, name, &size) != 0) {
    return {};
  }
  return AddressOf(name, std::min<size_t>(size, sizeof(storage)));
}

}  // namespace

bool Address::IsWildcard() const {
  return family != AddressFamily::kNone &&
         std::all_of(bytes.begin(), bytes.end(),
                     [](uint8_t byte) { return byte == 0; });
}

bool Address::IsLoopback() const {
  if (family == AddressFamily::kV4) {
    return bytes[0] == 127;
  }
  return family == AddressFamily::kV6 && bytes[kV6Size - 1] == 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1,
                     [](uint8_t byte) { return byte == 0; });
}

Address AddressOf(int family, const void* bytes, uint16_t port) {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  Address address;
  address.port = port;
  if (family == AF_INET6) {
    const bool mapped = std::memcmp(bytes, kMapped, sizeof(kMapped)) == 0;
    address.family = mapped ? AddressFamily::kV4 : AddressFamily::kV6;
    if (mapped) {
      std::memcpy(address.bytes.data(),
                  static_cast<const uint8_t*>(bytes) + sizeof(kMapped),
                  kV4Size);
    } else {
      std::memcpy(address.bytes.data(), bytes, kV6Size);
    }
    return address;
  }
  address.family = AddressFamily::kV4;
  std::memcpy(address.bytes.data(), bytes, kV4Size);
  return address;
}

Address AddressOf(const sockaddr* name, size_t size) {
  if (name == nullptr || size < sizeof(name->sa_family)) {
    return {};
  }
  sockaddr_in v4;
  sockaddr_in6 v6;
  if (name->sa_family == AF_INET && Holds(name, size, &v4)) {
    return AddressOf(AF_INET, &v4.sin_addr, ntohs(v4.sin_port));
  }
  if (name->sa_family == AF_INET6 && Holds(name, size, &v6)) {
    return AddressOf(AF_INET6, &v6.sin6_addr, ntohs(v6.sin6_port));
  }
  return {};
}

bool ParseAddress(absl::string_view text, Address* address) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 ||
      port > 65535) {
    return false;
  }
  absl::string_view host = text.substr(0, colon);
  const bool v6 = host.front() == '[' && host.back() == ']';
  if (v6) {
    host = host.substr(1, host.size() - 2);
  }
  char copy[INET6_ADDRSTRLEN] = {};
  uint8_t bytes[kV6Size] = {};
  if (host.size() >= sizeof(copy)) {
    return false;
  }
  std::memcpy(copy, host.data(), host.size());
  const int family = v6 ? AF_INET6 : AF_INET;
  if (inet_pton(family, copy, bytes) != 1) {
    return false;
  }
  *address = AddressOf(family, bytes, static_cast<uint16_t>(port));
  return true;
}

absl::string_view FormatHost(const Address& address,
                             std::array<char, Address::kTextRoom>* room) {
  const int family = address.family == AddressFamily::kV6 ? AF_INET6 : AF_INET;
  if (address.family == AddressFamily::kNone ||
      inet_ntop(family, address.bytes.data(), room->data(),
                static_cast<socklen_t>(room->size())) == nullptr) {
    return "";
  }
  return room->data();
}

Address LocalEnd(int fd) { return EndOf(fd, getsockname); }

Address RemoteEnd(int fd) { return EndOf(fd, getpeername); }

// From one of its own addresses the kernel goes to that address itself; to any
// other it goes from an address that differs. Connecting a datagram socket
// sends nothing. Binding to the address would tell the same, but for machines
// that may bind to addresses of others (ip_nonlocal_bind).
int IsOurs(const Address& address) {
  if (address.IsLoopback()) {
    return 1;
  }
  sockaddr_storage storage;
  const socklen_t size = Fill(address, &storage);
  if (size == 0) {
    return -1;
  }
  const int fd =
      socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == -1) {
    return -1;
  }
  int ours = -1;
  if (connect(fd, reinterpret_cast<sockaddr*>(&storage), size) == 0) {
    ours = LocalEnd(fd).bytes == address.bytes ? 1 : 0;
  } else if (errno == ENETUNREACH || errno == EHOSTUNREACH) {
    ours = 0;  // there is always a route to oneself
  }
  close(fd);
  return ours;
}

}  // namespace upstream_502
