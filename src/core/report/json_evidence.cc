// Evidence as raw values.

#include "upstream_502/report/json_evidence.h"

#include <cstdint>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "upstream_502/report/json_object.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

// Each "" for what was not looked at.

absl::string_view NameOf(Where where) {
  switch (where) {
    case Where::kUnknown:
      return "";
    case Where::kThisMachine:
      return "this_machine";
    case Where::kElsewhere:
      return "elsewhere";
  }
  return "";
}

absl::string_view NameOf(PathFault fault) {
  switch (fault) {
    case PathFault::kNotAsked:
      return "";
    case PathFault::kNone:
      return "none";
    case PathFault::kDirectoryMissing:
      return "directory_missing";
    case PathFault::kAbsent:
      return "absent";
    case PathFault::kNotASocket:
      return "not_a_socket";
    case PathFault::kNoPermission:
      return "no_permission";
    case PathFault::kUnclear:
      return "unclear";
  }
  return "";
}

absl::string_view NameOf(FileKind kind) {
  switch (kind) {
    case FileKind::kUnknown:
      return "";
    case FileKind::kSocket:
      return "socket";
    case FileKind::kFile:
      return "file";
    case FileKind::kDirectory:
      return "directory";
    case FileKind::kFifo:
      return "fifo";
    case FileKind::kDevice:
      return "device";
    case FileKind::kLink:
      return "link";
  }
  return "";
}

absl::string_view NameOf(Confinement confinement) {
  switch (confinement) {
    case Confinement::kNotAsked:
      return "";
    case Confinement::kNone:
      return "none";
    case Confinement::kSelinux:
      return "selinux";
    case Confinement::kAppArmor:
      return "apparmor";
  }
  return "";
}

absl::string_view NameOf(FilesOf files) {
  switch (files) {
    case FilesOf::kNotAsked:
      return "";
    case FilesOf::kProcess:
      return "process";
    case FilesOf::kMachine:
      return "machine";
  }
  return "";
}

absl::string_view NameOf(PortsOf ports) {
  switch (ports) {
    case PortsOf::kNotAsked:
      return "";
    case PortsOf::kPeer:
      return "peer";
    case PortsOf::kPeerAtLeast:
      return "peer_at_least";
    case PortsOf::kMachine:
      return "machine";
  }
  return "";
}

absl::string_view NameOf(Named named) {
  switch (named) {
    case Named::kNothing:
      return "";
    case Named::kPorts:
      return "ports";
    case Named::kAddresses:
      return "addresses";
    case Named::kSockets:
      return "sockets";
    case Named::kContext:
      return "context";
    case Named::kHosts:
      return "hosts";
    case Named::kCertificateNames:
      return "certificate_names";
    case Named::kIssuer:
      return "issuer";
    case Named::kServerName:
      return "server_name";
    case Named::kResolvers:
      return "resolvers";
    case Named::kServers:
      return "servers";
    case Named::kMoved:
      return "moved";
  }
  return "";
}

// As the kernel numbers them: ss and netstat show the same words.
absl::string_view StateName(uint8_t state) {
  constexpr absl::string_view kStates[] = {
      "",          "established", "syn_sent",    "syn_recv",   "fin_wait1",
      "fin_wait2", "time_wait",   "close",       "close_wait", "last_ack",
      "listen",    "closing",     "new_syn_recv"};
  return state < std::size(kStates) ? kStates[state] : "";
}

// Writes the members that were looked at.
class Members {
 public:
  explicit Members(std::string* out) : object_(out) {}

  void Number(absl::string_view key, int64_t number) {
    if (number != Evidence::kNotSeen) {
      object_.Number(key, number);
    }
  }
  void Time(absl::string_view key, int64_t seconds) {
    if (seconds != Evidence::kNoTime) {
      object_.Number(key, seconds);
    }
  }
  void Count(absl::string_view key, uint8_t count) {
    if (count != 0xff) {
      object_.Number(key, int{count});
    }
  }
  void User(absl::string_view key, uint32_t id) {
    if (id != Evidence::kNoUser) {
      object_.Number(key, id);
    }
  }
  void Bool(absl::string_view key, Seen seen) {
    if (seen != Seen::kNotAsked) {
      object_.Bool(key, seen == Seen::kYes);
    }
  }
  void Text(absl::string_view key, absl::string_view text) {
    if (!text.empty()) {
      object_.Text(key, text);
    }
  }
  void Close() { object_.Close(); }

