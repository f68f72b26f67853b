// The commands to run after a failure.

#include "upstream_502/advice/checks.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/advice/limit.h"
#include "upstream_502/words/escape.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr size_t kMaxUri = 200;

// "fastcgi://" speaks with PHP-FPM nearly always, but only "nearly": the unit
// is offered for the protocol, by version where the socket's name tells it.
std::string PhpUnit(absl::string_view peer) {
  for (size_t at = peer.find("php"); at != absl::string_view::npos;
       at = peer.find("php", at + 1)) {
    const absl::string_view rest = peer.substr(at + 3);
    const absl::string_view version =
        rest.substr(0, rest.find_first_not_of("0123456789."));
    if (!version.empty() && version.back() != '.') {
      return absl::StrCat("php", version, "-fpm");
    }
  }
  return "'php*-fpm*'";
}

class Advisor {
 public:
  Advisor(const Failure& failure, const FailureText& text)
      : failure_(failure),
        text_(text),
        address_(ParsePeer(text.peer)),
        name_(HostName(text.upstream)),
        prefix_(DirectivePrefix(failure.protocol)) {}

  std::vector<std::string> Take() {
    Fill();
    if (checks_.empty()) {
      ErrorLog();
    }
    return std::move(checks_);
  }

 private:
  template <typename... Parts>
  void Add(const Parts&... parts) {
    checks_.push_back(absl::StrCat(parts...));
  }

  void Fill();
  void Resolving();
  void Listening();
  void Reaching();
  void Socket();
  void Permission();
  void Backlog();
  void Exhausted();
  void Tls();
  void Certificate();
  void KeepAlive();
  void Timeout();
  void HeaderSize();
  void Service();
  void ServiceLog();
  void Fetch(absl::string_view flags);
  void ErrorLog() { Add("tail -n 50 /var/log/nginx/error.log"); }

  bool fastcgi() const { return failure_.protocol == Protocol::kFastcgi; }
  std::string HostPort() const {
    return address_.ipv6
               ? absl::StrCat("'[", address_.host, "]:", address_.port, "'")
               : absl::StrCat(address_.host, ":", address_.port);
  }
  bool has_tcp() const {
    return !address_.host.empty() && !address_.port.empty();
  }

  const Failure& failure_;
  const FailureText& text_;
  const PeerAddress address_;
  const std::string name_;
  const absl::string_view prefix_;
  std::vector<std::string> checks_;
};

void Advisor::Fill() {
  switch (failure_.cause) {
    case Cause::kResolverMissing:
    case Cause::kDnsError:
    case Cause::kDnsTimeout:
      return Resolving();
    case Cause::kNoLiveUpstreams:
      if (!name_.empty()) {
        Add("nginx -T 2>/dev/null | grep -A 20 'upstream ", name_, "'");
      }
      Add("nginx -T 2>/dev/null | grep -nE "
          "'max_fails|fail_timeout|max_conns|[[:space:]]down'");
      return;
    case Cause::kConnectionRefused:
      return Listening();
    case Cause::kConnectionTimeout:
    case Cause::kConnectionUnreachable:
    case Cause::kConnectionFailed:
      return Reaching();
    case Cause::kSocketMissing:
      return Socket();
    case Cause::kPermissionDenied:
      return Permission();
    case Cause::kBacklogFull:
      return Backlog();
    case Cause::kLocalExhausted:
      return Exhausted();
    case Cause::kTlsCertificateInvalid:
      return Certificate();
    case Cause::kTlsProtocolError:
    case Cause::kTlsClosed:
    case Cause::kTlsTimeout:
      return Tls();
    case Cause::kKeepaliveRace:
      return KeepAlive();
    case Cause::kHeaderTooBig:
      return HeaderSize();
    case Cause::kSendTimeout:
    case Cause::kReadTimeout:
    case Cause::kBodyTimeout:
      return Timeout();
    case Cause::kSendReset:
    case Cause::kClosedBeforeResponse:
    case Cause::kResetBeforeResponse:
    case Cause::kHeaderIncomplete:
    case Cause::kBodyIncomplete:
      ServiceLog();
      if (fastcgi()) {
        Add("grep -rnE '^(request_terminate_timeout|pm\\.max_requests)' "
            "/etc/php");
      }
      return Fetch("-v -o /dev/null");
    case Cause::kHeaderInvalid:
    case Cause::kProtocolError:
      Fetch("-i --raw");
      return Listening();
    case Cause::kErrorStatus:
      Fetch("-i");
      return ServiceLog();
    case Cause::kInternalError:
    case Cause::kUnknown:
      return ErrorLog();
  }
}

