// Whether bytes are evidence.

#include "upstream_502/store/evidence_bytes.h"

#include <cstdint>
#include <cstring>

namespace upstream_502 {
namespace {

// The last value of each; a new one of evidence.h moves up here.
constexpr Where kLastWhere = Where::kElsewhere;
constexpr PathFault kLastPathFault = PathFault::kUnclear;
constexpr FileKind kLastFileKind = FileKind::kLink;
constexpr Confinement kLastConfinement = Confinement::kAppArmor;
constexpr FilesOf kLastFilesOf = FilesOf::kMachine;
constexpr PortsOf kLastPortsOf = PortsOf::kMachine;
constexpr Named kLastNamed = Named::kMoved;
static_assert(static_cast<size_t>(kLastNamed) + 1 == kNamedCount);

bool IsKnown(Seen seen) {
  return seen == Seen::kNo || seen == Seen::kYes || seen == Seen::kNotAsked;
}

bool AreNamesKnown(const Evidence& e) {
  return e.where <= kLastWhere && IsKnown(e.accepted) && IsKnown(e.listening) &&
         IsKnown(e.listening_hidden) && IsKnown(e.in_hosts) && IsKnown(e.sni) &&
         IsKnown(e.follows) && static_cast<int>(e.speaks) < kSpeaksCount &&
         e.path_fault <= kLastPathFault && e.path_kind <= kLastFileKind &&
         e.confinement <= kLastConfinement && e.files_of <= kLastFilesOf &&
         e.ports_of <= kLastPortsOf && e.named <= kLastNamed;
}

// Not seen, or a number that can be.
bool AreNumbersPossible(const Evidence& e) {
  for (const int32_t number : {e.idle_ms,
                               e.unacknowledged_bytes,
                               e.retransmissions,
                               e.last_ack_ms,
                               e.rtt_us,
                               e.unread_bytes,
                               e.queue,
                               e.queue_max,
                               e.waiting_bytes,
                               e.header_bytes,
                               e.oom_kills,
                               e.oom_seconds,
                               e.moved_seconds,
                               e.files_used,
                               e.files_max,
                               e.ports_used,
                               e.ports_max,
                               e.connections_used,
                               e.connections_max,
                               int32_t{e.path_mode},
                               int32_t{e.early_status},
                               int32_t{e.requests_to_connect},
                               int32_t{e.verify_error}}) {
    if (number < Evidence::kNotSeen) {
      return false;
    }
  }
  return e.path_mode <= 07777 && e.early_status <= 999;
}

}  // namespace

std::optional<Evidence> EvidenceOf(absl::string_view bytes) {
  if (bytes.size() < kEvidenceBytesMin || bytes.size() > sizeof(Evidence)) {
    return std::nullopt;
  }
  Evidence evidence;
  std::memcpy(&evidence, bytes.data(), bytes.size());
  if (kEvidenceBytesMin + evidence.text_size != bytes.size() ||
      !AreNamesKnown(evidence) || !AreNumbersPossible(evidence)) {
    return std::nullopt;
  }
  return evidence;
}

}  // namespace upstream_502
