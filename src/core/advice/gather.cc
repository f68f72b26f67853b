// The findings of a situation, counted.

#include "upstream_502/advice/gather.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "upstream_502/advice/limit.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr size_t kMaxFindings = 10;  // to name
constexpr size_t kTellsMany = 5;     // failures that show something in common
constexpr int64_t kLongMs = 500;     // shorter is no time limit
constexpr int64_t kTogetherMs = 1000;
constexpr uint64_t kLargeBytes = 32768;

// One finding on one server.
struct Kind {
  Finding finding;
  std::string text;
  const Event* newest;
  uint64_t count = 0;
  uint64_t first = 0;  // times that it came first, of the dominant cause
};

bool IsOfTheGroup(Finding finding) {
  return IsConsequence(finding) || finding == Finding::kPeersDown ||
         finding == Finding::kNameMoved || finding == Finding::kHostsOnly ||
         finding == Finding::kResolverUnanswered;
}

// Whether it says that the service is not there.
bool TellsNobody(Finding finding) {
  return finding == Finding::kPortClosed || finding == Finding::kSocketStale ||
         finding == Finding::kSocketAbsent || finding == Finding::kServiceGone;
}

// Whether it says that the service was there.
bool TellsSomebody(Finding finding) {
  return finding == Finding::kStillListening || finding == Finding::kNoAnswer ||
         finding == Finding::kNotAccepted || finding == Finding::kNotRead ||
         finding == Finding::kQueueFull;
}

class Gatherer {
 public:
  Gatherer(const Situation& situation, FindingsOf findings_of)
      : e_(situation), findings_of_(findings_of) {}

  Gathered Take();

 private:
  void FindStaying();
  void Count(const Event& event);
  void Sort();
  void Alike();
  void OneMethod();
  bool EndedTogether(const std::vector<const Event*>& events) const;
  void AlwaysAfter();
  void OnlyReused();
  void OnlyLarge();
  void FromCache();
  void LeastIdle(Gathered* gathered) const;
  bool IsCommon(Finding finding) const;
  const Kind* Leader() const;
  void Lead(Gathered* gathered) const;
  void Add(Finding finding, std::string text, bool first);
  std::vector<const Event*> Dominant() const;

  const Situation& e_;
  const FindingsOf findings_of_;
  std::vector<Kind> kinds_;
  std::map<std::pair<Finding, std::string>, size_t> places_;
  std::set<absl::string_view> staying_;  // servers: see FindStaying
  // Failures of which more than the cause could be known, and those among them
  // that are of the dominant one.
  uint64_t asked_ = 0;
  uint64_t dominant_ = 0;
};

// Servers that have answered while their name was said to lead elsewhere: it
// is one address after the other, and has not moved.
void Gatherer::FindStaying() {
  std::map<absl::string_view, int64_t> moved;  // since when, at least
  for (size_t i = 0; i < std::min(e_.events.size(), kMaxGathered); ++i) {
    const Event& event = *e_.events[i];
    if (event.evidence && event.evidence->named == Named::kMoved) {
      moved[event.peer] = event.failure.time_ms;  // newest first
    }
  }
  for (const Server& server : e_.servers) {
    const auto found = moved.find(server.stats->addr);
    if (found != moved.end() && server.stats->last_success > found->second) {
      staying_.insert(found->first);
    }
  }
}

void Gatherer::Count(const Event& event) {
  std::vector<Found> found = findings_of_(event);
  if (staying_.count(event.peer) > 0) {
    std::erase_if(found, [](const Found& one) {
      return one.finding == Finding::kNameMoved;
    });
  }
  const bool dominant = event.failure.cause == e_.cause;
  const bool told =
      std::any_of(found.begin(), found.end(),
                  [](const Found& one) { return !IsConsequence(one.finding); });
  const bool known = event.evidence || told;
  const bool consequence =
      !dominant && event.failure.cause == Cause::kNoLiveUpstreams;
  asked_ += known && !consequence ? 1U : 0U;
  dominant_ += dominant && known ? 1U : 0U;
  bool first = dominant;
  for (const Found& one : found) {
    const std::string peer(IsOfTheGroup(one.finding) ? "" : event.peer.c_str());
    const auto [place, fresh] =
        places_.try_emplace({one.finding, peer}, kinds_.size());
    if (fresh) {
      kinds_.push_back(
          {.finding = one.finding, .text = one.text, .newest = &event});
    }
    Kind& kind = kinds_[place->second];
    ++kind.count;
    if (dominant && kind.newest->failure.cause != e_.cause) {
      kind.newest = &event;  // what it is told with is of the cause's failures
    }
    if (!IsConsequence(one.finding)) {
      kind.first += std::exchange(first, false) ? 1U : 0U;
    }
  }
}

