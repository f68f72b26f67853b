// The rules that make a diagnosis of a situation.

#include "upstream_502/advice/diagnose.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "findings_case.h"
#include "silence.h"
#include "summary.h"
#include "upstream_502/advice/address.h"
#include "upstream_502/advice/checks.h"
#include "upstream_502/advice/confirm.h"
#include "upstream_502/advice/gather.h"
#include "upstream_502/advice/hint.h"
#include "upstream_502/advice/situation.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr size_t kMaxPeers = 10;
constexpr size_t kMaxPath = 120;
constexpr size_t kMaxQuote = 160;
// What these take, measured in events looked at.
constexpr size_t kUpstreamWork = 20;
constexpr size_t kDiagnosisWork = 2000;
constexpr size_t kFindingsWork = 50;  // of one event

void NamePeers(const Situation& e, size_t most, Diagnosis* d) {
  for (const Server& server : e.servers) {
    if (server.failures > 0 && d->peers.size() < std::min(most, kMaxPeers)) {
      d->peers.push_back(server.stats->addr);
    }
  }
}

// Neither replays of a cache nor failures are there beside them.
bool IsIdleOnly(const Situation& e) {
  return e.failures == 0 && e.idle_ends > 0 && ReplayedByCache(e) == 0;
}

void NameIdlePeers(const Situation& e, Diagnosis* d) {
  for (const Server& server : e.servers) {
    if (d->peers.size() < kMaxPeers && server.idle_ends > 0) {
      d->peers.push_back(server.stats->addr);
    }
  }
}

// Neither an outage nor anything broken: nobody had anything to say.
void TellIdleEnds(const Situation& e, Diagnosis* d) {
  d->severity = Severity::kInfo;
  d->pattern = Pattern::kIntermittent;
  d->summary = absl::StrCat(
      e.idle_ends, e.idle_ends == 1 ? " idle connection" : " idle connections",
      " ended ", LastMinutes(e),
      e.example != nullptr && e.example->failure.event_stream != 0
          ? ", of event streams (text/event-stream)"
          : ", after the switch to another protocol (101)",
      Detail(e));
}

// Where nothing failed, and clients get the failures of before.
void TellReplays(const Situation& e, Diagnosis* d) {
  d->severity = Severity::kDegraded;
  d->pattern = Pattern::kIntermittent;
  d->summary = absl::StrCat("no attempt failed ", LastMinutes(e));
  const CauseCounts& causes = e.upstream.causes;
  d->cause = static_cast<Cause>(std::max_element(causes.begin(), causes.end()) -
                                causes.begin());
  for (const PeerStats& peer : e.upstream.peers) {
    d->since = std::max(d->since, peer.last_failure);
  }
}

void ChoosePattern(const Situation& e, Diagnosis* d) {
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
  } else if (e.failures < kTellsPattern) {
    d->severity = Severity::kInfo;
    d->pattern = outage ? Pattern::kOutage : Pattern::kIntermittent;
    d->summary = absl::StrCat(FailedOf(e), " failed ", LastMinutes(e),
                              ", too few to tell a pattern: ", Reason(e));
  } else if (before >= kTellsPattern) {
    d->pattern = Pattern::kSinceReload;
    d->summary = absl::StrCat(
        outage ? "Every attempt fails" : absl::StrCat(FailedOf(e), " failed"),
        " since the configuration was loaded ",
        DurationWords(e.now() - e.snapshot.server.load_time),
        " ago, none of the ", before, " requests before did: ", Reason(e));
  } else if (outage) {
    d->pattern = Pattern::kOutage;
    d->summary = OutageSummary(e);
  } else if (failing > 0) {
    d->pattern = Pattern::kPartial;
    d->summary = PartialSummary(e, failing);
    peers = failing;
  } else if (!path.empty() && e.attempts - e.failures >= kTellsPattern) {
    d->pattern = Pattern::kSingleUri;
    d->summary = absl::StrCat("All failures on record are on ",
                              path.substr(0, kMaxPath), " (", FailedOf(e),
                              " failed ", LastMinutes(e), "): ", Reason(e));
  } else {
    d->pattern = Pattern::kIntermittent;
    d->summary = IntermittentSummary(e);
  }
  NamePeers(e, peers, d);
  if (d->severity != Severity::kInfo && AllRescued(e)) {
    d->summary += AnotherServerAnswered(e)
                      ? "; clients saw none of it, nginx asked another one"
                      : "; no client got a 502 or 504 because of it";
  }
  if (d->severity != Severity::kInfo && OnlyPosts(e)) {
    d->summary +=
        "; only requests that nginx does not repeat (POST) reach the client "
        "broken";
  }
}