void Advisor::Resolving() {
  if (failure_.cause == Cause::kResolverMissing) {
    Add("grep ^nameserver /etc/resolv.conf");
    Add("resolver 127.0.0.53 valid=30s;  # or the nameserver found there");
    return;
  }
  if (!name_.empty()) {
    Add("dig ", name_);
  }
  Add("nginx -T 2>/dev/null | grep -n resolver");
}

void Advisor::Listening() {
  if (!address_.path.empty()) {
    Add("ss -lxnp src ", address_.path);
  } else if (!address_.port.empty()) {
    Add("ss -ltnp 'sport = :", address_.port, "'",
        address_.loopback || address_.host.empty()
            ? ""
            : absl::StrCat("  # on ", address_.host));
  }
  if (has_tcp() && !address_.loopback) {
    Add("nc -vz -w 3 ", address_.host, " ", address_.port);
  }
  Service();
  if (has_tcp()) {
    Add("nginx -T 2>/dev/null | grep -n ", HostPort(),
        "  # is it the right one?");
  }
}

void Advisor::Reaching() {
  if (has_tcp()) {
    Add("nc -vz -w 3 ", address_.host, " ", address_.port);
    if (!address_.loopback) {
      Add("ip route get ", address_.host);
    }
    Add("ss -ltn 'sport = :", address_.port,
        "'  # Recv-Q above Send-Q: its accept queue is full");
    Add("nft list ruleset");
    return;
  }
  Socket();
}

void Advisor::Socket() {
  if (!address_.path.empty()) {
    Add("ls -l ", address_.path);
    Add("ss -lxnp src ", address_.path);
  }
  Service();
}

void Advisor::Permission() {
  if (address_.path.empty()) {
    Add("nft list ruleset");
    Add("getsebool httpd_can_network_connect");
    return;
  }
  Add("namei -l ", address_.path);
  Add("ps -o user= -C nginx");
  if (fastcgi()) {
    Add("grep -rnE '^listen\\.(owner|group|mode)' /etc/php");
  }
  Add("ausearch -m avc -ts recent");
}

void Advisor::Backlog() {
  if (!address_.path.empty()) {
    Add("ss -lxn src ", address_.path,
        "  # Recv-Q at Send-Q: the queue is full");
  }
  Add("sysctl net.core.somaxconn");
  if (fastcgi()) {
    Add("grep -rnE '^(pm\\.max_children|listen\\.backlog)' /etc/php");
  }
  Service();
}

void Advisor::Exhausted() {
  const bool connections =
      absl::StrContains(text_.message, "worker_connections");
  const bool files =
      failure_.errno_number == EMFILE || failure_.errno_number == ENFILE;
  const bool ports = failure_.errno_number == EADDRNOTAVAIL;
  const bool any = !connections && !files && !ports;
  if (connections || any) {
    Add("nginx -T 2>/dev/null | grep -n worker_connections");
  }
  if (files || any) {
    Add("sysctl fs.file-nr");
    Add("nginx -T 2>/dev/null | grep -n worker_rlimit_nofile");
  }
  if (ports || any) {
    Add("ss -Htan state time-wait | wc -l");
    Add("sysctl net.ipv4.ip_local_port_range");
    Add("keepalive 32;  # in the upstream block: fewer new connections");
  }
}

void Advisor::Tls() {
  const std::string name =
      name_.empty() ? "" : absl::StrCat(" -servername ", name_);
  if (has_tcp()) {
    Add("openssl s_client -connect ", HostPort(), name, " </dev/null");
  } else if (!address_.path.empty()) {
    Add("openssl s_client -unix ", address_.path, name, " </dev/null");
  }
  if (failure_.cause == Cause::kTlsTimeout) {
    Add(prefix_, "_connect_timeout 60s;");
    return;
  }
  if (failure_.cause == Cause::kTlsProtocolError) {
    if (has_tcp()) {
      Add("curl -sv -o /dev/null http://", HostPort(),
          "/  # does it speak plain text?");
    }
    Add(prefix_, "_ssl_server_name on;");
    Add(prefix_, "_ssl_protocols TLSv1.2 TLSv1.3;");
    return;
  }
  ServiceLog();
}

