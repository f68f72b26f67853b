// The names of findings. Temporary: the table of findings takes its place.

#include "upstream_502/words/finding.h"

#include <iterator>

namespace upstream_502 {
namespace {

constexpr FindingInfo Named(Finding finding, absl::string_view name) {
  return {finding, name, "", "", "", ""};
}

constexpr FindingInfo kFindings[] = {
    Named(Finding::kResolverUnanswered, "resolver_unanswered"),
    Named(Finding::kHostsOnly, "hosts_only"),
    Named(Finding::kPortClosed, "port_closed"),
    Named(Finding::kOtherAddress, "other_address"),
    Named(Finding::kRejected, "rejected"),
    Named(Finding::kSocketStale, "socket_stale"),
    Named(Finding::kSocketAbsent, "socket_absent"),
    Named(Finding::kSocketHidden, "socket_hidden"),
    Named(Finding::kDirectoryMissing, "directory_missing"),
    Named(Finding::kNotASocket, "not_a_socket"),
    Named(Finding::kNoPermission, "no_permission"),
    Named(Finding::kConfined, "confined"),
    Named(Finding::kQueueFull, "queue_full"),
    Named(Finding::kSynUnanswered, "syn_unanswered"),
    Named(Finding::kSynRepeated, "syn_repeated"),
    Named(Finding::kNotAccepted, "not_accepted"),
    Named(Finding::kNotRead, "not_read"),
    Named(Finding::kNoAnswer, "no_answer"),
    Named(Finding::kUnacknowledged, "unacknowledged"),
    Named(Finding::kServiceGone, "service_gone"),
    Named(Finding::kStillListening, "still_listening"),
    Named(Finding::kOomKill, "oom_kill"),
    Named(Finding::kAnsweredEarly, "answered_early"),
    Named(Finding::kWrongProtocol, "wrong_protocol"),
    Named(Finding::kCertificateExpired, "certificate_expired"),
    Named(Finding::kCertificateNotYetValid, "certificate_not_yet_valid"),
    Named(Finding::kCertificateName, "certificate_name"),
    Named(Finding::kCertificateUntrusted, "certificate_untrusted"),
    Named(Finding::kCertificateChain, "certificate_chain"),
    Named(Finding::kTlsRefusedHere, "tls_refused_here"),
    Named(Finding::kNoServerName, "no_server_name"),
    Named(Finding::kTlsAlert, "tls_alert"),
    Named(Finding::kH2Error, "h2_error"),
    Named(Finding::kHeaderSize, "header_size"),
    Named(Finding::kIdleClosed, "idle_closed"),
    Named(Finding::kClosedInUse, "closed_in_use"),
    Named(Finding::kConnectionsUsed, "connections_used"),
    Named(Finding::kFilesUsed, "files_used"),
    Named(Finding::kPortsUsed, "ports_used"),
    Named(Finding::kPeersDown, "peers_down"),
    Named(Finding::kNameMoved, "name_moved"),
    Named(Finding::kNotRetried, "not_retried"),
    Named(Finding::kSentAgain, "sent_again"),
    Named(Finding::kFromCache, "from_cache"),
    Named(Finding::kOneMethod, "one_method"),
    Named(Finding::kAlwaysAfter, "always_after"),
    Named(Finding::kOnlyReused, "only_reused"),
    Named(Finding::kOnlyLarge, "only_large"),
};
static_assert(std::size(kFindings) == kFindingCount);

}  // namespace

const FindingInfo& Info(Finding finding) {
  return kFindings[static_cast<size_t>(finding)];
}

absl::string_view FindingName(Finding finding) { return Info(finding).name; }

bool ParseFinding(absl::string_view name, Finding* finding) {
  for (const FindingInfo& info : kFindings) {
    if (info.name == name) {
      *finding = info.finding;
      return true;
    }
  }
  return false;
}

}  // namespace upstream_502