// Whose name says less than nginx's own words.
bool IsVague(Cause cause) {
  return cause == Cause::kInternalError || cause == Cause::kHeaderInvalid ||
         cause == Cause::kProtocolError || cause == Cause::kConnectionFailed ||
         cause == Cause::kTlsProtocolError ||
         cause == Cause::kTlsCertificateInvalid;
}

void Quote(const Situation& e, Diagnosis* d) {
  if (e.example == nullptr || e.example->message.empty()) {
    return;
  }
  const bool caught =
      e.cause == Cause::kErrorStatus && e.example->failure.received_status == 0;
  if (caught || IsVague(e.cause)) {
    d->summary +=
        absl::StrCat("; nginx's words: ", Plain(e.example->message, kMaxQuote));
  }
}

// What was seen goes first; how often and since when comes after it. What is
// over is told as such.
void Lead(const Situation& e, const Gathered& gathered, Diagnosis* d) {
  if (!gathered.lead) {
    Quote(e, d);
    return;
  }
  if (d->pattern == Pattern::kRecovered) {
    d->summary += absl::StrCat("; it was: ", gathered.sentence);
    return;
  }
  String rest = std::move(d->summary);
  rest[0] = absl::ascii_tolower(static_cast<unsigned char>(rest[0]));
  d->summary = absl::StrCat(gathered.sentence, "; ", rest);
  if (*gathered.lead == Finding::kFromCache) {
    d->severity = std::min(d->severity, Severity::kDegraded);
  }
}

// What ends the requests of a server that has answered is another matter.
bool IsSilent(const Situation& e, const Gathered& gathered) {
  if (e.cause != Cause::kClosedBeforeResponse &&
      e.cause != Cause::kResetBeforeResponse &&
      e.cause != Cause::kReadTimeout) {
    return false;
  }
  const Finding lead = gathered.lead.value_or(Finding::kStillListening);
  return (lead == Finding::kStillListening || lead == Finding::kNoAnswer ||
          lead == Finding::kAlwaysAfter) &&
         HasNeverAnswered(e);
}

// Whether this nginx itself listens there; of an address that is no loopback
// only where it is named.
bool IsItself(const Situation& e, absl::string_view peer) {
  const PeerAddress address = ParsePeer(peer);
  const std::string any =
      address.loopback && !address.port.empty()
          ? absl::StrCat(address.ipv6 ? "[::]:" : "0.0.0.0:", address.port)
          : "";
  const List<String>& listens = e.snapshot.server.listens;
  return std::any_of(listens.begin(), listens.end(), [&](const String& listen) {
    return listen == peer || listen == any;
  });
}

// Where nobody has to listen for it to work: a rule of the kernel's leads a
// port elsewhere, for Docker or a NodePort, and none does now.
bool MayBeLed(const Situation& e, const Gathered& gathered,
              const PeerAddress& address) {
  return gathered.lead == Finding::kPortClosed && !address.loopback &&
         std::any_of(e.servers.begin(), e.servers.end(),
                     [&gathered](const Server& server) {
                       return server.stats->last_success > 0 &&
                              server.stats->addr == gathered.example->peer;
                     });
}

// What is known of the server beyond its failures.
void AdviseOn(const Situation& e, const Gathered& gathered,
              absl::string_view peer, Diagnosis* d) {
  const PeerAddress address = ParsePeer(peer);
  if (IsItself(e, peer)) {
    d->hint = absl::StrCat(peer,
                           " is an address that this nginx itself listens on: "
                           "does the target lead back here; else ",
                           absl::string_view(d->hint));
  } else if (MayBeLed(e, gathered, address)) {
    d->hint +=
        "; it has answered before: or a rule led that port elsewhere (Docker, "
        "a NodePort), and does not now";
    d->checks.push_back(String(
        absl::StrCat("nft list ruleset 2>/dev/null | grep -w ", address.port,
                     "; iptables-save 2>/dev/null | grep -w ", address.port,
                     "  # rules that lead it elsewhere")));
  }
}

