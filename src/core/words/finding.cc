// The table of findings.

#include "upstream_502/words/finding.h"

#include <cstddef>
#include <iterator>

#include "absl/strings/str_split.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kEnded =
    "send_reset, keepalive_race, closed_before_response, "
    "reset_before_response, header_incomplete, body_incomplete";

// The table of findings, in the order of the enum: name, causes, what was seen,
// how, and what to do.
constexpr FindingInfo kFindings[] = {
    {Finding::kResolverUnanswered, "resolver_unanswered",
     "dns_timeout, dns_error",
     "which name servers were asked, and that none answered, or "
     "that one refused or failed",
     "the code of nginx's line; the servers of the resolver directive",
     "ask one of them yourself (dig NAME @SERVER), look for a "
     "firewall on port 53, name another server in resolver"},
    {Finding::kHostsOnly, "hosts_only", "dns_error, resolver_missing",
     "the name is in /etc/hosts, which nginx's resolver does not read",
     "/etc/hosts, read anew when it has changed",
     "name the server in an upstream block, where nginx reads "
     "/etc/hosts when it loads the configuration, or put the name "
     "into the DNS"},
    {Finding::kPortClosed, "port_closed", "connection_refused",
     "this machine: nothing listens on that port; which ports of that "
     "address are listened on (nginx's own left out), eight at most",
     "sock_diag: the listening TCP sockets of this network namespace",
     "start the service, or correct the port on one of the two sides"},
    {Finding::kOtherAddress, "other_address",
     "connection_refused, connection_timeout",
     "this machine: the port is open, but only on other "
     "addresses: which",
     "sock_diag: the listening TCP sockets with that port",
     "let the service listen on the address nginx connects to, or "
     "name the one it listens on in the configuration; localhost may "
     "be ::1 and 127.0.0.1"},
    {Finding::kRejected, "rejected",
     "connection_refused, permission_denied, connection_unreachable",
     "this machine: a service does listen on that address and port, "
     "and connecting is refused; elsewhere: \"unreachable\" came back at "
     "once, as from a rule or a router; where it is that of a host, others "
     "may have been waiting for a missing one",
     "sock_diag: the listener; the errno, and the time of the attempt",
     "look through the rules (nft list ruleset, iptables -S, ip "
     "route get ADDRESS), here and on the way"},
    {Finding::kSocketStale, "socket_stale", "connection_refused",
     "the socket's file is there, nobody listens on it",
     "stat() of the path; sock_diag: the listening unix sockets",
     "start the service; the file was left behind by one that ended"},
    {Finding::kSocketAbsent, "socket_absent", "socket_missing",
     "the directory is there, the file is not; which sockets are "
     "listened on in that directory or under a like name",
     "stat() of each part of the path; sock_diag: the listening unix "
     "sockets",
     "start the service, or name the path it listens on: a version "
     "in it may have changed"},
    {Finding::kSocketHidden, "socket_hidden",
     "connection_refused, socket_missing, permission_denied",
     "a service listens on that very path, but not on the file seen "
     "here: it runs in another mount namespace (systemd's "
     "PrivateTmp, a container), or the file was removed or replaced "
     "while it still runs",
     "sock_diag: the listening unix sockets of this network "
     "namespace, by name, device and inode",
     "put the socket where both see it (/run, not /tmp; into a container "
     "its directory, not the file), or restart the service whose file was "
     "removed"},
    {Finding::kDirectoryMissing, "directory_missing", "socket_missing",
     "the first directory of the path that is not there",
     "stat() of each part of the path",
     "correct the path; a directory below /run is made anew at every "
     "start (RuntimeDirectory=, tmpfiles.d)"},
    {Finding::kNotASocket, "not_a_socket",
     "connection_refused, connection_failed, socket_missing, "
     "permission_denied",
     "what the path is instead of a socket", "stat() of each part of the path",
     "correct the path; remove a file that keeps the service from "
     "making its socket"},
    {Finding::kNoPermission, "no_permission", "permission_denied",
     "the first part of the path that nginx's user may not pass or "
     "write to: its mode and owner, and the user",
     "stat() of each part of the path, held against the worker's "
     "user and groups; nothing is said where an access list decides",
     "give nginx's user the permission: a common group, the mode of the "
     "socket in the service's configuration (listen.mode, UMask=)"},
    {Finding::kConfined, "confined", "permission_denied",
     "the path's modes allow it, or there is no path, and nginx "
     "runs under SELinux (enforcing) or an AppArmor profile: which",
     "/sys/fs/selinux/enforce and /proc/self/attr/current",
     "look for the denial (ausearch -m avc, journalctl -k | grep "
     "apparmor) and allow it: a boolean, a label, a line in the profile"},
    {Finding::kQueueFull, "queue_full",
     "backlog_full, connection_timeout, read_timeout",
     "the service's accept queue is full: how many wait, and for "
     "how many there is room",
     "sock_diag: the queue of the listening socket",
     "more workers, or find out what they wait for; then the "
     "service's backlog, up to net.core.somaxconn"},
    {Finding::kSynUnanswered, "syn_unanswered", "connection_timeout",
     "nobody answered so many connection requests: they were dropped on the "
     "way or by a full accept queue, or there is no such machine",
     "getsockopt(TCP_INFO) in the state SYN_SENT",
     "check whether the machine is up, and whether a firewall drops packets "
     "to that port; tcpdump on both ends tells where they are lost"},
    {Finding::kSynRepeated, "syn_repeated", "any",
     "the connection took just over 1, 3, 7 or 15 s: so many "
     "connection requests were lost before one was answered",
     "the time nginx measured; not with TLS, whose handshake is part "
     "of it",
     "a queue that overflows (nstat -az TcpExtListenDrops there), or "
     "a path that loses packets"},
    {Finding::kNotAccepted, "not_accepted",
     "read_timeout, send_timeout, tls_timeout",
     "this machine: the kernel took the connection, the service "
     "never did; how many wait for it",
     "sock_diag: the other end of the connection, and its listener",
     "the service's workers are all busy or stuck (see what they do; more of "
     "them), it is out of file descriptors (its LimitNOFILE=), or only "
     "starting"},
    {Finding::kNotRead, "not_read", "read_timeout, send_timeout",
     "the service took the connection and left so many bytes of the "
     "request unread",
     "sock_diag: what lies unread at the other end",
     "the worker that has the connection is busy with something else "
     "or stuck"},
    {Finding::kNoAnswer, "no_answer", "read_timeout, body_timeout",
     "the service (or, elsewhere, its machine) has all of the "
     "request and did not answer",
     "sock_diag: the other end of the connection; elsewhere "
     "ioctl(SIOCOUTQ): nothing is unacknowledged",
     "see what the service does that long: a slow query, a lock, a "
     "call to another service"},
    {Finding::kUnacknowledged, "unacknowledged",
     "read_timeout, send_timeout, body_timeout",
     "so many bytes were never acknowledged, sent so many times: it "
     "is the network or the machine, not the service",
     "ioctl(SIOCOUTQ) and getsockopt(TCP_INFO)",
     "check whether the machine is up, and whether a firewall drops packets "
     "of connections it has forgotten, or what is large (MTU: ping -M do -s "
     "1472 HOST)"},
    {Finding::kServiceGone, "service_gone", kEnded,
     "this machine: nobody listens there any more, the service "
     "itself ended",
     "sock_diag: the listener, looked for after the failure",
     "see why it ended: its log, systemctl status, journalctl, dmesg"},
    {Finding::kStillListening, "still_listening", kEnded,
     "this machine: the service still listens, one of its workers "
     "or only this connection ended",
     "sock_diag: the listener, looked for at the failure and when nginx "
     "has given up; of a service that is killed it may go a moment later",
     "see the service's log for a worker that crashed, was killed or "
     "ran into a time limit; a relay (docker-proxy) ends what its own target "
     "refuses"},
    {Finding::kOomKill, "oom_kill",
     "send_reset, keepalive_race, closed_before_response, "
     "reset_before_response, header_incomplete, body_incomplete, "
     "connection_refused",
     "the kernel of this machine killed so many processes for want "
     "of memory in the last seconds",
     "oom_kill in /proc/vmstat, which counts for the machine, also "
     "inside a container",
     "see whether it was this service (journalctl -k | grep -i oom): "
     "fewer workers, more memory, a higher MemoryMax="},
    {Finding::kAnsweredEarly, "answered_early", "send_reset",
     "the upstream had answered and closed before it had read the "
     "request: its status, and how much was sent",
     "recv(MSG_PEEK): Linux keeps what came before a reset",
     "the status says why: 413 is the service's own limit on bodies, "
     "lower than client_max_body_size; below 400 it has not read the body, and "
     "has to"},
    {Finding::kWrongProtocol, "wrong_protocol",
     "header_invalid, protocol_error, tls_protocol_error, "
     "header_incomplete",
     "what the port speaks (TLS, HTTP/1, HTTP/2, FastCGI, SSH, "
     "SMTP, MySQL, Redis ...) and the directive that fits",
     "the first bytes of the answer, or what nginx's line quotes of "
     "them",
     "use the directive that fits, or correct the port"},
    {Finding::kCertificateExpired, "certificate_expired",
     "tls_certificate_invalid",
     "when the certificate expired; or that it is one further up in "
     "its chain",
     "OpenSSL's verify result and the certificate that was shown",
     "renew it, and reload the service that shows it: many keep the "
     "old one in memory"},
    {Finding::kCertificateNotYetValid, "certificate_not_yet_valid",
     "tls_certificate_invalid", "from when on the certificate is valid",
     "OpenSSL's verify result and the certificate that was shown",
     "set the clocks right (timedatectl), on this machine and where "
     "it was issued"},
    {Finding::kCertificateName, "certificate_name", "tls_certificate_invalid",
     "the name asked for and the names the certificate carries",
     "nginx's line and the certificate that was shown",
     "set proxy_ssl_name to a name it carries, send it "
     "(proxy_ssl_server_name on), or have it issued for the name"},
    {Finding::kCertificateUntrusted, "certificate_untrusted",
     "tls_certificate_invalid",
     "who issued the certificate, whom the configuration does not trust",
     "OpenSSL's verify result and the certificate that was shown",
     "put the issuer's certificate into the file of "
     "proxy_ssl_trusted_certificate"},
    {Finding::kCertificateChain, "certificate_chain", "tls_certificate_invalid",
     "how long the chain is against proxy_ssl_verify_depth; or "
     "which issuer is missing in it",
     "OpenSSL's verify result and the chain that was sent",
     "let the service send its intermediate certificates (the file "
     "fullchain.pem), or raise proxy_ssl_verify_depth"},
    {Finding::kTlsRefusedHere, "tls_refused_here",
     "tls_protocol_error, tls_certificate_invalid",
     "nginx's own TLS library refused, no alert came: version, "
     "cipher, key size, security level; what it asks for",
     "OpenSSL's reason in nginx's line",
     "better let the service offer more than allow less here: "
     "proxy_ssl_protocols, proxy_ssl_ciphers (@SECLEVEL), openssl.cnf"},
    {Finding::kNoServerName, "no_server_name",
     "tls_protocol_error, tls_closed, tls_certificate_invalid",
     "no name (SNI) was sent; or which one was, where the server "
     "does not know it",
     "the configuration of the location and OpenSSL's connection",
     "proxy_ssl_server_name on, and proxy_ssl_name where it is not "
     "the name in proxy_pass"},
    {Finding::kTlsAlert, "tls_alert", "tls_protocol_error",
     "the alert that the other side sent: its name, and what it "
     "asks for",
     "the alert's number in nginx's line",
     "see the service's log of the same moment, it says more than "
     "the alert"},
    {Finding::kH2Error, "h2_error", "protocol_error, reset_before_response",
     "the name of the HTTP/2 error code, and what it asks for",
     "the code in nginx's line",
     "what the code means is said with it; the service's log of that moment "
     "has more"},
    {Finding::kHeaderSize, "header_size", "header_too_big",
     "the header's whole size, and the size that suffices",
     "what nginx has read, and recv(MSG_PEEK) up to the empty line",
     "raise the buffer to that size, or find out who sets so many "
     "cookies"},
    {Finding::kIdleClosed, "idle_closed", "keepalive_race",
     "how long the connection had been idle; a safe "
     "keepalive_timeout is below the least such time",
     "getsockopt(TCP_INFO): the last data received and sent",
     "set keepalive_timeout in upstream{} below it, or the service's "
     "above nginx's"},
    {Finding::kClosedInUse, "closed_in_use", "keepalive_race",
     "the connection had been idle for so few ms that idleness does "
     "not explain it",
     "getsockopt(TCP_INFO): the last data received and sent",
     "the service ends connections it uses: a worker that restarts, "
     "a limit of requests per connection; keepalive_requests in "
     "upstream{} below that"},
    {Finding::kConnectionsUsed, "connections_used", "local_exhausted",
     "how many of worker_connections are in use",
     "nginx's own count of free connections",
     "raise worker_connections (a proxied request takes two), unless "
     "proxy_pass leads back to this nginx"},
    {Finding::kFilesUsed, "files_used", "local_exhausted",
     "how many descriptors are in use, of how many: this worker's, "
     "or the machine's",
     "RLIMIT_NOFILE and the worker's descriptors; /proc/sys/fs/file-nr",
     "raise worker_rlimit_nofile (LimitNOFILE=), or fs.file-max"},
    {Finding::kPortsUsed, "ports_used", "local_exhausted",
     "how many local ports are in use towards that peer, of how many",
     "sock_diag, those in TIME_WAIT too; net.ipv4.ip_local_port_range",
     "use keepalive in upstream{}; a wider "
     "net.ipv4.ip_local_port_range, more addresses of the peer or of "
     "proxy_bind"},
    {Finding::kPeersDown, "peers_down", "no_live_upstreams",
     "each server of the group and why it was out: down, at max_conns, "
     "failed (last cause, since when, for how long), already tried",
     "the group's own state in nginx, and the causes this module has "
     "counted",
     "by the reason: end what fails, raise max_conns, or take \"down\" out of "
     "the configuration; a backup server bridges it"},
    {Finding::kNameMoved, "name_moved",
     "connection_refused, connection_timeout, connection_unreachable, "
     "connection_failed, tls_protocol_error, tls_certificate_invalid, "
     "tls_closed, tls_timeout, read_timeout",
     "the name in the configuration resolves to other addresses now "
     "than when it was loaded: which, and since when at least",
     "nginx's own resolver (that of the location), asked again while "
     "the upstream fails; not of names in /etc/hosts",
     "reload nginx; to have the DNS followed: server NAME resolve in an "
     "upstream with a zone (nginx 1.27.3 on), else a variable in "
     "proxy_pass, both with resolver"},
    {Finding::kNotRetried, "not_retried", "any",
     "why nginx asked no other server: there is one only, "
     "proxy_next_upstream lacks this case (which word), the method "
     "is not repeated, the body was passed on unbuffered, a limit was "
     "used up, the response had begun",
     "the configuration of the location, the request and the group",
     "add a server or the word, where repeating the request does no "
     "harm"},
    {Finding::kSentAgain, "sent_again", "any",
     "the request had been sent to so many servers: it may have "
     "been carried out so many times",
     "the attempts of the request",
     "before non_idempotent stays in proxy_next_upstream, see that "
     "repeating does no harm"},
    {Finding::kFromCache, "from_cache", "any",
     "gateway responses of origin cache: an error is replayed from the cache, "
     "where proxy_cache_valid or the answer's own header keeps it",
     "$upstream_cache_status of the responses (diagnoses only)",
     "name the statuses in proxy_cache_valid instead of any; an answer that "
     "has Cache-Control, Expires or X-Accel-Expires of its own is kept for "
     "that: proxy_no_cache"},
    {Finding::kOneMethod, "one_method", "any",
     "all failures have one method (HEAD ...), neither GET nor POST",
     "the last failures of the upstream (diagnoses only); how many successes "
     "have it is not known",
     "try that method at the service itself: curl -X METHOD"},
    {Finding::kAlwaysAfter, "always_after",
     "closed_before_response, reset_before_response",
     "nearly all failed after the same time, one by one, which is no limit of "
     "nginx's: it is one of the other side",
     "the times of the last failures (diagnoses only); not where the service "
     "has ended",
     "look for that number in the configuration of the service and "
     "of what is on the way"},
    {Finding::kOnlyReused, "only_reused", "any",
     "all failures were on connections that had been kept and idle",
     "the last failures of the upstream (diagnoses only); how many successes "
     "were is not known",
     "compare the times both sides keep a connection: "
     "keepalive_timeout in upstream{} must be the shorter one"},
    {Finding::kOnlyLarge, "only_large", "any",
     "all failures were of requests above a size",
     "the last failures of the upstream (diagnoses only); how many successes "
     "were is not known",
     "look for a limit on bodies on the other side, or a path that "
     "loses large packets (MTU)"},
};

