// The shell commands that checks are made of, filled in with a peer's address,
// each "" where the address does not allow it.
//
//   OnlyListenersOf(ParsePeer("unix:/run/app.sock"))
//   == "ss -Hlxnp src /run/app.sock || grep -F /run/app.sock /proc/net/unix"
//
// Where an image may lack a command, what stands in for it comes after "||".

#ifndef UPSTREAM_502_ADVICE_COMMANDS_H_
#define UPSTREAM_502_ADVICE_COMMANDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// "127.0.0.1:80", "'[::1]:80'"; "" unless both parts are there.
std::string HostPort(const PeerAddress& address);

// What a firewall of this machine says; an image has one of the two.
inline constexpr absl::string_view kFirewall = "nft list ruleset; iptables -S";

// What curl tells of an answer: when its header came; the whole of it.
inline constexpr absl::string_view kTimeHeader =
    "-o /dev/null -w 'status %{http_code}, header after %{time_starttransfer} "
    "s\\n'";
inline constexpr absl::string_view kTimeWhole =
    "-o /dev/null -w 'status %{http_code}, header after %{time_starttransfer} "
    "s, all after %{time_total} s, %{size_download} bytes\\n'";

// Byte for byte, whatever it is.
inline constexpr absl::string_view kAsItComes = "-i --raw --http0.9";

// How many sockets each worker has.
inline constexpr absl::string_view kWorkersSockets =
    "for p in $(pgrep -f 'nginx: worker'); do echo $p: $(ls -l /proc/$p/fd | "
    "grep -c socket:) sockets; done";

// Whether it can be connected to from here.
std::string ConnectTo(const PeerAddress& address);

// Who listens there.
std::string ListenersOf(const PeerAddress& address);

// The same without a heading: nothing where nobody does.
std::string OnlyListenersOf(const PeerAddress& address);

// How long its accept queue is, and for how many there is room.
std::string QueueOf(const PeerAddress& address);

// What the service manager says of whoever listens there, its log included.
std::string StatusOf(const PeerAddress& address);

// The same of a unit by its name, whoever listens.
std::string StatusOfUnit(const PeerAddress& address, absl::string_view unit);

// Since when its processes run: one younger than a failure was started after
// it.
std::string StartTimesOf(const PeerAddress& address);

// Connections to it, by state: all of them have a local port.
std::string ConnectionsTo(const PeerAddress& address);

// Whether nginx's user may write to the socket; as seen, or as the workers are.
std::string Permitted(const PeerAddress& address, const Evidence* evidence);

// What the name servers say that nginx asks, which need not be the system's:
// those that were asked, else all that the configuration has.
std::string Resolve(absl::string_view name, const Evidence* evidence);

// Processes that the kernel of that machine ended.
std::string KillsOn(const PeerAddress& address);

// In which mount namespaces they and nginx are.
std::string NamespacesOf(const PeerAddress& address);

// How many of its processes this machine has memory for: their average, what
// is available, a fifth of which is kept back.
std::string CapacityOf(const PeerAddress& address);

// The lines of nginx's configuration that hold one of `words`, as they stand,
// or what is wrong with it; not as a part of another word, where "-nwF" is
// said.
std::string ConfigWith(const std::vector<absl::string_view>& words,
                       absl::string_view flags = "-nF");

// The end of nginx's error log, wherever the configuration has it.
std::string NginxLog();

// The lines of PHP-FPM's that begin with a regular expression: of the one that
// listens there, else wherever distributions keep them.
std::string PhpConfigWith(const PeerAddress& address,
                          absl::string_view expression);

// The end of PHP-FPM's own log, which is no journal.
std::string PhpLog(const PeerAddress& address);

// Asks the backend directly, past nginx: "" where that is no HTTP. Of `text`:
// method, URI. `flags` are curl's.
std::string FetchFrom(const PeerAddress& address, const Failure& failure,
                      const FailureText& text, absl::string_view flags);

// The same with a word on what nginx may have sent and this does not: where its
// answer is another one, that is why.
std::string FetchLike(const PeerAddress& address, const Failure& failure,
                      const FailureText& text, absl::string_view flags);

// Shows the certificate, as far as openssl x509's `wanted` say; the whole
// handshake where that is empty.
std::string CertificateOf(const PeerAddress& address, absl::string_view name,
                          absl::string_view wanted);

// OpenSSL's verdict on it, with what nginx trusts and as deep as it looks.
std::string VerdictOn(const PeerAddress& address, absl::string_view name,
                      absl::string_view prefix);

// Which versions of TLS are spoken there.
std::string TlsVersionsOf(const PeerAddress& address);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_COMMANDS_H_
