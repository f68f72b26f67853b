// The report an operator reads in a terminal.

#include "upstream_502/report/text.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "upstream_502/advice/hint.h"
#include "upstream_502/advice/situation.h"
#include "upstream_502/report/text_event.h"
#include "upstream_502/report/text_grpc.h"
#include "upstream_502/report/text_incident.h"
#include "upstream_502/report/text_well.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr size_t kPeersShown = 20;
constexpr size_t kIncidentsShown = 10;
constexpr size_t kTitleColumns = 80;  // of a name

// For columns: in full where it fits.
std::string Count(uint64_t count) {
  constexpr uint64_t kTooWide = 1000000000;
  std::string text;
  if (count < kTooWide) {
    absl::StrAppend(&text, count);
  } else {
    AppendFormat(&text, "%.3e", static_cast<double>(count));
  }
  return text;
}

// A zone may have thousands of upstreams, and this is said in one step: of so
// many that failed all is looked at.
constexpr size_t kLookedThrough = 64;

uint64_t SurelyBeforeAttempts(const CauseCounts& causes) {
  uint64_t before = 0;
  for (size_t i = 0; i < kCauseCount; ++i) {
    before += IsBeforeAttempt(static_cast<Cause>(i)) ? causes[i] : 0;
  }
  return before;
}

// Of all upstreams or of one.
template <typename Stats>
std::string Volume(const Stats& stats, uint64_t before) {
  before = std::min(before, stats.failures);
  const std::string without =
      before == 0 ? "" : absl::StrCat(before, " before any attempt, ");
  return absl::StrCat("requests ", stats.requests, ", attempts ",
                      stats.attempts, ", failures ", stats.failures, " (",
                      without,
                      FormatPercent(stats.failures - before, stats.attempts),
                      " of attempts), rescued ", stats.rescued);
}

void AppendHeader(const Snapshot& snapshot, std::string* out) {
  const ServerInfo& server = snapshot.server;
  const ZoneInfo& zone = snapshot.zone;
  AppendWrapped("", 2,
                absl::StrCat("upstream failures on ", server.hostname, ", ",
                             FormatDateTime(server.time), " UTC"),
                out);
  AppendWrapped(
      "", 2,
      absl::StrCat("nginx ", server.nginx_version, ", module ",
                   server.module_version, ", pid ", server.pid, ", zone ",
                   zone.name, ": ", zone.peers, " of ", zone.peers_max,
                   " peers, ", zone.events, " of ", zone.events_max, " events"),
      out);
  AppendWrapped(
      "", 2,
      absl::StrCat("counting since ", FormatDateTime(server.start_time),
                   " UTC (", FormatDuration(server.time - server.start_time),
                   "), ",
                   server.restarts == 0
                       ? ""
                       : absl::StrCat("over ", server.restarts,
                                      server.restarts == 1 ? " restart, "
                                                           : " restarts, "),
                   "configuration generation ", server.generation, " loaded ",
                   FormatDuration(server.time - server.load_time), " ago"),
      out);
  if (zone.overflow > 0) {
    AppendWrapped("", 2,
                  absl::StrCat("the zone was full ", zone.overflow,
                               " times; what did not fit is counted under "
                               "(other): raise the size of upstream_502_zone"),
                  out);
  }
}

