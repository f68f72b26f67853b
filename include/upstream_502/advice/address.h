// A peer's address taken apart, as far as it may stand in a command.

#ifndef UPSTREAM_502_ADVICE_ADDRESS_H_
#define UPSTREAM_502_ADVICE_ADDRESS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// Only parts that cannot be read as an option or a second command are kept; the
// rest stays empty.
struct PeerAddress {
  std::string host;  // without brackets
  std::string port;
  std::string path;  // of a unix socket, quoted for a shell
  bool ipv6 = false;
  bool loopback = false;
};

// Of "127.0.0.1:9000", "[::1]:80", "name:80", "name", "unix:/run/app.sock".
PeerAddress ParsePeer(absl::string_view text);

// The group's name where it is a host's: neither an address nor a path.
std::string HostName(absl::string_view upstream);
// The same of a failure, which may name a target beside the group.
std::string HostName(const FailureText& text);

// Whether `text` is printable ASCII without a blank.
bool IsPrintable(absl::string_view text);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_ADDRESS_H_
