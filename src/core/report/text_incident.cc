// Incidents in the text report.

#include "upstream_502/report/text_incident.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "upstream_502/report/incident.h"
#include "upstream_502/report/parts.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr size_t kCausesInALine = 2;
constexpr size_t kNameColumns = 24;
constexpr size_t kBarColumns = 50;

std::string Of(uint64_t count, const Incident& incident) {
  return FormatPercent(count, incident.failures);
}

// "30 x 500, 2 x 504"
std::string Responses(const Incident& incident) {
  std::string text;
  for (const size_t code : {1U, 2U, 0U}) {
    if (incident.responses[code] > 0) {
      absl::StrAppend(&text, text.empty() ? "" : ", ", incident.responses[code],
                      " x ", kResponseCodes[code]);
    }
  }
  return text.empty() ? "no gateway response reached a client" : text;
}

// An attempt may be counted a moment before its failure opens the incident, and
// an answer be found of no use after that: then their number tells nothing.
std::string Volume(const Incident& incident) {
  uint64_t before = 0;
  for (size_t i = 0; i < kCauseCount; ++i) {
    before += IsBeforeAttempt(static_cast<Cause>(i)) ? incident.causes[i] : 0;
  }
  return absl::StrCat(
      incident.attempts + before < incident.failures
          ? ""
          : absl::StrCat("attempts ", incident.attempts, ", "),
      "failures ", incident.failures,
      before == 0 ? "" : absl::StrCat(" (", before, " before any attempt)"));
}

std::string When(const Incident& incident) {
  const std::string start = FormatDateTime(incident.start);
  const std::string last = FormatDateTime(incident.end).substr(11);
  return incident.open
             ? absl::StrCat("open since ", start, ", last failure ", last)
             : absl::StrCat(start, " to ", last, " (",
                            FormatDuration(incident.end - incident.start), ")");
}

void AppendFacts(const Incident& incident, std::string* out) {
  AppendWrapped("", 2,
                absl::StrCat("began ", FormatDateTime(incident.start), " UTC, ",
                             incident.open ? "not over yet, last failure "
                                           : "last failure ",
                             FormatDateTime(incident.end), " UTC, ",
                             FormatDuration(incident.end - incident.start)),
                out);
  AppendWrapped("", 2,
                absl::StrCat(Volume(incident), ", rescued ", incident.rescued,
                             "; ", Responses(incident)),
                out);
  AppendWrapped(
      "", 2,
      absl::StrCat("configuration generation ", incident.generation,
                   incident.since_reload
                       ? ": it began within 2 minutes of its load, and "
                         "nothing had failed in the hour before"
                       : ""),
      out);
}

void AppendCauses(const Incident& incident, std::string* out) {
  AppendFormat(out, "\n  %-30s%12s%10s\n", "cause", "count", "share");
  for (const Cause cause : CausesOf(incident)) {
    const uint64_t count = incident.causes[static_cast<size_t>(cause)];
    AppendFormat(out, "  %-30s%12d%10s\n", CauseName(cause), count,
                 Of(count, incident));
  }
}

void AppendFindings(const Incident& incident, std::string* out) {
  const std::vector<IncidentFinding> findings = FoundIn(incident);
  if (findings.empty()) {
    return;
  }
  AppendFormat(out, "\n  %-30s%12s\n", "finding", "count");
  for (const IncidentFinding& found : findings) {
    AppendFormat(out, "  %-30s%12d\n", FindingName(found.finding), found.count);
    if (!found.text.empty()) {
      AppendWrapped("    why: ", 9, found.text, out);
    }
  }
}

void AppendPeers(const Incident& incident, std::string* out) {
  if (incident.peers.empty()) {
    return;
  }
  AppendFormat(out, "\n  %-30s%12s%10s\n", "peer", "failures", "share");
  for (const Incident::Peer& peer : incident.peers) {
    AppendFormat(out, "  %-30s%12d%10s\n", Shorten(peer.addr, 30),
                 peer.failures, Of(peer.failures, incident));
  }
}

void AppendTimeline(const Incident& incident, std::string* out) {
  const std::vector<TimelineSpan> spans = TimelineOf(incident);
  uint64_t peak = 1;
  for (const TimelineSpan& span : spans) {
    peak = std::max(peak, span.failures);
  }
  AppendFormat(out, "\n  %-22s%8s%12s\n", "from (UTC)", "for", "failures");
  for (const TimelineSpan& span : spans) {
    const auto bar = static_cast<size_t>(static_cast<double>(span.failures) /
                                         static_cast<double>(peak) *
                                         static_cast<double>(kBarColumns));
    AppendFormat(out, "  %-22s%8s%12d%s", FormatDateTime(span.start),
                 span.width_ms == 0 ? "rest" : FormatDuration(span.width_ms),
                 span.failures, span.failures == 0 ? "" : "  ");
    out->append(span.failures == 0 ? 0 : std::max<size_t>(bar, 1), '#');
    out->push_back('\n');
  }
}

}  // namespace

void AppendTextIncident(const Incident& incident, std::string* out,
                        absl::string_view lead) {
  out->push_back('\n');
  AppendWrapped(lead, 4,
                absl::StrCat("#", incident.id, " ",
                             Shorten(incident.upstream, kNameColumns), "  ",
                             When(incident), ", ", incident.failures,
                             " failures, ", Responses(incident)),
                out);
  std::string why;
  const std::vector<Cause> causes = CausesOf(incident);
  for (size_t i = 0; i < std::min(causes.size(), kCausesInALine); ++i) {
    absl::StrAppend(
        &why, i == 0 ? "" : ", ", CauseName(causes[i]), " ",
        Of(incident.causes[static_cast<size_t>(causes[i])], incident));
  }
  const std::vector<IncidentFinding> findings = FoundIn(incident);
  if (!findings.empty()) {
    absl::StrAppend(&why, "; ",
                    findings[0].text.empty() ? FindingName(findings[0].finding)
                                             : findings[0].text);
  }
  absl::StrAppend(&why, incident.since_reload ? "; began with a reload" : "");
  AppendWrapped("    ", 4, why, out);
}

void AppendWholeIncident(const Incident& incident, std::string* out) {
  AppendFacts(incident, out);
  AppendTimeline(incident, out);
  AppendCauses(incident, out);
  AppendFindings(incident, out);
  AppendPeers(incident, out);
}

}  // namespace upstream_502