void AppendTotals(const Snapshot& snapshot, std::string* out) {
  const Totals& totals = snapshot.totals;
  out->push_back('\n');
  uint64_t before = 0;
  size_t looked_through = 0;
  for (const UpstreamStats& upstream : snapshot.upstreams) {
    if (upstream.failures > 0) {
      before += ++looked_through <= kLookedThrough
                    ? BeforeAttempts(snapshot, upstream)
                    : SurelyBeforeAttempts(upstream.causes);
    }
  }
  AppendWrapped("", 2, Volume(totals, before), out);
  if (SumResponses(totals.responses) == 0) {
    out->append("no response was a 502, a 504 or nginx's own 500\n");
    return;
  }
  AppendFormat(out, "\n%-10s%16s", "responses", "total");
  for (size_t i = 0; i < kOriginCount; ++i) {
    AppendFormat(out, "%16s", OriginName(static_cast<Origin>(i)));
  }
  out->push_back('\n');
  // The one that matters most first.
  for (const size_t code : {1U, 2U, 0U}) {
    const int status = kResponseCodes[code];
    AppendFormat(out, "%-10d%16s", status,
                 Count(ResponsesWithCode(totals.responses, status)));
    for (const uint64_t count : totals.responses[code]) {
      AppendFormat(out, "%16s", Count(count));
    }
    out->push_back('\n');
  }
}

void AppendDiagnosis(const Diagnosis& diagnosis, int64_t now,
                     std::string* out) {
  std::string text = absl::StrCat(
      absl::AsciiStrToUpper(SeverityName(diagnosis.severity)), " (",
      PatternName(diagnosis.pattern), "): ", diagnosis.summary);
  if (diagnosis.since > 0) {
    absl::StrAppend(&text, " [since ", FormatDateTime(diagnosis.since),
                    " UTC, ", FormatDuration(now - diagnosis.since), "]");
  }
  AppendWrapped("", 2, text, out);
  // What is so, what to do next; then the rest.
  AppendWrapped("  hint: ", 8, diagnosis.hint, out);
  for (const DiagnosisFinding& found : diagnosis.findings) {
    if (absl::StrContains(diagnosis.summary, found.text)) {
      continue;
    }
    AppendWrapped("  why: ", 7,
                  absl::StrCat(found.text, " (", found.count,
                               found.count == 1 ? " time)" : " times)"),
                  out);
  }
  for (const String& check : diagnosis.checks) {
    // In one line, however long: it is there to be pasted.
    absl::StrAppend(out, "  check: ", Plain(check), "\n");
  }
}

// The last hour in 60 columns, against its worst minute.
void AppendLastHour(const History<Minute, kHistoryMinutes>& history,
                    std::string* out) {
  uint32_t peak = 0;
  for (const Minute& minute : history.buckets) {
    peak = std::max(peak, minute.failures);
  }
  if (peak == 0) {
    out->append("last hour: no failure\n");
    return;
  }
  constexpr absl::string_view kLevels = ".:+#";
  out->append("last hour [");
  for (const Minute& minute : history.buckets) {
    const double share =
        static_cast<double>(minute.failures) / static_cast<double>(peak);
    const auto level = std::min<size_t>(static_cast<size_t>(share * 4), 3);
    out->push_back(minute.failures == 0 ? '_' : kLevels[level]);
  }
  absl::StrAppend(out, "] now, peak ", Count(peak), "/min\n");
}

using Peers = std::vector<const PeerStats*>;

// When it began and when it last happened.
void AppendSpan(const Peers& peers, int64_t now, std::string* out) {
  int64_t first = 0;
  int64_t last = 0;
  for (const PeerStats* peer : peers) {
    if (peer->failures > 0) {
      first = first == 0 ? peer->first_failure
                         : std::min(first, peer->first_failure);
      last = std::max(last, peer->last_failure);
    }
  }
  if (last > 0) {
    AppendWrapped("", 2,
                  absl::StrCat("first failure ", FormatDateTime(first),
                               " UTC (", FormatDuration(now - first),
                               " ago), last ", FormatDateTime(last), " UTC (",
                               FormatDuration(now - last), " ago)"),
                  out);
  }
}

// Which of `counts` are not zero, the largest first.
template <typename Counts>
std::vector<size_t> ByCount(const Counts& counts, size_t known) {
  std::vector<size_t> found;
  for (size_t i = 0; i < known; ++i) {
    if (counts[i] > 0) {
      found.push_back(i);
    }
  }
  std::stable_sort(found.begin(), found.end(), [&counts](size_t a, size_t b) {
    return counts[a] > counts[b];
  });
  return found;
}

