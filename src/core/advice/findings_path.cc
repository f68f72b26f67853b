// Findings about the path of a unix socket.

#include <string>

#include "absl/strings/strip.h"
#include "findings_case.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

// With an article; "" for what has no name.
absl::string_view KindWords(FileKind kind) {
  switch (kind) {
    case FileKind::kUnknown:
      break;
    case FileKind::kSocket:
      return "a socket";
    case FileKind::kFile:
      return "a file";
    case FileKind::kDirectory:
      return "a directory";
    case FileKind::kFifo:
      return "a pipe";
    case FileKind::kDevice:
      return "a device";
    case FileKind::kLink:
      return "a link that leads nowhere";
  }
  return "";
}

// The part of the path that is at fault.
std::string PartAtFault(const FindingCase& c) {
  return Plain(
      absl::StripPrefix(c.text.peer, "unix:").substr(0, c.evidence.path_end),
      108);
}

bool IsWhole(const FindingCase& c) {
  return c.evidence.path_end >= absl::StripPrefix(c.text.peer, "unix:").size();
}

std::string Neighbours(const FindingCase& c) {
  const absl::string_view sockets = c.Items(Named::kSockets);
  return sockets.empty()
             ? ""
             : absl::StrCat("; listened on near by: ",
                            Plain(sockets, Evidence::kTextRoom), c.MoreItems());
}

// Another mount namespace and a file that was removed look the same.
void FindHidden(const FindingCase& c) {
  c.Say(Finding::kSocketHidden, "a service listens on ", c.Peer(),
        ", but not on the file seen here: it runs in another mount namespace "
        "(PrivateTmp, a container), or its file was removed or replaced");
}

void FindStale(const FindingCase& c) {
  if (c.evidence.path_kind == FileKind::kSocket &&
      c.evidence.listening == Seen::kNo &&
      c.evidence.listening_hidden != Seen::kYes &&
      (c.evidence.path_fault == PathFault::kNone ||
       c.evidence.path_fault == PathFault::kUnclear)) {
    c.Say(Finding::kSocketStale, c.Peer(),
          " is there, but nobody listens on it", Neighbours(c));
  }
}

void FindOther(const FindingCase& c) {
  const absl::string_view kind = KindWords(c.evidence.path_kind);
  const bool socket = c.evidence.path_kind == FileKind::kSocket;
  if (!kind.empty() && !(socket && IsWhole(c))) {
    c.Say(Finding::kNotASocket, PartAtFault(c), " is ", kind, ", not a ",
          IsWhole(c) ? "socket" : "directory", Neighbours(c));
  }
}

void FindForbidden(const FindingCase& c) {
  const Evidence& e = c.evidence;
  if (e.path_mode < 0 || e.uid == Evidence::kNoUser ||
      e.path_uid == Evidence::kNoUser) {
    return;
  }
  std::string mode;
  AppendFormat(&mode, "%04o", e.path_mode);
  c.Say(Finding::kNoPermission, "nginx's user (uid ", e.uid, ", gid ", e.gid,
        ") may not ", IsWhole(c) ? "write to " : "pass ", PartAtFault(c),
        ": mode ", mode, ", owner uid ", e.path_uid, ", gid ", e.path_gid);
}

// EPERM is the packet filter's word, EACCES may be a security module's.
void FindConfined(const FindingCase& c) {
  constexpr int kEacces = 13;
  const bool selinux = c.evidence.confinement == Confinement::kSelinux;
  if (!selinux && c.evidence.confinement != Confinement::kAppArmor) {
    return;
  }
  if (c.failure.errno_number != kEacces ||
      (c.IsUnix() && c.evidence.path_fault != PathFault::kNone)) {
    return;
  }
  const absl::string_view context = c.Items(Named::kContext);
  c.Say(Finding::kConfined,
        c.IsUnix() ? "the modes of the path allow it, and nginx is confined by "
                   : "nginx is confined by ",
        selinux ? "SELinux" : "AppArmor",
        context.empty() ? "" : absl::StrCat(" (", Plain(context, 80), ")"),
        selinux ? ": look for the denial with ausearch -m avc"
                : ": look for the denial with journalctl -k -g apparmor",
        selinux && !c.IsUnix()
            ? "; setsebool -P httpd_can_network_connect 1 allows nginx to "
              "connect"
            : "");
}

}  // namespace

void FindPath(const FindingCase& c) {
  if (c.IsUnix() && c.evidence.listening_hidden == Seen::kYes) {
    FindHidden(c);
  }
  switch (c.evidence.path_fault) {
    case PathFault::kDirectoryMissing:
      c.Say(Finding::kDirectoryMissing, "the directory ", PartAtFault(c),
            " is not there");
      break;
    case PathFault::kAbsent:
      if (!c.Has(Finding::kSocketHidden)) {
        c.Say(Finding::kSocketAbsent, c.Peer(),
              " is not there, its directory is", Neighbours(c));
      }
      break;
    case PathFault::kNotASocket:
      FindOther(c);
      break;
    case PathFault::kNoPermission:
      FindForbidden(c);
      break;
    case PathFault::kNotAsked:
    case PathFault::kNone:
    case PathFault::kUnclear:
      break;
  }
  if (c.IsUnix()) {
    FindStale(c);
  }
  FindConfined(c);
}

}  // namespace upstream_502