 private:
  JsonObject object_;
};

void AppendConnection(const Evidence& evidence, Members* members) {
  members->Text("where", NameOf(evidence.where));
  members->Text("tcp_state", StateName(evidence.tcp_state));
  members->Text("peer_state", StateName(evidence.peer_state));
  members->Number("idle_ms", evidence.idle_ms);
  members->Bool("accepted", evidence.accepted);
  members->Number("unread_bytes", evidence.unread_bytes);
  members->Number("unacknowledged_bytes", evidence.unacknowledged_bytes);
  members->Count("retransmits", evidence.retransmits);
  members->Count("backoff", evidence.backoff);
  members->Count("probes", evidence.probes);
  members->Number("retransmissions", evidence.retransmissions);
  members->Number("requests_to_connect", evidence.requests_to_connect);
  members->Number("last_ack_ms", evidence.last_ack_ms);
  members->Number("rtt_us", evidence.rtt_us);
  members->Number("waiting_bytes", evidence.waiting_bytes);
  members->Number("header_bytes", evidence.header_bytes);
  members->Number("early_status", evidence.early_status);
  members->Text("speaks", SpeaksName(evidence.speaks));
}

void AppendService(const Evidence& evidence, Members* members) {
  members->Bool("listening", evidence.listening);
  members->Bool("listening_hidden", evidence.listening_hidden);
  members->User("listener_uid", evidence.listener_uid);
  members->Number("queue", evidence.queue);
  members->Number("queue_max", evidence.queue_max);
  members->Bool("in_hosts", evidence.in_hosts);
  members->Text("named", NameOf(evidence.named));
  if (evidence.named != Named::kNothing) {
    members->Text("names", evidence.Text());
    members->Number("names_count", evidence.named_count);
  }
  members->Number("moved_seconds", evidence.moved_seconds);
  members->Bool("follows", evidence.follows);
}

void AppendPath(const Event& event, Members* members) {
  const Evidence& evidence = *event.evidence;
  if (evidence.path_fault == PathFault::kNotAsked) {
    return;
  }
  members->Text("path_fault", NameOf(evidence.path_fault));
  members->Text(
      "path",
      absl::StripPrefix(event.peer, "unix:").substr(0, evidence.path_end));
  members->Text("path_kind", NameOf(evidence.path_kind));
  if (evidence.path_mode != Evidence::kNotSeen) {
    std::string mode;
    AppendFormat(&mode, "%04o", evidence.path_mode);
    members->Text("path_mode", mode);
  }
  members->User("path_uid", evidence.path_uid);
  members->User("path_gid", evidence.path_gid);
}

void AppendTls(const Evidence& evidence, Members* members) {
  members->Time("not_before_s", evidence.not_before_s);
  members->Time("not_after_s", evidence.not_after_s);
  members->Number("verify_error", evidence.verify_error);
  if (evidence.chain_length != 0) {
    members->Number("chain_length", evidence.chain_length);
  }
  members->Count("verify_depth", evidence.verify_depth);
  members->Bool("sni", evidence.sni);
}

void AppendMachine(const Evidence& evidence, Members* members) {
  members->User("uid", evidence.uid);
  members->User("gid", evidence.gid);
  members->Text("confinement", NameOf(evidence.confinement));
  members->Number("oom_kills", evidence.oom_kills);
  members->Number("oom_seconds", evidence.oom_seconds);
  members->Text("files_of", NameOf(evidence.files_of));
  members->Number("files_used", evidence.files_used);
  members->Number("files_max", evidence.files_max);
  members->Text("ports_of", NameOf(evidence.ports_of));
  members->Number("ports_used", evidence.ports_used);
  members->Number("ports_max", evidence.ports_max);
  members->Number("connections_used", evidence.connections_used);
  members->Number("connections_max", evidence.connections_max);
}

}  // namespace

void AppendEvidenceJson(const Event& event, std::string* out) {
  if (!event.evidence.has_value()) {
    out->append("null");
    return;
  }
  Members members(out);
  AppendConnection(*event.evidence, &members);
  AppendService(*event.evidence, &members);
  AppendPath(event, &members);
  AppendTls(*event.evidence, &members);
  AppendMachine(*event.evidence, &members);
  members.Close();
}

}  // namespace upstream_502
