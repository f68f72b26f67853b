// The questions about a peer that is reached over TCP.

#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>

#include "system/clock.h"
#include "system/limits.h"
#include "system/probe.h"
#include "system/probe_job.h"

namespace upstream_502 {
namespace {

// Going through a table of connections of this size takes a millisecond, even
// when it is empty.
constexpr int32_t kMaxTable = 262144;

// Where the peer is, as far as its address tells.
Where WhereIs(const Address& ours, const Address& theirs) {
  if (theirs.family == AddressFamily::kNone) {
    return Where::kUnknown;
  }
  if (theirs.IsLoopback() ||
      (ours.family == theirs.family && ours.bytes == theirs.bytes)) {
    return Where::kThisMachine;
  }
  switch (IsOurs(theirs)) {
    case 1:
      return Where::kThisMachine;
    case 0:
      return Where::kElsewhere;
    default:
      return Where::kUnknown;
  }
}

uint8_t Byte(int32_t number) {
  return static_cast<uint8_t>(std::clamp<int32_t>(number, 0, 0xff));
}

void KeepFacts(const ProbeRequest& request, const TcpFacts& facts,
               Evidence* evidence) {
  evidence->tcp_state = Byte(facts.state);
  evidence->retransmits = Byte(facts.retransmits);
  evidence->backoff = Byte(facts.backoff);
  evidence->probes = Byte(facts.probes);
  evidence->retransmissions = facts.retransmissions;
  evidence->unacknowledged_bytes = UnacknowledgedBytes(request.fd);
  if (request.phase == Phase::kConnect) {
    // Nothing but requests to connect was sent.
    if (facts.retransmissions >= 0) {
      evidence->requests_to_connect =
          static_cast<int16_t>(std::min(facts.retransmissions, 255) + 1);
    }
    return;
  }
  evidence->last_ack_ms = facts.last_ack_received;
  evidence->rtt_us = facts.rtt_us;
  if (request.reused) {
    evidence->idle_ms = IdleBefore(facts, request.phase != Phase::kSend);
  }
}

void KeepListener(const InetSocket& listener, Evidence* evidence) {
  evidence->listening = Seen::kYes;
  evidence->queue = Clipped(listener.read_queue);
  evidence->queue_max = Clipped(listener.write_queue);
  evidence->listener_uid = listener.uid;
}

// Whether both ends are (still) there, so that the other one must be found.
bool HasOtherEnd(const TcpFacts& facts) {
  return facts.state == TCP_ESTABLISHED || facts.state == TCP_CLOSE_WAIT;
}

bool IsOwn(const ProbeRequest& request, const InetSocket& listener) {
  return std::find(request.own.begin(), request.own.end(), listener.local) !=
         request.own.end();
}

// The ports nearest to one.
class NearestPorts {
 public:
  explicit NearestPorts(int port) : port_(port) {}

  void Add(int port) {
    if (seen_[static_cast<size_t>(port)]) {
      return;
    }
    seen_.set(static_cast<size_t>(port));
    if (count_ < ports_.size()) {
      ports_[count_++] = port;
      return;
    }
    int* farthest = std::max_element(
        ports_.begin(), ports_.end(),
        [this](int a, int b) { return Distance(a) < Distance(b); });
    if (Distance(port) < Distance(*farthest)) {
      *farthest = port;
    }
  }

  void Keep(Evidence* evidence) {
    std::sort(ports_.begin(), ports_.begin() + count_);
    ItemList list;
    for (size_t i = 0; i < count_; ++i) {
      char text[8];
      const char* end = std::to_chars(text, text + sizeof(text), ports_[i]).ptr;
      list.Add({text, static_cast<size_t>(end - text)});
    }
    list.Keep(Named::kPorts, evidence);
    evidence->named_count = static_cast<uint16_t>(seen_.count());
  }

 private:
  int Distance(int port) const {
    return port < port_ ? port_ - port : port - port_;
  }

  int port_;
  size_t count_ = 0;
  std::array<int, 8> ports_ = {};
  std::bitset<65536> seen_;
};

// The addresses that a port is listened on.
class Hosts {
 public:
  void Add(const Address& address) {
    const auto end = hosts_.begin() + count_;
    if (count_ == hosts_.size() ||
        std::find(hosts_.begin(), end, address) != end) {
      return;
    }
    hosts_[count_++] = address;
    std::array<char, Address::kTextRoom> room;
    list_.Add(FormatHost(address, &room));
  }

  bool IsEmpty() const { return count_ == 0; }
  void Keep(Evidence* evidence) const {
    list_.Keep(Named::kAddresses, evidence);
  }