// That a name has moved is known a moment after the first failures, and
// explains them, too.
void Gatherer::Sort() {
  const std::vector<const Event*> dominant = Dominant();
  const Event* newest = dominant.empty() ? nullptr : dominant.front();
  const auto leads = [newest](const Kind& kind) {
    return kind.finding == Finding::kNameMoved && kind.newest == newest;
  };
  std::stable_sort(
      kinds_.begin(), kinds_.end(), [&leads](const Kind& a, const Kind& b) {
        if (leads(a) != leads(b)) {
          return leads(a);
        }
        return a.first != b.first ? a.first > b.first : a.count > b.count;
      });
}

std::vector<const Event*> Gatherer::Dominant() const {
  std::vector<const Event*> events;
  for (const Event* event : e_.events) {
    if (event->failure.cause == e_.cause && events.size() < kMaxGathered) {
      events.push_back(event);
    }
  }
  return events;
}

// One that many failures show together. `first`: before what each shows.
void Gatherer::Add(Finding finding, std::string text, bool first) {
  const std::vector<const Event*> events = Dominant();
  const Kind kind = {.finding = finding,
                     .text = std::move(text),
                     .newest = events.empty() ? nullptr : events.front(),
                     .count = events.size(),
                     .first = first ? events.size() : 0};
  kinds_.insert(first ? kinds_.begin() : kinds_.end(), kind);
}

// What nearly all failures of the cause have in common. Single events do not
// tell it, and few of them no more.
void Gatherer::Alike() {
  if (Dominant().size() >= kTellsMany) {
    OnlyReused();
    OnlyLarge();
    OneMethod();
    AlwaysAfter();
  }
}

// GET and POST are most of the traffic of most sites: they tell nothing.
void Gatherer::OneMethod() {
  const std::vector<const Event*> events = Dominant();
  const String& method = events.front()->method;
  if (method.empty() || method == "GET" || method == "POST" ||
      e_.attempts <= e_.failures) {
    return;
  }
  if (std::all_of(events.begin(), events.end(), [&method](const Event* event) {
        return event->method == method;
      })) {
    Add(Finding::kOneMethod,
        absl::StrCat("every failure on record is of a ", method, " request"),
        false);
  }
}

// Whether what ended them was one thing for all: the service itself, or
// something that hit them at one moment.
bool Gatherer::EndedTogether(const std::vector<const Event*>& events) const {
  const auto [first, last] = std::minmax_element(
      events.begin(), events.end(), [](const Event* a, const Event* b) {
        return a->failure.time_ms < b->failure.time_ms;
      });
  return (*last)->failure.time_ms - (*first)->failure.time_ms < kTogetherMs ||
         std::any_of(kinds_.begin(), kinds_.end(), [](const Kind& kind) {
           return kind.first > 0 && (kind.finding == Finding::kServiceGone ||
                                     kind.finding == Finding::kOomKill);
         });
}

// Of timeouts none: without a limit of nginx's it was this machine's kernel
// that gave up.
void Gatherer::AlwaysAfter() {
  const std::vector<const Event*> events = Dominant();
  if ((e_.cause != Cause::kClosedBeforeResponse &&
       e_.cause != Cause::kResetBeforeResponse) ||
      EndedTogether(events)) {
    return;
  }
  std::vector<int64_t> times;
  for (const Event* event : events) {
    times.push_back(event->failure.response_time);
  }
  std::sort(times.begin(), times.end());
  const int64_t middle = times[times.size() / 2];
  const int64_t slack = std::max<int64_t>(middle / 20, 150);
  const auto near =
      std::count_if(times.begin(), times.end(), [middle, slack](int64_t time) {
        return time >= middle - slack && time <= middle + slack;
      });
  if (middle < kLongMs || static_cast<size_t>(near) * 10 < times.size() * 9) {
    return;
  }
  const int64_t round =
      middle < 2000 ? middle / 100 * 100 : middle / 1000 * 1000;
  Add(Finding::kAlwaysAfter,
      absl::StrCat("nearly all failed after ", ConfigTime(round),
                   ", which is no limit of nginx's: a limit on the other side, "
                   "of the service or of a load balancer"),
      true);
}

// Where connections are hardly ever idle all of them are kept ones, and that
// tells nothing.
void Gatherer::OnlyReused() {
  if (e_.cause == Cause::kKeepaliveRace) {
    return;
  }
  int32_t least = INT32_MAX;
  for (const Event* event : Dominant()) {
    const int32_t idle = event->evidence ? event->evidence->idle_ms : -1;
    if (event->failure.reused == 0 || idle < kLongIdleMs) {
      return;
    }
    least = std::min(least, idle);
  }
  Add(Finding::kOnlyReused,
      absl::StrCat("every failure on record is on a connection that was kept "
                   "and idle for ",
                   FormatDuration(least), " or more, none on a new one"),
      false);
}

void Gatherer::OnlyLarge() {
  uint64_t least = UINT64_MAX;
  for (const Event* event : Dominant()) {
    least = std::min(least, event->failure.bytes_sent);
  }
  if (least >= kLargeBytes && e_.attempts > e_.failures) {
    Add(Finding::kOnlyLarge,
        absl::StrCat("every failure on record had sent ", least / 1024,
                     " kB of its request or more"),
        false);
  }
}

