// The last minutes of one upstream, gathered.

#include "upstream_502/advice/situation.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/str_split.h"

namespace upstream_502 {
namespace {

constexpr size_t kTellsRequests = 5;     // to say something about requests
constexpr size_t kQuietMinutes = 5;      // end a spell of failures
constexpr int64_t kAtOnceMs = 10000;     // behind a reload
constexpr int64_t kAnsweringMs = 1000;   // a failure now and then is none
constexpr int64_t kNoSuccessMs = 10000;  // in a busy group: nothing works

// How many of `none`, failures since `since` that no server has, were before
// any attempt; `causes` are those of all failures, and `surely` tells of which
// all were. Of others only events tell: the attempt may have gone well, and its
// answer was of no use (to auth_request, say).
uint64_t Untried(const Snapshot& snapshot, const UpstreamStats& upstream,
                 const CauseCounts& causes, uint64_t none, int64_t since,
                 bool (*surely)(Cause)) {
  uint64_t sure = 0;
  for (size_t i = 0; i < kCauseCount; ++i) {
    sure += surely(static_cast<Cause>(i)) ? causes[i] : 0;
  }
  sure = std::min(none, sure);
  if (sure == none || upstream.attempts == 0) {
    return none;
  }
  CauseCounts beside = upstream.causes;  // what no server has
  for (const PeerStats& peer : upstream.peers) {
    for (size_t i = 0; i < kCauseCount; ++i) {
      beside[i] -= std::min(beside[i], peer.causes[i]);
    }
  }
  uint64_t events = 0;
  uint64_t untried = 0;
  for (const Event& event : snapshot.events) {
    const Failure& failure = event.failure;
    if (event.upstream == upstream.name && failure.time_ms >= since &&
        !surely(failure.cause) &&
        beside[static_cast<size_t>(failure.cause)] > 0) {
      ++events;
      untried += failure.attempt == 0 ? 1U : 0U;
    }
  }
  return sure + (events == 0 ? 0 : (none - sure) * untried / events);
}

int64_t WindowStart(const Situation& e) {
  return e.now() - static_cast<int64_t>(kPeerMinutes) * kMinuteMs;
}

void CollectServers(Situation* e) {
  uint64_t attempts = 0;
  uint64_t failures = 0;
  for (const PeerStats& peer : e->upstream.peers) {
    Server server{.stats = &peer};
    for (const PeerMinute& minute : peer.recent.buckets) {
      const uint32_t idle = std::min(minute.idle_ends, minute.failures);
      server.attempts += minute.attempts - std::min(idle, minute.attempts);
      server.failures += minute.failures - idle;
      server.idle_ends += idle;
    }
    // A minute may be read while it is counted.
    server.attempts = std::max(server.attempts, server.failures);
    e->idle_ends += server.idle_ends;
    attempts += server.attempts;
    failures += server.failures;
    e->last_failure = std::max(e->last_failure, peer.last_failure);
    e->last_success = std::max(e->last_success, peer.last_success);
    e->servers.push_back(server);
  }
  std::stable_sort(e->servers.begin(), e->servers.end(),
                   [](const Server& a, const Server& b) {
                     return a.ratio() != b.ratio() ? a.ratio() > b.ratio()
                                                   : a.failures > b.failures;
                   });

  // Failures without a server are only known to the group.
  uint64_t counted = 0;
  for (size_t i = kHistoryMinutes - kPeerMinutes; i < kHistoryMinutes; ++i) {
    counted += e->upstream.history.buckets[i].failures;
  }
  counted -= std::min(counted, e->idle_ends);
  e->failures = std::max(failures, counted);
  const auto untried = [&](bool (*surely)(Cause)) {
    return Untried(e->snapshot, e->upstream, e->upstream.recent_causes,
                   e->failures - failures, WindowStart(*e), surely);
  };
  e->untried = untried(IsBeforeAttempt);
  e->attempts = std::max(attempts + untried(IsWithoutServer), e->failures);
}

void CollectEvents(Situation* e) {
  const int64_t start = WindowStart(*e);
  // The ends of idle connections are told where nothing else is.
  const bool idle_only = e->failures == 0;
  for (const Event& event : e->snapshot.events) {
    if (event.upstream == e->upstream.name && event.failure.time_ms >= start &&
        IsIdleEnd(event.failure) == idle_only) {
      e->events.push_back(&event);
      e->last_failure = std::max(e->last_failure, event.failure.time_ms);
    }
  }
}

// Whether nginx left a server out though it had not failed: for max_conns.
bool IsKeptOut(const Event& event) {
  if (event.failure.cause != Cause::kNoLiveUpstreams || !event.evidence ||
      event.evidence->named != Named::kServers) {
    return false;
  }
  for (const absl::string_view item :
       absl::StrSplit(event.evidence->Text(), ", ")) {
    ServerFacts server;
    if (ParseServer(item, &server) && server.out == ServerOut::kMaxConns) {
      return true;
    }
  }
  return false;
}

// A group runs out of live servers because of something else: that is named
// where it is known.
void ChooseCause(Situation* e) {
  CauseCounts counts = e->upstream.recent_causes;
  if (e->failures > 0) {
    uint64_t& timeouts = counts[static_cast<size_t>(Cause::kBodyTimeout)];
    timeouts -= std::min(timeouts, e->idle_ends);
  }
  const uint64_t total =
      std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  const auto no_live = static_cast<size_t>(Cause::kNoLiveUpstreams);
  const uint64_t dead = std::exchange(counts[no_live], 0);
  e->no_live = dead;
  e->kept_out =
      std::any_of(e->events.begin(), e->events.end(),
                  [](const Event* event) { return IsKeptOut(*event); });
  auto most = std::max_element(counts.begin(), counts.end());
  if (*most == 0 || (e->kept_out && *most < dead)) {
    counts[no_live] = dead;
    e->no_live = 0;
    most = counts.begin() + no_live;
  }
  if (*most == 0) {
    return;
  }
  e->cause = static_cast<Cause>(most - counts.begin());
  e->share = static_cast<double>(*most) / static_cast<double>(total);
  const auto example = std::find_if(
      e->events.begin(), e->events.end(),
      [e](const Event* event) { return event->failure.cause == e->cause; });
  e->example = example == e->events.end() ? nullptr : *example;
}

// The first failure after `from`, to the millisecond where it is still known;
// else the start of its minute.
int64_t FirstFailure(const Situation& e, int64_t from) {
  int64_t first = 0;
  const auto offer = [&](int64_t time) {
    if (time >= from && (first == 0 || time < first)) {
      first = time;
    }
  };
  for (const Event* event : e.events) {
    offer(event->failure.time_ms);
  }
  for (const PeerStats& peer : e.upstream.peers) {
    offer(peer.first_failure);
  }
  const auto& history = e.upstream.history;
  for (size_t i = 0; i < kHistoryMinutes; ++i) {
    const int64_t start = history.start + static_cast<int64_t>(i) * kMinuteMs;
    if (start + kMinuteMs <= from || history.buckets[i].failures == 0) {
      continue;
    }
    if (first == 0 || start + kMinuteMs <= first) {
      first = std::max(start, from);
    }
    break;
  }
  return std::max(first, e.snapshot.server.start_time);
}

// When the present spell began: failures with fewer than kQuietMinutes good
// minutes between them.
int64_t SpellStart(const Situation& e) {
  const auto& history = e.upstream.history;
  size_t first = kHistoryMinutes;
  size_t quiet = 0;
  for (size_t i = kHistoryMinutes; i-- > 0 && quiet < kQuietMinutes;) {
    if (history.buckets[i].failures > 0) {
      first = i;
      quiet = 0;
    } else if (history.buckets[i].requests > 0 && first != kHistoryMinutes) {
      ++quiet;
    }
  }
  return FirstFailure(
      e, first == kHistoryMinutes
             ? 0
             : history.start + static_cast<int64_t>(first) * kMinuteMs);
}

}  // namespace

uint64_t BeforeAttempts(const Snapshot& snapshot,
                        const UpstreamStats& upstream) {
  uint64_t none = upstream.failures;
  for (const PeerStats& peer : upstream.peers) {
    none -= std::min(none, peer.failures);
  }
  return Untried(snapshot, upstream, upstream.causes, none, 0, IsBeforeAttempt);
}

absl::string_view PathOf(const Event& event) {
  const absl::string_view uri = event.uri;
  return uri.substr(0, uri.find('?'));
}

int64_t WindowOf(const Situation& e) {
  const int64_t counted = e.now() - e.snapshot.server.start_time;
  return std::clamp(counted, int64_t{1000},
                    static_cast<int64_t>(kPeerMinutes) * kMinuteMs);
}

uint64_t Responses502(const Situation& e) {
  uint64_t responses = 0;
  for (size_t i = kHistoryMinutes - kPeerMinutes; i < kHistoryMinutes; ++i) {
    responses += e.upstream.history.buckets[i].responses_502;
  }
  return responses;
}

Situation Collect(const Snapshot& snapshot, const UpstreamStats& upstream) {
  Situation e(snapshot, upstream);
  CollectServers(&e);
  if (e.failures > 0 || e.idle_ends > 0) {
    CollectEvents(&e);
    ChooseCause(&e);
    e.since = SpellStart(e);
  }
  return e;
}

uint64_t FailuresInARow(const Situation& e) {
  if (e.last_success == 0) {
    return e.failures;
  }
  uint64_t events = 0;
  for (const Event* event : e.events) {
    events += event->failure.time_ms > e.last_success ? 1 : 0;
  }
  uint64_t counted = 0;
  for (size_t i = kHistoryMinutes - kPeerMinutes; i < kHistoryMinutes; ++i) {
    const int64_t start =
        e.upstream.history.start + static_cast<int64_t>(i) * kMinuteMs;
    counted +=
        start > e.last_success ? e.upstream.history.buckets[i].failures : 0;
  }
  return std::max(events, counted - std::min(counted, e.idle_ends));
}

bool IsOutage(const Situation& e) {
  const uint64_t row = FailuresInARow(e);
  if (e.failures == e.attempts || row < kTellsPattern || e.last_success == 0) {
    return e.failures == e.attempts || row >= kTellsPattern;
  }
  // A clean break may just be short of traffic; what failed before, too, has
  // to go on failing for a while.
  const int64_t until = row == e.failures ? e.now() : e.last_failure;
  return until - e.last_success >= kNoSuccessMs;
}

bool IsRecovered(const Situation& e) {
  // What comes and goes has to stay away for longer.
  const int64_t quiet = Bursts(e) >= kTellsPattern
                            ? static_cast<int64_t>(kQuietMinutes) * kMinuteMs
                            : kMinuteMs;
  if (e.last_success <= e.last_failure || e.now() - e.last_failure < quiet) {
    return false;
  }
  const int64_t loaded = e.snapshot.server.load_time;
  uint64_t good = 0;
  for (const Server& server : e.servers) {
    // One of before a reload may be none of the group's now.
    if (server.failures > 0 &&
        server.stats->last_success <= server.stats->last_failure &&
        (server.stats->last_failure >= loaded || e.last_success < loaded)) {
      return false;
    }
    const auto& recent = server.stats->recent;
    for (size_t i = 0; i < kPeerMinutes; ++i) {
      const int64_t start = recent.start + static_cast<int64_t>(i) * kMinuteMs;
      good += start > e.last_failure ? recent.buckets[i].attempts : 0;
    }
  }
  return good >= kTellsPattern;
}

uint64_t RequestsBeforeReload(const Situation& e) {
  const ServerInfo& server = e.snapshot.server;
  const int64_t loaded = server.load_time;
  const bool with_it =
      loaded > server.start_time && e.since >= loaded &&
      (e.since - loaded <= kAtOnceMs || e.last_success < loaded);
  uint64_t before = 0;
  const auto& history = e.upstream.history;
  for (size_t i = 0; with_it && i < kHistoryMinutes; ++i) {
    const Minute& minute = history.buckets[i];
    const int64_t start = history.start + static_cast<int64_t>(i) * kMinuteMs;
    if (start + kMinuteMs <= loaded) {
      if (minute.failures > 0) {
        return 0;
      }
      before += minute.requests;
    } else if (start <= loaded && start <= e.last_success &&
               e.last_success < loaded) {
      // The minute of the reload, in which the last one that went well was
      // before it.
      before += minute.requests - std::min(minute.failures, minute.requests);
    }
  }
  return before;
}

size_t FailingServers(const Situation& e) {
  size_t failing = 0;
  uint64_t well = 0;
  const int64_t loaded = e.snapshot.server.load_time;
  for (const Server& server : e.servers) {
    if (server.failures > 0 && server.ratio() * 5 > e.servers.front().ratio()) {
      ++failing;
    } else if (server.stats->last_success >= loaded &&
               (server.stats->last_success >= server.stats->last_failure ||
                e.now() - server.stats->last_success < kAnsweringMs)) {
      // One of before may be none of the group's now, or has ceased to answer.
      well += server.attempts - server.failures;
    }
  }
  return well >= kTellsPattern ? failing : 0;
}

std::string CommonPath(const Situation& e) {
  if (e.cause == Cause::kKeepaliveRace) {
    return "";  // the connection was closed before it had any request
  }
  std::map<std::string, size_t> counts;
  for (const Event* event : e.events) {
    if (event->failure.phase >= Phase::kSend && !event->uri.empty()) {
      ++counts[std::string(PathOf(*event))];
    }
  }
  for (const auto& [path, count] : counts) {
    if (count >= kTellsRequests && count * 10 >= e.events.size() * 9) {
      return path;
    }
  }
  return "";
}

size_t Bursts(const Situation& e) {
  size_t bursts = 0;
  bool good = true;
  for (const Minute& minute : e.upstream.history.buckets) {
    if (minute.requests > 0 || minute.failures > 0) {
      bursts += good && minute.failures > 0 ? 1 : 0;
      good = minute.failures == 0;
    }
  }
  return bursts;
}

bool AllRescued(const Situation& e) {
  return Responses502(e) == 0 && !e.events.empty() &&
         std::all_of(e.events.begin(), e.events.end(), [](const Event* event) {
           return event->failure.rescued != 0;
         });
}

bool AnotherServerAnswered(const Situation& e) {
  return AllRescued(e) &&
         std::all_of(e.events.begin(), e.events.end(), [](const Event* event) {
           return event->failure.attempts > event->failure.attempt;
         });
}

bool OnlyPosts(const Situation& e) {
  size_t broken = 0;
  for (const Event* event : e.events) {
    if (event->failure.rescued == 0) {
      if (event->failure.not_retried != NotRetried::kMethod) {
        return false;
      }
      ++broken;
    }
  }
  return broken >= kTellsPattern;
}

}  // namespace upstream_502