void AppendCauses(const UpstreamStats& upstream,
                  const std::vector<size_t>& causes, std::string* out) {
  AppendFormat(out, "\n  %-30s%12s%10s\n", "cause", "count", "share");
  for (const size_t i : causes) {
    AppendFormat(out, "  %-30s%12s%10s\n", CauseName(static_cast<Cause>(i)),
                 Count(upstream.causes[i]),
                 FormatPercent(upstream.causes[i], upstream.failures));
  }
}

void AppendFindings(const FindingCounts& counts, std::string* out) {
  const std::vector<size_t> findings = ByCount(counts, kFindingCount);
  if (findings.empty()) {
    return;
  }
  AppendFormat(out, "\n  %-30s%12s\n", "finding", "count");
  for (const size_t i : findings) {
    AppendFormat(out, "  %-30s%12s\n", FindingName(static_cast<Finding>(i)),
                 Count(counts[i]));
  }
}

// The peers to show, worst first.
Peers WorstPeers(Peers worst) {
  const auto shown = worst.begin() + static_cast<ptrdiff_t>(
                                         std::min(worst.size(), kPeersShown));
  std::partial_sort(
      worst.begin(), shown, worst.end(),
      [](const PeerStats* a, const PeerStats* b) {
        return a->failures != b->failures ? a->failures > b->failures : a < b;
      });
  worst.erase(shown, worst.end());
  return worst;
}

void AppendPeers(const Peers& peers, int64_t now, std::string* out) {
  if (peers.empty()) {
    return;
  }
  AppendFormat(out, "\n  %-30s%12s%10s  %-23s  %s\n", "peer", "attempts",
               "failures", "last cause", "last failure");
  const Peers worst = WorstPeers(peers);
  for (const PeerStats* peer : worst) {
    const bool failed = peer->last_failure > 0;
    AppendFormat(
        out, "  %-30s%12s%10s  %-23s  %s\n", Shorten(peer->addr, 30),
        Count(peer->attempts), Count(peer->failures),
        failed ? CauseName(peer->last_cause) : "-",
        failed ? absl::StrCat(FormatDuration(now - peer->last_failure), " ago")
               : "never");
  }
  if (worst.size() < peers.size()) {
    const size_t hidden = peers.size() - worst.size();
    const bool more = worst.back()->failures > 0;
    absl::StrAppend(out, "  and ", hidden, " more",
                    more ? "" : ", none of which failed", "\n");
  }
}

// What the newest event of that upstream and cause knows besides.
std::string HintFor(const Excerpt& excerpt, const UpstreamStats& upstream,
                    const Peers& peers, Cause cause) {
  for (size_t i = 0; i < excerpt.events(); ++i) {
    const Event& event = excerpt.event(i);
    if (event.failure.cause == cause && event.upstream == upstream.name) {
      return Hint(event);
    }
  }
  FailureText text;
  for (const PeerStats* peer : peers) {
    if (peer->causes[static_cast<size_t>(cause)] > 0) {
      text.peer = peer->addr;
      break;
    }
  }
  return Hint({.cause = cause, .protocol = upstream.protocol}, text);
}

