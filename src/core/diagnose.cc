#include "upstream_502/diagnose.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "evidence.h"
#include "upstream_502/checks.h"
#include "upstream_502/hint.h"

namespace upstream_502 {
namespace {

constexpr size_t kMaxPeers = 10;
constexpr size_t kMaxPath = 120;
constexpr int64_t kTimerSlackMs = 100;
// What these take, measured in events looked at.
constexpr size_t kUpstreamWork = 20;
constexpr size_t kDiagnosisWork = 2000;
constexpr double kMostly = 0.9;  // below it other causes matter, too

std::string Span(int64_t ms) {
  const auto say = [](int64_t n, absl::string_view unit) {
    return absl::StrCat(n, " ", unit, n == 1 ? "" : "s");
  };
  const int64_t seconds = std::max<int64_t>(ms, 1000) / 1000;
  return seconds < 100    ? say(seconds, "second")
         : seconds < 7200 ? say(seconds / 60, "minute")
                          : say(seconds / 3600, "hour");
}

std::string Words(Cause cause) {
  return absl::StrReplaceAll(CauseName(cause), {{"_", " "}});
}

// What is known beyond the cause's name.
std::string Detail(const Evidence& e) {
  const Protocol protocol = e.upstream.protocol;
  const int64_t limit = e.example == nullptr ? -1 : e.example->facts.limit;
  const std::string directive = DecidingDirective(e.cause, protocol);
  if (e.cause == Cause::kKeepaliveRace) {
    return ", the backend closes idle connections that nginx still reuses: "
           "raise its keep-alive timeout above nginx's keepalive_timeout";
  }
  if (e.cause == Cause::kHeaderTooBig && limit > 0) {
    return absl::StrCat(", ", directive, " (", FormatSize(limit),
                        ") was full after ", e.example->facts.bytes_received,
                        " bytes, before the header's end");
  }
  // The kernel gives up on a connection by itself, too: then nginx's own
  // timeout was not reached.
  if (!directive.empty() && limit > 0 &&
      e.example->facts.response_time + kTimerSlackMs >= limit) {
    return absl::StrCat(", ", directive, " (", FormatTime(limit), ") ran out");
  }
  if (e.cause == Cause::kErrorStatus && e.example != nullptr &&
      e.example->facts.received_status > 0) {
    return absl::StrCat(", the backend itself answered ",
                        e.example->facts.received_status);
  }
  if (e.cause == Cause::kBacklogFull) {
    return ", the backend does not accept connections fast enough";
  }
  return "";
}

std::string Reason(const Evidence& e) {
  return absl::StrCat(
      e.share < kMostly && !e.no_live ? "mostly " : "", Words(e.cause),
      Detail(e),
      e.no_live ? ", until no server of the group was left to try" : "");
}

std::string Tally(const Evidence& e) {
  return absl::StrCat(e.failures, " of ", e.attempts, " attempts");
}

std::string Window() {
  return absl::StrCat("in the last ", kPeerMinutes, " minutes");
}

// The attempts of the others count as good ones only.
std::string PartialSummary(const Evidence& e, size_t failing) {
  uint64_t failures = 0;
  uint64_t attempts = 0;
  for (size_t i = 0; i < failing; ++i) {
    failures += e.servers[i].failures;
    attempts += e.servers[i].attempts;
  }
  const std::string who =
      failing == 1
          ? e.servers[0].stats->addr
          : absl::StrCat(failing, " of ", e.servers.size(), " servers");
  return absl::StrCat(
      who, " failed ", failures, " of ", attempts, " attempts ", Window(),
      " while other servers answer: ", Reason(e),
      AllRescued(e) ? "; clients saw none of it, nginx asked another one" : "");
}

std::string IntermittentSummary(const Evidence& e) {
  const size_t bursts = Bursts(e);
  const bool flapping = bursts >= kEnough && e.cause != Cause::kKeepaliveRace;
  return absl::StrCat(
      Tally(e), " failed ", Window(),
      flapping ? absl::StrCat(", in ", bursts,
                              " bursts over the last hour as if it restarts")
               : ", the others went well",
      ": ", Reason(e));
}

std::string OutageSummary(const Evidence& e) {
  const uint64_t row = FailuresInARow(e);
  const uint64_t count = row >= kEnough ? row : e.failures;
  return absl::StrCat(count == 1 ? "The only attempt"
                                 : absl::StrCat("All ", count, " attempts"),
                      " of the last ", Span(e.now() - e.since),
                      " failed: ", Reason(e));
}

std::string RecoveredSummary(const Evidence& e) {
  return absl::StrCat("Well again: ", Tally(e), " failed, the last one ",
                      Span(e.now() - e.last_failure), " ago: ", Reason(e));
}

void NamePeers(const Evidence& e, size_t most, Diagnosis* d) {
  for (const Server& server : e.servers) {
    if (server.failures > 0 && d->peers.size() < std::min(most, kMaxPeers)) {
      d->peers.push_back(server.stats->addr);
    }
  }
}

void Judge(const Evidence& e, Diagnosis* d) {
  const uint64_t before = RequestsBeforeReload(e);
  const bool outage = IsOutage(e);
  const size_t failing = FailingServers(e);
  const std::string path = CommonPath(e);
  size_t peers = kMaxPeers;
  d->severity = outage ? Severity::kOutage : Severity::kDegraded;

  if (IsRecovered(e)) {
    d->severity = Severity::kInfo;
    d->pattern = Pattern::kRecovered;
    d->summary = RecoveredSummary(e);
  } else if (e.failures < kEnough) {
    d->severity = Severity::kInfo;
    d->pattern = outage ? Pattern::kOutage : Pattern::kIntermittent;
    d->summary = absl::StrCat(Tally(e), " failed ", Window(),
                              ", too few to tell a pattern: ", Reason(e));
  } else if (before >= kEnough) {
    d->pattern = Pattern::kSinceReload;
    d->summary = absl::StrCat(
        outage ? "Every attempt fails" : absl::StrCat(Tally(e), " failed"),
        " since the configuration was loaded ",
        Span(e.now() - e.snapshot.server.load_time), " ago, the ", before,
        " requests before went well: ", Reason(e));
  } else if (outage) {
    d->pattern = Pattern::kOutage;
    d->summary = OutageSummary(e);
  } else if (failing > 0) {
    d->pattern = Pattern::kPartial;
    d->summary = PartialSummary(e, failing);
    peers = failing;
  } else if (!path.empty() && e.attempts - e.failures >= kEnough) {
    d->pattern = Pattern::kSingleUri;
    d->summary =
        absl::StrCat("All failures on record are on ", path.substr(0, kMaxPath),
                     " (", Tally(e), " failed ", Window(), "): ", Reason(e));
  } else {
    d->pattern = Pattern::kIntermittent;
    d->summary = IntermittentSummary(e);
  }
  NamePeers(e, peers, d);
  if (d->severity != Severity::kInfo && OnlyPosts(e)) {
    absl::StrAppend(&d->summary,
                    "; only requests that nginx does not repeat (POST) reach "
                    "the client broken");
  }
}

Diagnosis DiagnoseOne(const Evidence& e) {
  Diagnosis d;
  d.upstream = e.upstream.name;
  d.cause = e.cause;
  d.share = e.share;
  d.since = e.since;
  Judge(e, &d);

  const std::string uri = CommonPath(e);
  CheckInput input;
  input.cause = e.cause;
  input.protocol = e.upstream.protocol;
  input.upstream = e.upstream.name;
  input.uri = uri;
  if (e.example != nullptr) {
    input.peer = e.example->peer;
    input.message = e.example->message;
    input.errno_number = e.example->facts.errno_number;
    input.limit = e.example->facts.limit;
  }
  if (!d.peers.empty()) {
    input.peer = d.peers[0];
  }
  d.checks = Checks(input);
  d.hint = e.example != nullptr ? Hint(*e.example)
                                : Hint({.cause = e.cause,
                                        .protocol = e.upstream.protocol,
                                        .peer = input.peer});
  return d;
}

}  // namespace

absl::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kOutage:
      return "outage";
    case Severity::kDegraded:
      return "degraded";
    case Severity::kInfo:
      return "info";
  }
  return "";
}