 private:
  size_t count_ = 0;
  std::array<Address, 16> hosts_ = {};
  ItemList list_;
};

}  // namespace

void Prober::ProbeTcp(const Job& job) {
  TcpFacts facts;
  if (job.Asks(kAskConnection) && ReadTcpFacts(job.request.fd, &facts)) {
    KeepFacts(job.request, facts, job.evidence);
  }
  if (!job.Asks(kAskOtherEnd) && !job.Asks(kAskListener)) {
    return;
  }
  job.evidence->where = WhereIs(job.ours, job.theirs);
  if (job.evidence->where == Where::kThisMachine &&
      netlink_.Open(job.request.now_ms) && AskOtherEnd(job, facts) &&
      job.Asks(kAskListener)) {
    AskListener(job);
  }
}

// False: the peer is not on this machine after all. Connections to an address
// of ours may be sent elsewhere, as to a container.
bool Prober::AskOtherEnd(const Job& job, const TcpFacts& facts) {
  Evidence* evidence = job.evidence;
  if (!HasOtherEnd(facts) && facts.state != TCP_SYN_SENT) {
    return true;
  }
  InetSocket other;
  const Answer answer = inet_.Find(job.theirs, job.ours, &other);
  if (answer == Answer::kComplete && other.state != TCP_LISTEN) {
    evidence->peer_state = other.state;
    if (job.Asks(kAskOtherEnd)) {
      evidence->unread_bytes = Clipped(other.read_queue);
      evidence->accepted = other.inode != 0 ? Seen::kYes : Seen::kNo;
    }
    return true;
  }
  if (!HasOtherEnd(facts)) {
    // Of several listeners it is the one that the connection goes to.
    if (answer == Answer::kComplete) {
      KeepListener(other, evidence);
    }
    return true;
  }
  // Where the queue was full when our side was through, the other side has
  // forgotten the connection.
  if (answer == Answer::kComplete && other.read_queue > other.write_queue) {
    KeepListener(other, evidence);
    evidence->accepted = Seen::kNo;
    return true;
  }
  // A kernel that cannot tell one socket finds ours neither.
  InetSocket own;
  evidence->where =
      answer != Answer::kAbsent &&
              inet_.Find(job.ours, job.theirs, &own) == Answer::kComplete
          ? Where::kElsewhere
          : Where::kUnknown;
  return false;
}

void Prober::AskListener(const Job& job) {
  Evidence* evidence = job.evidence;
  if (evidence->listening != Seen::kNotAsked) {
    return;
  }
  InetSocket listener;
  const Answer answer = inet_.Find(job.theirs, {}, &listener);
  if (answer == Answer::kComplete) {
    KeepListener(listener, evidence);
  } else if (answer == Answer::kNoEntry) {
    AskListeners(job);
  }
}

// Nobody would answer to us: who has the port, and what is there instead? A
// kernel that cannot go through its sockets says of one that it is not there,
// and what is bound to an interface serves those who come in by it: only where
// neither is so nobody listens.
void Prober::AskListeners(const Job& job) {
  Evidence* evidence = job.evidence;
  const uint16_t port = job.theirs.port;
  const LongQuestions::Kind kind = job.Asks(kAskOthers)
                                       ? LongQuestions::kInetListeners
                                       : LongQuestions::kInetPort;
  const bool allowed = long_questions_.Take(kind, job.request.now_ms);
  if (!allowed && Recall(job)) {
    return;
  }
  const bool others = allowed && job.Asks(kAskOthers);
  const int64_t start = WorkedUs();
  bool bound = false;
  Hosts hosts;
  NearestPorts ports(port);
  const auto take = [&](const InetSocket& listener) {
    const bool serves = listener.Serves(job.theirs);
    if (listener.local.port != port) {
      if (serves && listener.interface == 0 && !IsOwn(job.request, listener)) {
        ports.Add(listener.local.port);
      }
    } else if (listener.interface != 0) {
      bound = true;
    } else if (serves) {
      KeepListener(listener, evidence);  // it has just come
    } else {
      hosts.Add(listener.local);
    }
    return true;
  };
  Answer answer = inet_.Listeners(others ? 0 : port, take);
  // So many that it took too long: the port matters most, and of the others
  // neither the number nor the nearest ones are known.
  if (answer == Answer::kStopped && others &&
      netlink_.Open(job.request.now_ms)) {
    ports = NearestPorts(port);
    answer = inet_.Listeners(port, take);
  }
  if (allowed) {
    long_questions_.Took(kind, WorkedUs() - start);
  }
  if (answer != Answer::kComplete || bound ||
      evidence->listening != Seen::kNotAsked) {
    return;
  }
  evidence->listening = Seen::kNo;
  if (job.Asks(kAskOthers) && hosts.IsEmpty()) {
    ports.Keep(evidence);
  } else if (job.Asks(kAskOthers)) {
    hosts.Keep(evidence);
  }
  if (allowed) {
    Remember(job);
  }
}

void Prober::CountPorts(const Job& job) {
  Evidence* evidence = job.evidence;
  const int32_t size = ConnectionTableSize();
  if (size < 0 || size > kMaxTable) {
    evidence->ports_used = TcpSockets();
    evidence->ports_of = PortsOf::kMachine;
    return;
  }
  if (job.theirs.family == AddressFamily::kNone ||
      !long_questions_.Take(LongQuestions::kConnections, job.request.now_ms) ||
      !netlink_.Open(job.request.now_ms)) {
    return;
  }
  const int64_t start = WorkedUs();
  int32_t count = 0;
  const Answer answer = inet_.CountTowards(job.theirs, &count);
  long_questions_.Took(LongQuestions::kConnections, WorkedUs() - start);
  if (answer == Answer::kComplete || answer == Answer::kStopped) {
    evidence->ports_used = count;
    evidence->ports_of =
        answer == Answer::kComplete ? PortsOf::kPeer : PortsOf::kPeerAtLeast;
  }
}

}  // namespace upstream_502