void Gatherer::FromCache() {
  const uint64_t replayed = ReplayedByCache(e_);
  if (replayed == 0) {
    return;
  }
  Add(Finding::kFromCache,
      absl::StrCat("an error is replayed from nginx's cache: ", replayed,
                   " of ", Responses502(e_), " responses with 502 in the last ",
                   DurationWords(WindowOf(e_)), " asked no server; ",
                   DirectivePrefix(e_.upstream.protocol),
                   "_cache_valid keeps it, or the answer's own header"),
      true);
  kinds_.front().count = kinds_.front().first = replayed;
}

// The value that is safe is below all of the times.
void Gatherer::LeastIdle(Gathered* gathered) const {
  int32_t least = INT32_MAX;
  uint64_t seen = 0;
  for (const Event* event : Dominant()) {
    const int32_t idle = event->evidence ? event->evidence->idle_ms : -1;
    if (idle >= kLongIdleMs) {
      least = std::min(least, idle);
      ++seen;
    }
  }
  if (seen < kTellsPattern || !gathered->evidence) {
    return;
  }
  gathered->evidence->idle_ms = least;
  for (DiagnosisFinding& finding : gathered->findings) {
    if (finding.finding == Finding::kIdleClosed) {
      finding.text = absl::StrCat(
          "the backend closes connections that were idle for ",
          ConfigTime(least),
          " or more: keepalive_timeout in the upstream block is safe below "
          "that, at ",
          ConfigTime(SafeKeepAlive(least)));
    }
  }
}

// On all servers together: a rare one is no answer to the others.
bool Gatherer::IsCommon(Finding finding) const {
  uint64_t count = 0;
  for (const Kind& kind : kinds_) {
    count += kind.finding == finding ? kind.count : 0;
  }
  return count * 4 >= dominant_ || finding == Finding::kFromCache;
}

// The finding that leads. What a service that is there did is no news where it
// has ceased to be since.
const Kind* Gatherer::Leader() const {
  const auto kind = std::find_if(
      kinds_.begin(), kinds_.end(),
      [](const Kind& k) { return k.first > 0 && !IsConsequence(k.finding); });
  if (kind == kinds_.end() || !IsCommon(kind->finding)) {
    return nullptr;
  }
  if (!TellsSomebody(kind->finding)) {
    return &*kind;
  }
  const uint64_t enough = kind->finding == Finding::kStillListening ? 1 : 2;
  const auto ceased = std::find_if(
      kinds_.begin(), kinds_.end(), [&kind, enough](const Kind& other) {
        return TellsNobody(other.finding) && other.count >= enough &&
               other.newest->peer == kind->newest->peer &&
               other.newest->failure.time_ms > kind->newest->failure.time_ms;
      });
  return ceased != kinds_.end() ? &*ceased : &*kind;
}

void Gatherer::Lead(Gathered* gathered) const {
  const Kind* kind = Leader();
  if (kind == nullptr) {
    return;
  }
  gathered->lead = kind->finding;
  gathered->example = kind->newest;
  if (kind->newest != nullptr) {
    gathered->evidence = kind->newest->evidence;
  }
  LeastIdle(gathered);
  const auto at = static_cast<size_t>(kind - kinds_.data());
  gathered->sentence = gathered->findings[at].text;
  if (kind->finding == Finding::kFromCache) {
    return;  // it has its numbers in it
  }
  const auto alike =
      std::count_if(kinds_.begin(), kinds_.end(), [&kind](const Kind& other) {
        return other.finding == kind->finding && &other != kind;
      });
  const uint64_t whole = std::max(asked_, kind->count);
  absl::StrAppend(&gathered->sentence, " (", kind->count, " of ", whole,
                  alike == 0 ? ""
                             : absl::StrCat(", likewise ", alike, " other ",
                                            alike == 1 ? "server" : "servers"),
                  ")");
}

Gathered Gatherer::Take() {
  FindStaying();
  for (size_t i = 0; i < std::min(e_.events.size(), kMaxGathered); ++i) {
    Count(*e_.events[i]);
  }
  Sort();
  Alike();
  FromCache();
  Gathered gathered;
  for (const Kind& kind : kinds_) {
    gathered.findings.push_back({kind.finding, String(kind.text), kind.count});
  }
  Lead(&gathered);
  if (gathered.findings.size() > kMaxFindings) {
    gathered.findings.resize(kMaxFindings);
  }
  return gathered;
}

}  // namespace

Gathered Gather(const Situation& situation, FindingsOf findings_of) {
  return Gatherer(situation, findings_of).Take();
}

uint64_t ReplayedByCache(const Situation& e) {
  const uint64_t cached =
      ResponsesWithOrigin(e.upstream.responses, Origin::kCache);
  const uint64_t accounted =
      e.failures + ResponsesWithOrigin(e.upstream.responses, Origin::kConfig);
  const uint64_t responses = Responses502(e);
  return responses > accounted && cached >= kTellsPattern
             ? std::min(cached, responses - e.failures)
             : 0;
}

}  // namespace upstream_502
