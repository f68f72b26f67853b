// Of how many attempts failed, since when, and why.

#include "summary.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "upstream_502/advice/limit.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr double kMostly = 0.9;  // below it other causes matter, too

std::string Words(Cause cause) {
  return absl::StrReplaceAll(CauseName(cause), {{"_", " "}});
}

absl::string_view HowOften(const Situation& e) {
  return e.share >= kMostly || e.no_live > 0 ? ""
         : e.share > 0.5                     ? "mostly "
                                             : "most often ";
}

// Servers are out of use for their failures, or kept out by max_conns.
std::string WithoutServer(const Situation& e) {
  return e.no_live == 0 ? ""
         : e.kept_out   ? absl::StrCat("; ", e.no_live,
                                       " of them were sent to no server, see "
                                         "peers_down")
                        : ", until no server of the group was left to try";
}

// What is counted: nothing was tried where every failure came before that.
absl::string_view Counted(const Situation& e) {
  return e.untried >= e.failures ? "request" : "attempt";
}

}  // namespace

std::string LastMinutes(const Situation& e) {
  return absl::StrCat("in the last ", DurationWords(WindowOf(e)));
}

std::string Detail(const Situation& e) {
  const Protocol protocol = e.upstream.protocol;
  const int64_t limit = e.example == nullptr ? -1 : e.example->failure.limit;
  const std::string directive = LimitDirective(LimitOf(e.cause), protocol);
  if (e.cause == Cause::kNoLiveUpstreams && e.kept_out) {
    return ", nginx kept servers out for max_conns, see peers_down";
  }
  if (e.cause == Cause::kNoLiveUpstreams) {
    return absl::StrCat(", and nothing else failed ", LastMinutes(e),
                        ": its servers are marked down, at max_conns, or out "
                        "since before that, or one whose name has no address "
                        "now");
  }
  if (e.cause == Cause::kHeaderTooBig && limit > 0) {
    // A single field may be too large for it, before all of that has come.
    const uint64_t received = e.example->failure.bytes_received;
    return absl::StrCat(", ", directive, " (", ConfigSize(limit), ")",
                        received >= static_cast<uint64_t>(limit)
                            ? absl::StrCat(" was full after ", received,
                                           " bytes, before the header's end")
                            : "");
  }
  // There where it was nginx's own, and was reached.
  if (!directive.empty() && limit > 0) {
    return absl::StrCat(", ", directive, " (", ConfigTime(limit), ") ran out");
  }
  if (e.cause == Cause::kErrorStatus && e.example != nullptr &&
      e.example->failure.received_status > 0) {
    return absl::StrCat(", the backend itself answered ",
                        e.example->failure.received_status);
  }
  if (e.cause == Cause::kBacklogFull) {
    return ", the backend does not accept connections fast enough";
  }
  return "";
}

std::string Reason(const Situation& e) {
  return absl::StrCat(HowOften(e), Words(e.cause), Detail(e), WithoutServer(e));
}

std::string FailedOf(const Situation& e) {
  return e.failures == 1 && e.attempts == 1
             ? absl::StrCat("the only ", Counted(e))
             : absl::StrCat(e.failures, " of ", e.attempts, " ", Counted(e),
                            "s");
}

// The attempts of the others count as good ones only.
std::string PartialSummary(const Situation& e, size_t failing) {
  uint64_t failures = 0;
  uint64_t attempts = 0;
  for (size_t i = 0; i < failing; ++i) {
    failures += e.servers[i].failures;
    attempts += e.servers[i].attempts;
  }
  const std::string who =
      failing == 1
          ? std::string(e.servers[0].stats->addr)
          : absl::StrCat(failing, " of ", e.servers.size(), " servers");
  return absl::StrCat(who, " failed ", failures, " of ", attempts, " attempts ",
                      LastMinutes(e),
                      " while other servers answer: ", Reason(e));
}

std::string IntermittentSummary(const Situation& e) {
  const size_t bursts = Bursts(e);
  const bool flapping =
      bursts >= kTellsPattern && e.cause != Cause::kKeepaliveRace;
  // What only takes long may be a job that runs now and then.
  const bool restarts = e.cause != Cause::kReadTimeout &&
                        e.cause != Cause::kSendTimeout &&
                        e.cause != Cause::kBodyTimeout;
  return absl::StrCat(
      FailedOf(e), " failed ", LastMinutes(e),
      flapping ? absl::StrCat(", in ", bursts, " bursts over the last hour",
                              restarts ? " as if it restarts" : "")
      : e.cause == Cause::kErrorStatus
          ? ", the others are not counted as failed"
      : e.attempts - e.failures == 1 ? ", the other one did not fail"
                                     : ", the others did not fail",
      ": ", Reason(e));
}

std::string OutageSummary(const Situation& e) {
  if (e.last_success == 0 && e.failures < e.attempts) {
    // Clients did not wait for the others, say.
    return absl::StrCat(FailedOf(e), " failed ", LastMinutes(e),
                        ", none was answered: ", Reason(e));
  }
  const uint64_t row = FailuresInARow(e);
  const uint64_t count = row >= kTellsPattern ? row : e.failures;
  const int64_t begun = count == e.failures ? e.since : e.last_success;
  return absl::StrCat(
      count == 1 ? absl::StrCat("The only ", Counted(e))
                 : absl::StrCat("All ", count, " ", Counted(e), "s"),
      " of the last ", DurationWords(e.now() - begun), " failed: ", Reason(e));
}

std::string RecoveredSummary(const Situation& e) {
  return absl::StrCat("Recovered: ", FailedOf(e), " failed, the last one ",
                      DurationWords(e.now() - e.last_failure),
                      " ago: ", Reason(e));
}

}  // namespace upstream_502