void AppendTroubled(const Excerpt& excerpt, const UpstreamStats& upstream,
                    const Diagnosis* diagnosis, std::string* out) {
  const int64_t now = excerpt.snapshot().server.time;
  Peers peers;
  for (const PeerStats& peer : upstream.peers) {
    if (excerpt.Shows(peer)) {
      peers.push_back(&peer);
    }
  }
  AppendTitle(absl::StrCat(Shorten(upstream.name, kTitleColumns), " (",
                           ProtocolName(upstream.protocol), ")"),
              out);
  if (diagnosis != nullptr) {
    AppendDiagnosis(*diagnosis, now, out);
  }
  AppendWrapped(
      "", 2,
      absl::StrCat(
          Volume(upstream, BeforeAttempts(excerpt.snapshot(), upstream)),
          "; 502: ", ResponsesWithCode(upstream.responses, 502),
          ", 504: ", ResponsesWithCode(upstream.responses, 504),
          ", 500: ", ResponsesWithCode(upstream.responses, 500)),
      out);
  AppendGrpc(upstream, out);
  AppendSpan(peers, now, out);
  AppendLastHour(upstream.history, out);
  const std::vector<size_t> causes = ByCount(upstream.causes, kCauseCount);
  AppendCauses(upstream, causes, out);
  AppendFindings(upstream.findings, out);
  AppendPeers(peers, now, out);
  if (diagnosis == nullptr && !causes.empty()) {
    out->push_back('\n');
    AppendWrapped(
        "hint: ", 6,
        HintFor(excerpt, upstream, peers, static_cast<Cause>(causes[0])), out);
  }
}

Part TroubledOnes(const Excerpt& excerpt) {
  const Report& report = excerpt.report();
  return Each(report.troubled.size(),
              [&excerpt, &report](size_t i, std::string* out) {
                const auto& [at, diagnosis] = report.troubled[i];
                const UpstreamStats& upstream = report.snapshot.upstreams[at];
                if (excerpt.Shows(upstream)) {
                  AppendTroubled(excerpt, upstream,
                                 diagnosis == Troubled::kNotDiagnosed
                                     ? nullptr
                                     : &report.diagnoses[diagnosis],
                                 out);
                }
              });
}

void AppendOneIncident(const Excerpt& excerpt, std::string* out) {
  if (excerpt.incidents() == 0) {
    out->append("\nno such incident is on record\n");
    return;
  }
  const Incident& incident = excerpt.incident(0);
  AppendTitle(absl::StrCat("incident ", incident.id, ": ",
                           Shorten(incident.upstream, kTitleColumns), " (",
                           ProtocolName(incident.protocol), ")"),
              out);
  AppendWholeIncident(incident, out);
}

Part LastIncidents(const Excerpt& excerpt) {
  const size_t shown = std::min(excerpt.incidents(), kIncidentsShown);
  return Each(shown, [&excerpt, shown](size_t i, std::string* out) {
    if (i == 0) {
      AppendTitle(absl::StrCat("the last ", shown, " of ", excerpt.incidents(),
                               " incidents, each in full with ?incident=ID"),
                  out);
    }
    AppendTextIncident(excerpt.incident(i), out);
  });
}

void AppendEventsTitle(size_t events, std::string* out) {
  if (events > 0) {
    AppendTitle(absl::StrCat(events, " failures, newest first"), out);
    AppendTextEventHead(out);
  }
}

}  // namespace

std::unique_ptr<Renderer> MakeTextRenderer(const Excerpt& excerpt) {
  std::vector<Part> parts;
  if (excerpt.query().incident) {
    parts.push_back(Once([&excerpt](std::string* out) {
      AppendHeader(excerpt.snapshot(), out);
      AppendOneIncident(excerpt, out);
    }));
  } else {
    parts.push_back(Once([&excerpt](std::string* out) {
      AppendHeader(excerpt.snapshot(), out);
      AppendTotals(excerpt.snapshot(), out);
      AppendVerdict(excerpt, out);
    }));
    parts.push_back(TroubledOnes(excerpt));
    parts.push_back(WithoutFailure(excerpt));
    parts.push_back(GrpcAnswers(excerpt));
    parts.push_back(LastIncidents(excerpt));
  }
  parts.push_back(Once([&excerpt](std::string* out) {
    AppendEventsTitle(excerpt.events(), out);
  }));
  parts.push_back(
      Each(excerpt.events(), [&excerpt](size_t i, std::string* out) {
        AppendTextEvent(excerpt.event(i), out);
      }));
  return std::make_unique<PartsRenderer>(std::move(parts));
}

}  // namespace upstream_502
