// Findings about connecting over TCP, and about accept queues.

#include <string>

#include "findings_case.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr uint8_t kSynSent = 2;
constexpr uint8_t kClosed = 7;
// A missing machine is given up after 3 seconds; so far a router may be away.
// Attempts that wait together for a missing one end together, some of them
// soon after they began.
constexpr int32_t kAtOnceMs = 250;

// Nobody takes a connection to that address and port.
void FindNobody(const FindingCase& c) {
  if (c.IsUnix() || !c.IsHere() || c.evidence.listening != Seen::kNo) {
    return;
  }
  const absl::string_view addresses = c.Items(Named::kAddresses);
  if (!addresses.empty()) {
    c.Say(Finding::kOtherAddress, "nothing listens on ", c.Peer(),
          "; that port is open, but only on ",
          Plain(addresses, Evidence::kTextRoom), c.MoreItems());
    return;
  }
  const absl::string_view ports = c.Items(Named::kPorts);
  c.Say(Finding::kPortClosed, "nothing listens on ", c.Peer(),
        ports.empty()
            ? ""
            : absl::StrCat("; open ports at that address: ",
                           Plain(ports, Evidence::kTextRoom), c.MoreItems()));
}

std::string Listener(const FindingCase& c) {
  return c.evidence.listener_uid == Evidence::kNoUser
             ? "a service"
             : absl::StrCat("a service (uid ", c.evidence.listener_uid, ")");
}

void FindRejectedHere(const FindingCase& c) {
  const bool refused = c.failure.cause == Cause::kConnectionRefused;
  c.Say(Finding::kRejected, Listener(c), " listens on ", c.Peer(),
        refused ? ", and the connection was refused: a firewall's rule does "
                  "that, unless the service has only just started"
                : ", and this machine does not let nginx connect: a rule of "
                  "its firewall or of its routes");
}

void FindRejected(const FindingCase& c) {
  if (c.IsUnix() || c.Has(Finding::kConfined)) {
    return;
  }
  if (c.IsHere() && c.evidence.listening == Seen::kYes) {
    FindRejectedHere(c);
    return;
  }
  if (c.evidence.where != Where::kElsewhere ||
      c.failure.cause != Cause::kConnectionUnreachable) {
    return;
  }
  constexpr int kEnetunreach = 101;
  constexpr int kEhostunreach = 113;
  const int32_t took = c.failure.response_time;
  // Where this machine itself has no route, connect() does not even begin:
  // nginx's line is "connect() to ADDRESS failed" then.
  const bool network = c.failure.errno_number == kEnetunreach && took >= 0 &&
                       absl::StartsWith(c.text.message, "connect() failed");
  const bool host =
      c.failure.errno_number == kEhostunreach && took >= 0 && took < kAtOnceMs;
  if (network || host) {
    c.Say(Finding::kRejected, "a router or a firewall's rule said after ", took,
          " ms that ", c.Peer(), " is unreachable",
          host ? ", unless others were waiting already for a machine that is "
                 "missing (ip neigh)"
               : "");
  }
}

// An empty queue without room is one that nobody is in.
bool IsQueueFull(const Evidence& e) {
  return e.queue > 0 && e.queue_max >= 0 && e.queue >= e.queue_max;
}

void FindQueue(const FindingCase& c) {
  if (c.IsHere() && IsQueueFull(c.evidence)) {
    c.Say(Finding::kQueueFull, "the accept queue of ", c.Peer(),
          " is full: ", Counted(c.evidence.queue, "waits", "wait"),
          ", there is room for ", c.evidence.queue_max);
  }
}

void FindUnanswered(const FindingCase& c) {
  const Evidence& e = c.evidence;
  const bool open =
      e.tcp_state != 0 && e.tcp_state != kSynSent && e.tcp_state != kClosed;
  if (e.requests_to_connect <= 0 || open || c.Has(Finding::kQueueFull)) {
    return;
  }
  const bool listens = c.IsHere() && e.listening == Seen::kYes;
  c.Say(
      Finding::kSynUnanswered,
      Counted(e.requests_to_connect, "connection request",
              "connection requests"),
      " to ", c.Peer(), " had no answer",
      c.IsHere()
          ? ": dropped on this machine, by a firewall's rule or a queue that "
            "was full"
          : ": dropped on the way or by a full accept queue there, or there is "
            "no such machine",
      listens ? ", where a service does listen" : "");
}

// A request to connect is sent again a second after the first one, then 2, 4
// and 8 seconds later; newer kernels send some of these more.
int LostRequests(int32_t connect_time) {
  constexpr int32_t kLate = 200;
  constexpr int32_t kSentAgain[] = {1000, 3000, 7000, 15000};
  int lost = 0;
  for (const int32_t at : kSentAgain) {
    ++lost;
    if (connect_time >= at && connect_time < at + kLate) {
      return lost;
    }
  }
  return 0;
}

}  // namespace

void FindRepeated(const FindingCase& c) {
  constexpr int32_t kSlowUs = 200 * 1000;
  const int lost = LostRequests(c.failure.connect_time);
  // A handshake of TLS is part of that time, and a path may be that slow. Where
  // nothing was sent again it was the worker that took its time.
  const int32_t again = c.evidence.retransmissions;
  if (lost == 0 || c.failure.phase <= Phase::kConnect || c.IsTls() ||
      c.failure.reused != 0 || c.evidence.rtt_us > kSlowUs ||
      (again >= 0 && again < lost)) {
    return;
  }
  c.Say(Finding::kSynRepeated, "the connection to ", c.Peer(), " took ",
        LogSeconds(c.failure.connect_time), " s: at least ",
        Counted(lost, "connection request was", "connection requests were"),
        " lost before one was answered (a queue that overflows, a lossy path)");
}

void FindConnect(const FindingCase& c) {
  FindNobody(c);
  FindRejected(c);
  FindQueue(c);
  FindUnanswered(c);
}

}  // namespace upstream_502