void Advisor::Certificate() {
  if (has_tcp()) {
    Add("openssl s_client -connect ", HostPort(),
        name_.empty() ? "" : absl::StrCat(" -servername ", name_),
        " </dev/null | openssl x509 -noout -subject -issuer -dates "
        "-ext subjectAltName");
  }
  if (absl::StrContains(text_.message, "does not match")) {
    Add(prefix_, "_ssl_name ", name_.empty() ? "NAME" : name_,
        ";  # a name the certificate carries");
    return;
  }
  Add("nginx -T 2>/dev/null | grep -nE '", prefix_,
      "_ssl_(trusted_certificate|name|verify)'");
}

void Advisor::KeepAlive() {
  Add("keepalive_timeout 30s;  # in the upstream block: shorter than the "
      "backend's own keep-alive timeout");
  Add("nginx -T 2>/dev/null | grep -nE '(keepalive|keepalive_timeout) '");
  if (!address_.port.empty()) {
    Add("ss -tno 'dport = :", address_.port, "'");
  }
}

void Advisor::HeaderSize() {
  // Four times what was not enough, and the buffers with it: nginx refuses a
  // buffer_size whose double does not fit in the buffers.
  const int64_t size = std::clamp<int64_t>(
      4 * std::max<int64_t>(failure_.limit, 4096), 16384, int64_t{1} << 20);
  const std::string text = ConfigSize(size);
  std::string directive = absl::StrCat(prefix_, "_buffer_size ", text, ";");
  if (prefix_ != "grpc" && prefix_ != "memcached") {
    absl::StrAppend(&directive, " ", prefix_, "_buffers 8 ", text, ";");
  }
  checks_.push_back(std::move(directive));
  Fetch("-D - -o /dev/null");
}

void Advisor::Timeout() {
  Fetch("-o /dev/null -w '%{time_starttransfer}\\n'");
  if (fastcgi()) {
    Add("grep -rnE '^(pm\\.max_children|request_slowlog_timeout)' /etc/php");
  }
  ServiceLog();
  const std::string directive =
      LimitDirective(LimitOf(failure_.cause), failure_.protocol);
  Add(directive, " ",
      ConfigTime(failure_.limit > 0 ? 2 * failure_.limit : 120000),
      ";  # only if the backend may take that long");
}

void Advisor::Service() {
  if (fastcgi()) {
    Add("systemctl status ", PhpUnit(text_.peer));
  }
}

void Advisor::ServiceLog() {
  if (fastcgi()) {
    Add("journalctl --since -10min -u ", PhpUnit(text_.peer));
  }
  if (failure_.cause != Cause::kErrorStatus) {
    Add("journalctl --since -10min -k | grep -iE 'segfault|killed process'");
  }
  if (!address_.path.empty()) {
    Add("ss -lxnp src ", address_.path, "  # which process serves it");
  } else if (!address_.port.empty()) {
    Add("ss -ltnp 'sport = :", address_.port, "'  # which process serves it");
  }
}

// Asks the backend directly, past nginx. `-g`: a URI's brackets are no globs.
void Advisor::Fetch(absl::string_view flags) {
  const bool tls = failure_.protocol == Protocol::kHttps;
  if (failure_.protocol != Protocol::kHttp && !tls) {
    return;
  }
  const bool usable = absl::StartsWith(text_.uri, "/") &&
                      text_.uri.size() <= kMaxUri && IsPrintable(text_.uri);
  const absl::string_view uri = usable ? text_.uri : "/";
  const absl::string_view scheme = tls ? "https://" : "http://";
  const absl::string_view insecure = tls ? "-k " : "";
  if (has_tcp()) {
    const std::string host =
        address_.ipv6 ? absl::StrCat("[", address_.host, "]") : address_.host;
    Add("curl -sg -m 90 ", insecure, flags, " ",
        ShellQuote(absl::StrCat(scheme, host, ":", address_.port, uri)));
  } else if (!address_.path.empty()) {
    Add("curl -sg -m 90 ", insecure, flags, " --unix-socket ", address_.path,
        " ", ShellQuote(absl::StrCat(scheme, "localhost", uri)));
  }
}

}  // namespace

std::vector<std::string> Checks(const Failure& failure,
                                const FailureText& text) {
  return Advisor(failure, text).Take();
}

}  // namespace upstream_502
