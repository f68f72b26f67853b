// The commands to run after a failure.

#include "upstream_502/advice/checks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/advice/answer_checks.h"
#include "upstream_502/advice/commands.h"
#include "upstream_502/advice/limit.h"
#include "upstream_502/advice/local_checks.h"
#include "upstream_502/advice/reading.h"
#include "upstream_502/advice/tls_checks.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

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

// The peer, on this machine where that was seen.
PeerAddress AddressOf(absl::string_view peer, const Evidence* evidence) {
  PeerAddress address = ParsePeer(peer);
  if (evidence != nullptr && evidence->where == Where::kThisMachine) {
    address.loopback = true;
  }
  return address;
}

class Advisor {
 public:
  Advisor(const Failure& failure, const FailureText& text,
          const Evidence* evidence)
      : failure_(failure),
        text_(text),
        evidence_(evidence),
        address_(AddressOf(text.peer, evidence)),
        name_(HostName(text)),
        prefix_(DirectivePrefix(failure.protocol)),
        reading_(ReadingOf(failure, text)) {}

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
    std::string check = absl::StrCat(parts...);
    if (!check.empty()) {
      checks_.push_back(std::move(check));
    }
  }

  void Fill();
  void Answer();
  void Ended();
  void Resolving();
  void NoneLive();
  void Listening();
  void Reaching();
  void Routing();
  void Socket();
  void Permission();
  void Backlog();
  void Local();
  void Tls();
  void KeepAlive();
  void Timeout();
  void HeaderSize();
  void Service();
  void ServiceLog();
  void Fetch(absl::string_view flags) {
    Add(FetchLike(address_, failure_, text_, flags));
  }
  void ErrorLog() { Add(NginxLog()); }

  bool fastcgi() const { return failure_.protocol == Protocol::kFastcgi; }
  bool has_tcp() const { return !HostPort(address_).empty(); }

  const Failure& failure_;
  const FailureText& text_;
  const Evidence* evidence_;
  const PeerAddress address_;
  const std::string name_;
  const absl::string_view prefix_;
  const Reading reading_;
  std::vector<std::string> checks_;
};

void Advisor::Fill() {
  checks_ = AnswerChecks(failure_, text_, address_);
  if (!checks_.empty()) {
    return;
  }
  switch (failure_.cause) {
    case Cause::kResolverMissing:
    case Cause::kDnsError:
    case Cause::kDnsTimeout:
      return Resolving();
    case Cause::kNoLiveUpstreams:
      return NoneLive();
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
      return Local();
    case Cause::kTlsCertificateInvalid:
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
      return Ended();
    case Cause::kHeaderInvalid:
    case Cause::kProtocolError:
      return Answer();
    case Cause::kErrorStatus:
      Fetch("-i");
      return ServiceLog();
    case Cause::kInternalError:
      Local();
      return ErrorLog();
    case Cause::kUnknown:
      return ErrorLog();
  }
}

// One that follows no protocol, or none at all.
void Advisor::Answer() {
  if (reading_ == Reading::kNoOutput) {
    ErrorLog();
    return ServiceLog();
  }
  Fetch(kAsItComes);
  Listening();
}

void Advisor::Ended() {
  ServiceLog();
  if (fastcgi()) {
    Add(PhpConfigWith(address_,
                      "(request_terminate_timeout|pm\\.max_requests)"));
  }
  Fetch("-v -o /dev/null");
}

void Advisor::Resolving() {
  if (failure_.cause == Cause::kResolverMissing) {
    Add(ConfigWith({"resolver "}));
    Add("resolver 127.0.0.53 valid=30s;  # or a nameserver of "
        "/etc/resolv.conf");
    return;
  }
  if (!name_.empty()) {
    Add(Resolve(name_, evidence_));
  }
  Add(ConfigWith({"resolver"}));
}

// A name in proxy_pass is a group without a block: what is wrong with its
// servers is said of them.
void Advisor::NoneLive() {
  const bool block = !name_.empty() && name_ == text_.upstream &&
                     name_ != "localhost" && !absl::StrContains(name_, '.');
  if (block) {
    Add(ConfigWith({absl::StrCat("upstream ", name_)}, "-FA 20"));
  }
  if (has_tcp() || !address_.path.empty()) {
    Add(ListenersOf(address_));
  }
  Add(ConfigWith({"max_fails", "fail_timeout", "max_conns", " down"}));
}

void Advisor::Listening() {
  if (has_tcp() && !address_.loopback) {
    Add(ConnectTo(address_));
  }
  Add(ListenersOf(address_));
  Service();
  // The configuration may have a name where the peer has its address.
  if (has_tcp()) {
    const std::string peer(text_.peer);
    const bool named = !name_.empty() && name_ != address_.host;
    Add(ConfigWith({peer, named ? absl::string_view(name_) : ""}, "-nwF"));
  }
}

void Advisor::Reaching() {
  if (failure_.cause != Cause::kConnectionTimeout && !address_.host.empty()) {
    return Routing();
  }
  if (!has_tcp()) {
    return Socket();
  }
  Add(ConnectTo(address_));
  if (!address_.loopback) {
    Add("ip route get ", address_.host);
  }
  Add(QueueOf(address_));
  Add(kFirewall);
}

