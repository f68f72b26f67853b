// Asks the kernel about one failed attempt, at the moment of its failure, what
// its cause makes worth asking. Takes microseconds, never waits, logs nothing;
// what cannot be asked stays "not seen".
//
//   Prober prober;             // one of a process
//   prober.Warm(now_ms);       // when the worker starts
//   Evidence evidence;
//   prober.Probe({.cause = Cause::kReadTimeout, .fd = c->fd,
//                 .peer = "127.0.0.1:9000", .now_ms = now_ms}, &evidence);

#ifndef UPSTREAM_502_SYSTEM_PROBE_H_
#define UPSTREAM_502_SYSTEM_PROBE_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "system/address.h"
#include "system/budget.h"
#include "system/confined.h"
#include "system/hosts.h"
#include "system/inet_diag.h"
#include "system/memory.h"
#include "system/netlink.h"
#include "system/tcp_info.h"
#include "system/unix_diag.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

struct ProbeRequest {
  Cause cause = Cause::kUnknown;
  Phase phase = Phase::kHeader;
  int errno_number = 0;  // 0: none
  bool tls = false;      // the upstream is spoken to over TLS
  bool reused = false;   // the connection came from the keepalive cache
  int fd = -1;           // its socket; -1: it has none (any longer)
  // As in $upstream_addr; "" where no peer was chosen.
  absl::string_view peer = "";
  // The name that could not be resolved.
  absl::string_view host = "";
  // What nginx has read of the response, from its first byte on.
  absl::string_view received = "";
  bool records = false;  // … in records of FastCGI
  // Where nginx itself listens, to be left out of what is found.
  absl::Span<const Address> own = {};
  int64_t now_ms = 0;  // of a clock that never falls
};

// Whether there is anything to ask about a failure of this cause.
bool IsAskedAbout(Cause cause);

class Prober {
 public:
  // Asks each thing once, so that the kernel has loaded what it needs for the
  // answer, and looks at what must have been seen before a failure.
  void Warm(int64_t now_ms);

  // Looks at what is only seen by looking before and after it: now and then.
  void Look(int64_t now_ms) { oom_.Look(now_ms); }

  // A little later. The sockets of a process that ends are closed one after the
  // other, and the one that listens is not the first: whether it still does is
  // asked again.
  void AskAgain(const ProbeRequest& request, Evidence* evidence);

  // Whether /etc/hosts has the name, or could not be read to tell.
  bool MayBeHost(absl::string_view name) {
    return !hosts_.Load() || !hosts_.Find(name).empty();
  }

  void Probe(const ProbeRequest& request, Evidence* evidence);

 private:
  // One probe at work.
  struct Job;

  void ProbeTcp(const Job& job);
  bool AskOtherEnd(const Job& job, const TcpFacts& facts);
  void AskListener(const Job& job);
  void AskListeners(const Job& job);
  void CountPorts(const Job& job);

  void ProbeUnix(const Job& job);
  void AskUnixPeer(const Job& job);
  void AskUnixListeners(const Job& job, absl::string_view path);

  // Who listens at the peer, as it was answered within the last second, where
  // that may not be asked again yet. False: it was not, or for other causes.
  bool Recall(const Job& job);
  void Remember(const Job& job);

  void AskMemory(const Job& job);
  void AskLimits(const Job& job);
  void AskHosts(const Job& job);
  void AskConfined(const Job& job);

  // An answer about one peer.
  struct Recent {
    uint64_t key = 0;  // 0: none
    int64_t at_ms = 0;
    Evidence evidence;
  };

  Netlink netlink_;
  InetDiag inet_{&netlink_};
  UnixDiag unix_{&netlink_};
  LongQuestions long_questions_;
  OomWatch oom_;
  Confined confined_;
  HostsFile hosts_;
  std::array<Recent, 8> recent_;  // the oldest one goes
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_PROBE_H_