constexpr bool FindingsAreInOrder() {
  for (size_t i = 0; i < std::size(kFindings); ++i) {
    if (static_cast<size_t>(kFindings[i].finding) != i) {
      return false;
    }
  }
  return true;
}

static_assert(std::size(kFindings) == kFindingCount);
static_assert(kFindingCount <= kMaxFindings);
static_assert(FindingsAreInOrder());

// For a number read back that is none: it has no name.
constexpr FindingInfo kNoFinding = {};

}  // namespace

const FindingInfo& Info(Finding finding) {
  const auto i = static_cast<size_t>(finding);
  return i < kFindingCount ? kFindings[i] : kNoFinding;
}

bool IsOfCause(Finding finding, Cause cause) {
  const absl::string_view causes = Info(finding).causes;
  if (causes == "any") {
    return true;
  }
  for (const absl::string_view one : absl::StrSplit(causes, ", ")) {
    if (one == CauseName(cause)) {
      return true;
    }
  }
  return false;
}

absl::string_view FindingName(Finding finding) { return Info(finding).name; }

bool ParseFinding(absl::string_view name, Finding* finding) {
  for (const FindingInfo& info : kFindings) {
    if (info.name == name) {
      *finding = info.finding;
      return true;
    }
  }
  return false;
}

}  // namespace upstream_502
