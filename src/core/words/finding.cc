// The names of findings.

#include "upstream_502/words/finding.h"

#include <cstddef>
#include <iterator>

namespace upstream_502 {
namespace {

constexpr FindingInfo kFindings[] = {
    {Finding::kResolverUnanswered, "resolver_unanswered", "", "", "", ""},
    {Finding::kHostsOnly, "hosts_only", "", "", "", ""},
    {Finding::kPortClosed, "port_closed", "", "", "", ""},
    {Finding::kOtherAddress, "other_address", "", "", "", ""},
    {Finding::kRejected, "rejected", "", "", "", ""},
    {Finding::kSocketStale, "socket_stale", "", "", "", ""},
    {Finding::kSocketAbsent, "socket_absent", "", "", "", ""},
    {Finding::kSocketHidden, "socket_hidden", "", "", "", ""},
    {Finding::kDirectoryMissing, "directory_missing", "", "", "", ""},
    {Finding::kNotASocket, "not_a_socket", "", "", "", ""},
    {Finding::kNoPermission, "no_permission", "", "", "", ""},
    {Finding::kConfined, "confined", "", "", "", ""},
    {Finding::kQueueFull, "queue_full", "", "", "", ""},
    {Finding::kSynUnanswered, "syn_unanswered", "", "", "", ""},
    {Finding::kSynRepeated, "syn_repeated", "", "", "", ""},
    {Finding::kNotAccepted, "not_accepted", "", "", "", ""},
    {Finding::kNotRead, "not_read", "", "", "", ""},
    {Finding::kNoAnswer, "no_answer", "", "", "", ""},
    {Finding::kUnacknowledged, "unacknowledged", "", "", "", ""},
    {Finding::kServiceGone, "service_gone", "", "", "", ""},
    {Finding::kStillListening, "still_listening", "", "", "", ""},
    {Finding::kOomKill, "oom_kill", "", "", "", ""},
    {Finding::kAnsweredEarly, "answered_early", "", "", "", ""},
    {Finding::kWrongProtocol, "wrong_protocol", "", "", "", ""},
    {Finding::kCertificateExpired, "certificate_expired", "", "", "", ""},
    {Finding::kCertificateNotYetValid, "certificate_not_yet_valid", "", "", "", ""},
    {Finding::kCertificateName, "certificate_name", "", "", "", ""},
    {Finding::kCertificateUntrusted, "certificate_untrusted", "", "", "", ""},
    {Finding::kCertificateChain, "certificate_chain", "", "", "", ""},
    {Finding::kTlsRefusedHere, "tls_refused_here", "", "", "", ""},
    {Finding::kNoServerName, "no_server_name", "", "", "", ""},
    {Finding::kTlsAlert, "tls_alert", "", "", "", ""},
    {Finding::kH2Error, "h2_error", "", "", "", ""},
    {Finding::kHeaderSize, "header_size", "", "", "", ""},
    {Finding::kIdleClosed, "idle_closed", "", "", "", ""},
    {Finding::kClosedInUse, "closed_in_use", "", "", "", ""},
    {Finding::kConnectionsUsed, "connections_used", "", "", "", ""},
    {Finding::kFilesUsed, "files_used", "", "", "", ""},
    {Finding::kPortsUsed, "ports_used", "", "", "", ""},
    {Finding::kPeersDown, "peers_down", "", "", "", ""},
    {Finding::kNameMoved, "name_moved", "", "", "", ""},
    {Finding::kNotRetried, "not_retried", "", "", "", ""},
    {Finding::kSentAgain, "sent_again", "", "", "", ""},
    {Finding::kFromCache, "from_cache", "", "", "", ""},
    {Finding::kOneMethod, "one_method", "", "", "", ""},
    {Finding::kAlwaysAfter, "always_after", "", "", "", ""},
    {Finding::kOnlyReused, "only_reused", "", "", "", ""},
    {Finding::kOnlyLarge, "only_large", "", "", "", ""},
};
static_assert(std::size(kFindings) == kFindingCount);

}  // namespace

const FindingInfo& Info(Finding finding) {
  const auto i = static_cast<size_t>(finding);
  return kFindings[i < kFindingCount ? i : 0];
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