// A machine that is not there fails in `ip neigh`, a router's or firewall's
// refusal does not; a route of type blackhole, prohibit, unreachable shows.
void Advisor::Routing() {
  Add("ip route get ", address_.host);
  Add("ip ", address_.ipv6 ? "-6 " : "", "route show match ", address_.host);
  if (reading_ == Reading::kBlackhole) {
    Add(ConfigWith({"_bind "}));
  }
  if (failure_.cause == Cause::kConnectionUnreachable) {
    Add("ip neigh show ", address_.host);
    if (address_.ipv6) {
      Add("resolver ADDRESS ipv6=off;  # where only IPv4 works");
    }
  }
  Add(kFirewall);
}

void Advisor::Socket() {
  if (!address_.path.empty()) {
    Add("ls -l ", address_.path);
    Add(ListenersOf(address_));
  }
  Service();
}

void Advisor::Permission() {
  if (address_.path.empty()) {
    if (!address_.host.empty()) {
      Add("ip ", address_.ipv6 ? "-6 " : "", "route show match ", address_.host,
          "  # prohibit?");
    }
    Add(kFirewall);
    Add("getsebool httpd_can_network_connect");
    return;
  }
  Add("namei -l ", address_.path);
  Add(Permitted(address_, evidence_));
  if (fastcgi()) {
    Add(PhpConfigWith(address_, "listen\\.(owner|group|mode)"));
  }
  Add("ausearch -m avc -ts recent");
}

void Advisor::Backlog() {
  Add(QueueOf(address_));
  Add(CapacityOf(address_));
  Add("sysctl net.core.somaxconn");
  if (fastcgi()) {
    Add(PhpConfigWith(address_, "(pm\\.max_children|listen\\.backlog)"));
  }
  Service();
}

void Advisor::Local() {
  for (std::string& check : LocalChecks(failure_, text_, address_, evidence_)) {
    Add(check);
  }
}

void Advisor::Tls() {
  for (std::string& check : TlsChecks(failure_, text_, address_, evidence_)) {
    Add(check);
  }
  if (reading_ == Reading::kTlsPlainPort) {
    return Listening();
  }
  if (failure_.cause == Cause::kTlsClosed) {
    ServiceLog();
  }
}

// How long the backend keeps an idle connection is measured; nginx must keep
// it for less.
void Advisor::KeepAlive() {
  const int64_t idle = evidence_ == nullptr ? -1 : evidence_->idle_ms;
  if (idle >= kLongIdleMs) {
    Add("keepalive_timeout ", ConfigTime(SafeKeepAlive(idle)),
        ";  # in the upstream block: connections were closed after ",
        ConfigTime(idle), " of idleness");
  }
  const bool http = failure_.protocol == Protocol::kHttp;
  if (http && has_tcp()) {
    Add("bash -c 'exec 3<>/dev/tcp/", address_.host, "/", address_.port,
        "; printf \"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\" >&3; "
        "time "
        "timeout 90 cat <&3 >/dev/null'  # real: how long it keeps an idle "
        "one");
  }
  Add(StartTimesOf(address_));
  Add(ConfigWith({"keepalive"}));
  if (idle < kLongIdleMs) {
    Add("keepalive_timeout TIME;  # in the upstream block: below the time "
        "measured (gunicorn 2s, Node 5s, Apache 5s unless changed)");
  }
}

// What suffices for a header that was seen whole; else four times what did
// not. nginx refuses a buffer_size whose double does not fit in the buffers.
void Advisor::HeaderSize() {
  const int64_t seen = evidence_ == nullptr ? -1 : evidence_->header_bytes;
  int64_t size = 4 * std::max<int64_t>(failure_.limit, 4096);
  while (size < seen + seen / 8) {
    size *= 2;
  }
  size = std::clamp<int64_t>(size, 16384, int64_t{1} << 20);
  const std::string text = ConfigSize(size);
  std::string directive = absl::StrCat(prefix_, "_buffer_size ", text, ";");
  if (prefix_ != "grpc" && prefix_ != "memcached") {
    absl::StrAppend(&directive, " ", prefix_, "_buffers 8 ", text, ";");
  }
  if (seen > 0) {
    absl::StrAppend(&directive, "  # this response needs ",
                    ConfigSize(SufficientBuffer(seen)));
  }
  checks_.push_back(std::move(directive));
  std::string fetch = FetchFrom(address_, failure_, text_, "-D - -o /dev/null");
  if (!fetch.empty()) {
    Add(fetch, " | wc -c  # has to fit into ", prefix_, "_buffer_size",
        failure_.limit > 0 ? absl::StrCat(" (", failure_.limit, ")") : "");
  }
}

void Advisor::Timeout() {
  Fetch(failure_.cause == Cause::kBodyTimeout ? kTimeWhole : kTimeHeader);
  Add(QueueOf(address_));
  if (fastcgi()) {
    Add(PhpConfigWith(address_, "(pm\\.max_children|request_slowlog_timeout)"));
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
    Add(StatusOfUnit(address_, PhpUnit(text_.peer)));
  }
}

// The service's own log first; then whether a process died, log or not.
void Advisor::ServiceLog() {
  if (fastcgi()) {
    Add(PhpLog(address_));
  }
  Add(StatusOf(address_));
  if (failure_.cause == Cause::kErrorStatus) {
    return;
  }
  Add(StartTimesOf(address_));
  Add(KillsOn(address_));
}

}  // namespace

std::vector<std::string> Checks(const Failure& failure, const FailureText& text,
                                const Evidence* evidence) {
  return Advisor(failure, text, evidence).Take();
}

}  // namespace upstream_502