absl::string_view PatternName(Pattern pattern) {
  switch (pattern) {
    case Pattern::kOutage:
      return "outage";
    case Pattern::kPartial:
      return "partial";
    case Pattern::kIntermittent:
      return "intermittent";
    case Pattern::kSingleUri:
      return "single_uri";
    case Pattern::kSinceReload:
      return "since_reload";
    case Pattern::kRecovered:
      return "recovered";
  }
  return "";
}

bool Diagnoser::Next(size_t work) {
  for (size_t done = 0; next_ < snapshot_.upstreams.size(); ++next_) {
    if (done >= work) {
      return true;
    }
    const UpstreamStats& upstream = snapshot_.upstreams[next_];
    const Evidence e = Collect(snapshot_, upstream);
    done += kUpstreamWork + upstream.peers.size();
    if (e.failures > 0) {
      found_.emplace_back(DiagnoseOne(e), e.failures);
      done += kDiagnosisWork + snapshot_.events.size();
    }
  }
  return false;
}

std::vector<Diagnosis> Diagnoser::Take() {
  std::stable_sort(found_.begin(), found_.end(),
                   [](const auto& a, const auto& b) {
                     return a.first.severity != b.first.severity
                                ? a.first.severity < b.first.severity
                                : a.second > b.second;
                   });
  std::vector<Diagnosis> diagnoses;
  diagnoses.reserve(found_.size());
  for (auto& [diagnosis, failures] : found_) {
    diagnoses.push_back(std::move(diagnosis));
  }
  return diagnoses;
}

std::vector<Diagnosis> Diagnose(const Snapshot& snapshot) {
  Diagnoser diagnoser(snapshot);
  diagnoser.Next(SIZE_MAX);
  return diagnoser.Take();
}

}  // namespace upstream_502