void Advise(const Situation& e, const Gathered& gathered, Diagnosis* d) {
  const Event* example =
      gathered.example != nullptr ? gathered.example : e.example;
  // Where no event is left, what is known of all of them.
  Failure failure =
      example != nullptr
          ? example->failure
          : Failure{.cause = d->cause, .protocol = e.upstream.protocol};
  FailureText text = example != nullptr ? TextOf(*example) : FailureText();
  if (example == nullptr && !d->peers.empty()) {
    text.peer = d->peers[0];
  }
  const bool silent = IsSilent(e, gathered);
  const std::string hint = gathered.lead ? HintOf(*gathered.lead, failure, text)
                                         : Hint(failure, text);
  d->hint = silent ? HintOfSilence(failure, text, hint) : hint;
  failure.protocol = e.upstream.protocol;

  const std::string uri = CommonPath(e);
  text.upstream = e.upstream.name;
  text.uri = uri.empty() && example != nullptr ? PathOf(*example) : uri;
  if (gathered.example == nullptr && !d->peers.empty()) {
    text.peer = d->peers[0];
  }
  const Evidence* evidence = gathered.evidence ? &*gathered.evidence
                             : example != nullptr && example->evidence
                                 ? &*example->evidence
                                 : nullptr;
  const auto add = [d](const std::vector<std::string>& checks) {
    d->checks.insert(d->checks.end(), checks.begin(), checks.end());
    return !checks.empty();
  };
  if (silent) {
    add(ConfirmSilence(failure, text, evidence));
  }
  if (!gathered.lead ||
      !add(Confirm(*gathered.lead, failure, text, evidence))) {
    add(Checks(failure, text, evidence));
  }
  AdviseOn(e, gathered, text.peer, d);
}

Diagnosis DiagnoseOne(const Situation& e, FindingsOf findings_of) {
  Diagnosis d;
  d.upstream = e.upstream.name;
  d.cause = e.cause;
  d.share = e.share;
  d.since = e.since;
  const bool idle = IsIdleOnly(e);
  if (idle) {
    TellIdleEnds(e, &d);
    NameIdlePeers(e, &d);
  } else if (e.failures == 0) {
    TellReplays(e, &d);
  } else {
    ChoosePattern(e, &d);
  }
  Gathered gathered = Gather(e, findings_of);
  if (idle) {
    gathered.lead.reset();  // there was nothing to answer
  }
  Lead(e, gathered, &d);
  Advise(e, gathered, &d);
  d.findings = std::move(gathered.findings);
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
    const Situation e = Collect(snapshot_, upstream);
    done += kUpstreamWork + upstream.peers.size();
    if (e.failures > 0 || e.idle_ends > 0 || ReplayedByCache(e) > 0) {
      found_.emplace_back(DiagnoseOne(e, findings_of_), e.failures);
      done += kDiagnosisWork + snapshot_.events.size() +
              kFindingsWork * std::min(e.events.size(), kMaxGathered);
    }
  }
  return false;
}

// Their places are sorted: diagnoses are heavy to move.
List<Diagnosis> Diagnoser::Take() {
  std::vector<uint32_t> order(found_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [this](uint32_t i, uint32_t j) {
    const auto& [a, a_failures] = found_[i];
    const auto& [b, b_failures] = found_[j];
    return a.severity != b.severity ? a.severity < b.severity
                                    : a_failures > b_failures;
  });
  List<Diagnosis> diagnoses;
  diagnoses.reserve(order.size());
  for (const uint32_t i : order) {
    diagnoses.push_back(std::move(found_[i].first));
  }
  return diagnoses;
}

List<Diagnosis> Diagnose(const Snapshot& snapshot) {
  Diagnoser diagnoser(snapshot);
  diagnoser.Next(SIZE_MAX);
  return diagnoser.Take();
}

}  // namespace upstream_502
