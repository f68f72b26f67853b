// The commands that confirm a finding or refute it.

#include "upstream_502/advice/confirm.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/advice/commands.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

// How many descriptors each of its processes has open, of how many.
std::string FilesOf(const PeerAddress& address) {
  const std::string listeners = OnlyListenersOf(address);
  return listeners.empty()
             ? ""
             : absl::StrCat("for p in $({ ", listeners,
                            "; } | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort "
                            "-u); do echo $p: $(ls /proc/$p/fd | wc -l) used; "
                            "grep 'open files' /proc/$p/limits; done");
}

class Confirmer {
 public:
  Confirmer(const Failure& failure, const FailureText& text,
            const Evidence* evidence)
      : failure_(failure),
        text_(text),
        evidence_(evidence),
        address_(ParsePeer(text.peer)),
        name_(HostName(text)),
        prefix_(DirectivePrefix(failure.protocol)) {
    if (evidence != nullptr && evidence->where == Where::kThisMachine) {
      address_.loopback = true;
    }
  }

  std::vector<std::string> OfSilence();
  std::vector<std::string> Of(Finding finding) {
    if (!Connecting(finding) && !Path(finding) && !Waiting(finding)) {
      Others(finding);
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

  bool Connecting(Finding finding);
  bool Path(Finding finding);
  bool Waiting(Finding finding);
  void Others(Finding finding);
  void Nobody();
  void Configured();
  void Reach();
  void Pool();
  void Moved();
  void Fetch(absl::string_view flags) {
    Add(FetchLike(address_, failure_, text_, flags));
  }
  void AsHttp();
  bool fastcgi() const { return failure_.protocol == Protocol::kFastcgi; }

  const Failure& failure_;
  const FailureText& text_;
  const Evidence* evidence_;
  PeerAddress address_;
  const std::string name_;
  const absl::string_view prefix_;
  std::vector<std::string> checks_;
};

void Confirmer::Nobody() {
  const std::string listeners = OnlyListenersOf(address_);
  if (!listeners.empty()) {
    Add(listeners, "  # nothing: nobody listens");
  }
}

void Confirmer::Configured() {
  if (!HostPort(address_).empty()) {
    Add(ConfigWith({text_.peer, name_}, "-nwF"));
  }
}

void Confirmer::Reach() {
  if (!HostPort(address_).empty()) {
    Add(ConnectTo(address_));
    Add("ip route get ", address_.host);
    Add("ip ", address_.ipv6 ? "-6 " : "", "route show match ", address_.host);
    Add("ip neigh show ", address_.host);
  }
}

// A pool that takes no more: its queue, and how large it may be.
void Confirmer::Pool() {
  Add(QueueOf(address_));
  Add(CapacityOf(address_));
  if (fastcgi()) {
    Add(PhpConfigWith(address_, "(pm\\.max_children|listen\\.backlog)"));
  }
}

// A service of another protocol need not answer that: five seconds.
void Confirmer::AsHttp() {
  const std::string fetch =
      FetchFrom(address_, {.protocol = Protocol::kHttp, .event_stream = 1},
                {.uri = "/"}, kAsItComes);
  if (!fetch.empty() && failure_.protocol != Protocol::kHttp &&
      failure_.protocol != Protocol::kHttps) {
    Add(fetch, "  # what speaks HTTP answers");
  }
}

// What else might be spoken there. TLS is tried where there was none.
std::vector<std::string> Confirmer::OfSilence() {
  AsHttp();
  if (failure_.protocol == Protocol::kHttp && !HostPort(address_).empty()) {
    Add(FetchFrom(address_, {.protocol = Protocol::kHttp, .event_stream = 1},
                  {.uri = "/"}, "-i --haproxy-protocol"),
        "  # what waits for the PROXY protocol answers");
  }
  const bool tls = failure_.protocol == Protocol::kHttps ||
                   failure_.protocol == Protocol::kGrpcs ||
                   failure_.protocol == Protocol::kSuwsgi;
  const std::string shown = CertificateOf(address_, "", "");
  if (!tls && !shown.empty()) {
    Add("timeout 5 ",
        absl::StrReplaceAll(
            shown, {{"s_client", "s_client -cipher DEFAULT:@SECLEVEL=0"}}),
        " 2>&1 | grep -cE 'Cipher is [A-Z]|SSL alert number'  # 0: no TLS is "
        "spoken there");
  }
  return std::move(checks_);
}

void Confirmer::Moved() {
  const std::string name =
      evidence_ == nullptr ? "" : HostName(MovedOf(*evidence_).name);
  const bool known = !name.empty() && !absl::EndsWith(name, "...");
  Add(known ? absl::StrCat("getent ahosts ", name, "; ") : "",
      "ps -o pid,lstart,args -C nginx  # workers know the addresses of when "
      "they began");
}

bool Confirmer::Connecting(Finding finding) {
  switch (finding) {
    case Finding::kPortClosed:
      Nobody();
      Add("ss -Hltnp || grep ' 0A ' /proc/net/tcp*  # what is listened on");
      Configured();
      return true;
    case Finding::kOtherAddress:
      Add(OnlyListenersOf(address_));
      Configured();
      return true;
    case Finding::kRejected:
      if (address_.loopback) {
        Add(ConnectTo(address_));
      } else {
        Reach();
      }
      Add(kFirewall);
      return true;
    case Finding::kSynUnanswered:
      if (address_.loopback) {
        Add(ConnectTo(address_));
        if (evidence_ != nullptr && evidence_->listening == Seen::kYes) {
          Add(QueueOf(address_));
        }
      } else {
        Reach();
      }
      Add(kFirewall);
      return true;
    case Finding::kSynRepeated:
      Add(QueueOf(address_));
      Add("nstat -z TcpExtListenOverflows TcpExtTCPSynRetrans  # since it was "
          "last run");
      return true;
    case Finding::kQueueFull:
      Pool();
      Add("sysctl net.core.somaxconn");
      return true;
    default:
      return false;
  }
}

bool Confirmer::Path(Finding finding) {
  if (address_.path.empty()) {
    return false;
  }
  const absl::string_view raw = text_.peer.substr(sizeof("unix:") - 1);
  const std::string folder = ShellQuote(raw.substr(0, raw.rfind('/') + 1));
  switch (finding) {
    case Finding::kSocketStale:
      Nobody();
      Add("systemctl --failed");
      return true;
    case Finding::kSocketAbsent:
      Add("ls -l ", folder);
      Add("ss -Hlxnp | grep -F ", folder, " || grep -F ", folder,
          " /proc/net/unix");
      return true;
    case Finding::kSocketHidden:
      Add("ls -l ", address_.path);
      Add(OnlyListenersOf(address_));
      Add(NamespacesOf(address_));
      return true;
    case Finding::kDirectoryMissing:
    case Finding::kNotASocket:
      Add("namei -l ", address_.path);
      return true;
    case Finding::kNoPermission:
      Add("namei -l ", address_.path);
      Add(Permitted(address_, evidence_));
      if (fastcgi()) {
        Add(PhpConfigWith(address_, "listen\\.(owner|group|mode)"));
      }
      return true;
    default:
      return false;
  }
}

bool Confirmer::Waiting(Finding finding) {
  switch (finding) {
    case Finding::kNotAccepted:
      Pool();
      Add(FilesOf(address_));
      Add(StatusOf(address_));
      return true;
    case Finding::kNotRead:
      if (!address_.port.empty()) {
        Add("ss -tnp 'sport = :", address_.port,
            "'  # Recv-Q: what the service has not read");
      }
      Add(StatusOf(address_));
      return true;
    case Finding::kNoAnswer:
      Fetch(failure_.cause == Cause::kBodyTimeout ? kTimeWhole : kTimeHeader);
      if (fastcgi()) {
        Add(PhpConfigWith(address_, "(request_slowlog_timeout|slowlog)"));
      }
      Add(StatusOf(address_));
      return true;
    case Finding::kUnacknowledged:
      if (!HostPort(address_).empty()) {
        Add("ss -tnoi dst ", HostPort(address_),
            "  # unacked, retrans: lost on the way");
      }
      Reach();
      return true;
    case Finding::kServiceGone:
      Nobody();
      if (fastcgi()) {
        Add(PhpLog(address_));
      }
      Add("systemctl --failed");
      Add(KillsOn(address_));
      return true;
    case Finding::kStillListening:
    case Finding::kClosedInUse:
      Add(StartTimesOf(address_));
      Add(StatusOf(address_));
      if (fastcgi()) {
        Add(PhpLog(address_));
        Add(PhpConfigWith(address_,
                          "(request_terminate_timeout|pm\\.max_requests)"));
      }
      Add(KillsOn(address_));
      return true;
    case Finding::kOomKill:
      Add("grep ^oom_kill /proc/vmstat; sleep 60; grep ^oom_kill /proc/vmstat  "
          "# more: it goes on");
      Add(KillsOn(address_));
      Add(CapacityOf(address_));
      return true;
    default:
      return false;
  }
}

void Confirmer::Others(Finding finding) {
  switch (finding) {
    case Finding::kHostsOnly:
      if (!name_.empty()) {
        Add(Resolve(name_, evidence_), "; grep -nwF ", name_, " /etc/hosts");
      }
      return;
    case Finding::kConfined:
      Add("cat /proc/$(pgrep -o nginx)/attr/current");
      Add("ausearch -m avc -ts recent");
      Add("journalctl --since -10min -k | grep -i apparmor");
      return;
    case Finding::kAnsweredEarly:
      Fetch("-i");
      return;
    case Finding::kWrongProtocol:
      Fetch(kAsItComes);
      AsHttp();
      Add(ListenersOf(address_));
      Configured();
      return;
    case Finding::kNameMoved:
      Moved();
      Add("nginx -t && nginx -s reload");
      return;
    case Finding::kFromCache:
      Add(ConfigWith({absl::StrCat(prefix_, "_cache_valid"),
                      absl::StrCat(prefix_, "_cache_use_stale")}));
      Add(prefix_, "_cache_valid 200 301 302 10m;  # 'any' keeps errors, too");
      return;
    case Finding::kAlwaysAfter:
      Fetch(kTimeWhole);
      if (fastcgi()) {
        Add(PhpConfigWith(address_, "request_terminate_timeout"));
      }
      Add(StatusOf(address_));
      return;
    default:
      return;
  }
}

}  // namespace

std::vector<std::string> Confirm(Finding finding, const Failure& failure,
                                 const FailureText& text,
                                 const Evidence* evidence) {
  return Confirmer(failure, text, evidence).Of(finding);
}

std::vector<std::string> ConfirmSilence(const Failure& failure,
                                        const FailureText& text,
                                        const Evidence* evidence) {
  return Confirmer(failure, text, evidence).OfSilence();
}

}  // namespace upstream_502
