// The address of one end of a TCP connection, as the kernel and the
// configuration name it, in one form: an IPv4 address mapped into IPv6 is the
// IPv4 address.
//
//   Address address;
//   if (ParseAddress("[::1]:9000", &address)) {
//     address.port;  // 9000
//   }

#ifndef UPSTREAM_502_SYSTEM_ADDRESS_H_
#define UPSTREAM_502_SYSTEM_ADDRESS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

struct sockaddr;

namespace upstream_502 {

enum class AddressFamily : uint8_t { kNone, kV4, kV6 };

struct Address {
  static constexpr size_t kTextRoom = 64;  // for all that FormatAddress writes

  AddressFamily family =
      AddressFamily::kNone;            // kNone: no address, as of a unix socket
  uint16_t port = 0;                   // in the host's order
  std::array<uint8_t, 16> bytes = {};  // IPv4: the first four

  // Of all addresses: 0.0.0.0 or ::.
  bool IsWildcard() const;
  bool IsLoopback() const;
  bool operator==(const Address& other) const = default;
};

// `size` bytes of a socket's address. kNone for other families and cut ones.
Address AddressOf(const sockaddr* name, size_t size);

// From the kernel's form: `family` is AF_INET or AF_INET6, `bytes` 16 of them.
Address AddressOf(int family, const void* bytes, uint16_t port);

// As nginx writes it: "127.0.0.1:80", "[::1]:80". False for anything else.
bool ParseAddress(absl::string_view text, Address* address);

// Without the port: "127.0.0.1", "::1".
absl::string_view FormatHost(const Address& address,
                             std::array<char, Address::kTextRoom>* room);

// Both ends of a connected socket, kNone where the kernel knows none (any
// longer).
Address LocalEnd(int fd);
Address RemoteEnd(int fd);

// Whether `address` is one of this machine's (of this network namespace). -1:
// cannot be told. Asks the routing table, sends nothing.
int IsOurs(const Address& address);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_ADDRESS_H_
