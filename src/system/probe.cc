// The conductor: which questions a cause asks, and those that do not depend on
// the kind of peer.

#include "system/probe.h"

#include <array>
#include <cerrno>

#include "absl/strings/match.h"
#include "system/limits.h"
#include "system/peek.h"
#include "system/probe_job.h"

namespace upstream_502 {
namespace {

// A connection that ended: by whose doing?
constexpr unsigned kEnded = kAskConnection | kAskListener | kAskMemory;

struct Row {
  Cause cause;
  unsigned asks;
};

// A cause that is not here asks nothing.
constexpr Row kRows[] = {
    {Cause::kResolverMissing, kAskHosts},
    {Cause::kDnsError, kAskHosts},
    {Cause::kConnectionRefused,
     kAskListener | kAskOthers | kAskMemory | kAskPath},
    {Cause::kConnectionTimeout, kAskConnection | kAskListener | kAskOthers},
    {Cause::kConnectionUnreachable, kAskListener},
    {Cause::kConnectionFailed, kAskPath},
    {Cause::kSocketMissing, kAskPath | kAskListener | kAskOthers},
    {Cause::kPermissionDenied, kAskPath | kAskListener | kAskConfined},
    {Cause::kBacklogFull, kAskListener},
    {Cause::kLocalExhausted, kAskLimits},
    {Cause::kTlsProtocolError, kAskSpeaks},
    {Cause::kTlsTimeout, kAskConnection | kAskOtherEnd | kAskListener},
    {Cause::kSendReset, kEnded | kAskEarly},
    {Cause::kSendTimeout, kAskConnection | kAskOtherEnd | kAskListener},
    {Cause::kKeepaliveRace, kEnded},
    {Cause::kClosedBeforeResponse, kEnded},
    {Cause::kResetBeforeResponse, kEnded},
    {Cause::kHeaderIncomplete, kEnded | kAskSpeaks},
    {Cause::kHeaderTooBig, kAskHeader},
    {Cause::kHeaderInvalid, kAskSpeaks},
    {Cause::kProtocolError, kAskSpeaks},
    {Cause::kReadTimeout, kAskConnection | kAskOtherEnd | kAskListener},
    {Cause::kBodyIncomplete, kEnded},
    {Cause::kBodyTimeout, kAskConnection | kAskOtherEnd},
};

unsigned AsksOf(Cause cause) {
  for (const Row& row : kRows) {
    if (row.cause == cause) {
      return row.asks;
    }
  }
  return 0;
}

constexpr int64_t kRecallMs = 1000;

// What is known of those who listen.
void KeepListening(const Evidence& from, Evidence* to) {
  to->listening = from.listening;
  to->listening_hidden = from.listening_hidden;
  to->listener_uid = from.listener_uid;
  to->queue = from.queue;
  to->queue_max = from.queue_max;
  to->named = from.named;
  to->named_count = from.named_count;
  to->text_size = from.text_size;
  to->text = from.text;
}

// What a response begins with: what nginx has read, else what waits.
absl::string_view First(const ProbeRequest& request, char* buffer,
                        size_t room) {
  return request.received.empty() ? Peek(request.fd, buffer, room)
                                  : request.received;
}

void AskEarly(const ProbeRequest& request, Evidence* evidence) {
  char buffer[512];
  evidence->waiting_bytes = WaitingBytes(request.fd);
  const int status = StatusOf(First(request, buffer, sizeof(buffer)));
  if (status != 0) {
    evidence->early_status = static_cast<int16_t>(status);
  }
}

// What waits on a TLS connection is TLS, which says nothing.
void AskSpeaks(const ProbeRequest& request, Evidence* evidence) {
  char buffer[512];
  const Speaks speaks = SpeaksOf(First(request, buffer, sizeof(buffer)));
  if (speaks != Speaks::kTls || !request.tls) {
    evidence->speaks = speaks;
  }
}

void AskHeader(const ProbeRequest& request, Evidence* evidence) {
  evidence->waiting_bytes = WaitingBytes(request.fd);
  if (request.records && HoldsErrors(request.received)) {
    return;  // whatever of the buffer they took is not of the header
  }
  HeaderEnd end;
  bool found = end.Find(request.received);
  if (!found && !request.tls) {
    std::array<char, 32768> buffer;
    found = end.Find(Peek(request.fd, buffer.data(), buffer.size()));
  }
  if (found) {
    evidence->header_bytes = Clipped(end.size());
  }
}

}  // namespace

bool IsAskedAbout(Cause cause) { return AsksOf(cause) != 0; }

void Prober::Warm(int64_t now_ms) {
  oom_.Look(now_ms);
  if (netlink_.Open(now_ms)) {
    inet_.Listeners(1, [](const InetSocket&) { return true; });
  }
  if (netlink_.Open(now_ms)) {
    UnixSocket socket;
    unix_.Find(1, &socket);
  }
}

void Prober::Probe(const ProbeRequest& request, Evidence* evidence) {
  *evidence = Evidence();
  evidence->asked = 1;
  Job job = {request, AsksOf(request.cause), {}, {}, evidence};
  if (job.Asks(kAskEarly)) {
    AskEarly(request, evidence);
  }
  if (job.Asks(kAskSpeaks)) {
    AskSpeaks(request, evidence);
  }
  if (job.Asks(kAskHeader)) {
    AskHeader(request, evidence);
  }
  if (absl::StartsWith(request.peer, "unix:")) {
    ProbeUnix(job);
  } else if (!request.peer.empty() || request.fd != -1) {
    job.ours = LocalEnd(request.fd);
    job.theirs = RemoteEnd(request.fd);
    // After a connection that failed only nginx knows where it went.
    if (job.theirs.family == AddressFamily::kNone) {
      ParseAddress(request.peer, &job.theirs);
    }
    ProbeTcp(job);
  }
  AskMemory(job);
  AskLimits(job);
  AskHosts(job);
  AskConfined(job);
}

void Prober::AskAgain(const ProbeRequest& request, Evidence* evidence) {
  Job job = {request, AsksOf(request.cause), {}, {}, evidence};
  if ((job.asks & kEnded) != kEnded || evidence->listening != Seen::kYes ||
      !ParseAddress(request.peer, &job.theirs) ||
      !netlink_.Open(request.now_ms)) {
    return;
  }
  evidence->listening = Seen::kNotAsked;
  AskListener(job);
}

bool Prober::Recall(const Job& job) {
  const uint64_t key = job.Key();
  for (const Recent& recent : recent_) {
    if (recent.key == key && job.request.now_ms - recent.at_ms <= kRecallMs) {
      KeepListening(recent.evidence, job.evidence);
      return true;
    }
  }
  return false;
}

void Prober::Remember(const Job& job) {
  const uint64_t key = job.Key();
  Recent* place = recent_.data();
  for (Recent& recent : recent_) {
    if (recent.key == key) {
      place = &recent;
      break;
    }
    if (recent.at_ms < place->at_ms) {
      place = &recent;
    }
  }
  place->key = key;
  place->at_ms = job.request.now_ms;
  KeepListening(*job.evidence, &place->evidence);
}

void Prober::AskMemory(const Job& job) {
  if (!job.Asks(kAskMemory)) {
    return;
  }
  const OomKills kills = oom_.Look(job.request.now_ms);
  job.evidence->oom_kills = kills.count;
  job.evidence->oom_seconds = kills.seconds;
}

void Prober::AskLimits(const Job& job) {
  if (!job.Asks(kAskLimits)) {
    return;
  }
  Evidence* evidence = job.evidence;
  if (job.request.errno_number == EADDRNOTAVAIL) {
    evidence->ports_max = LocalPorts();
    CountPorts(job);
    return;
  }
  if (job.request.errno_number == 0) {
    return;  // a limit of the program's own
  }
  const bool machine = job.request.errno_number == ENFILE;
  const Usage files = machine ? MachineFiles() : ProcessFiles();
  evidence->files_of = machine ? FilesOf::kMachine : FilesOf::kProcess;
  evidence->files_used = files.used;
  evidence->files_max = files.max;
}

void Prober::AskHosts(const Job& job) {
  if (!job.Asks(kAskHosts) || job.request.host.empty() || !hosts_.Load()) {
    return;
  }
  const absl::string_view address = hosts_.Find(job.request.host);
  job.evidence->in_hosts = address.empty() ? Seen::kNo : Seen::kYes;
  if (!address.empty()) {
    ItemList list;
    list.Add(address);
    list.Keep(Named::kHosts, job.evidence);
  }
}

void Prober::AskConfined(const Job& job) {
  if (!job.Asks(kAskConfined)) {
    return;
  }
  job.evidence->confinement = confined_.Kind();
  if (!confined_.context().empty() && job.evidence->named == Named::kNothing) {
    ItemList list;
    list.Add(confined_.context());
    list.Keep(Named::kContext, job.evidence);
  }
}

}  // namespace upstream_502
