// Situations to diagnose, told as a story:
//
//   Scene scene("app", Protocol::kHttp);
//   scene.At(2 * kMinute).Good(100).Bad(3, Refused());
//   EXPECT_EQ(scene.One().pattern, Pattern::kIntermittent);

#ifndef UPSTREAM_502_T_UNIT_SCENE_H_
#define UPSTREAM_502_T_UNIT_SCENE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "upstream_502/advice/diagnose.h"
#include "upstream_502/store/snapshot.h"

namespace upstream_502 {

inline constexpr int64_t kSecond = 1000;
inline constexpr int64_t kMinute = kMinuteMs;
// The start of a minute, so that situations can be told by the clock.
inline constexpr int64_t kStart = int64_t{28333333} * kMinuteMs;

struct Failed {
  Cause cause = Cause::kConnectionRefused;
  std::string peer = "127.0.0.1:9000";
  std::string method = "GET";
  std::string uri = "/";
  Phase phase = Phase::kHeader;
  bool rescued = false;
  uint16_t attempts = 0;  // 0: two where it is rescued
  bool attempted = true;
  uint16_t received_status = 0;
  uint8_t event_stream = 0;
  int64_t limit = -1;
  int64_t response_time = -1;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  Protocol protocol = Protocol::kUnknown;
  bool reused = false;
  NotRetried not_retried = NotRetried::kUnknown;
  std::string message = {};
  std::optional<Evidence> evidence = {};
};

inline Failed Refused(const std::string& peer = "127.0.0.1:9000") {
  Failed failed;
  failed.peer = peer;
  failed.phase = Phase::kConnect;
  return failed;
}

inline Failed Because(Cause cause) {
  Failed failed;
  failed.cause = cause;
  return failed;
}

// A situation as the module would have recorded it: time is what the last
// At() said, from kStart on.
class Scene {
 public:
  explicit Scene(const std::string& name = "app",
                 Protocol protocol = Protocol::kFastcgi) {
    Use(name, protocol);
  }

  void Use(const std::string& name, Protocol protocol) {
    name_ = name;
    protocols_[name] = protocol;
  }

  void Reload() { load_time_ = now_; }

  Scene& At(int64_t offset) {
    now_ = kStart + offset;
    return *this;
  }

  Scene& Good(int times, const std::string& peer = "127.0.0.1:9000") {
    records_.push_back({now_, name_, peer, times, false, {}});
    return *this;
  }

  Scene& Bad(int times, const Failed& failed) {
    records_.push_back({now_, name_, failed.peer, times, true, failed});
    return *this;
  }

  List<Diagnosis> Diagnose() const { return upstream_502::Diagnose(Take()); }

  // With findings of the test's own.
  Diagnosis One(FindingsOf findings_of) const {
    const Snapshot snapshot = Take();
    Diagnoser diagnoser(snapshot, findings_of);
    diagnoser.Next(SIZE_MAX);
    const List<Diagnosis> all = diagnoser.Take();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Diagnosis() : all[0];
  }

  // Responses with 502 that no server was asked for.
  Scene& Replayed(int times) {
    replayed_.emplace_back(now_, times);
    return *this;
  }

  Snapshot Take() const {
    Snapshot snapshot;
    snapshot.server.time = now_;
    snapshot.server.start_time = kStart;
    snapshot.server.load_time = load_time_;
    for (const auto& [name, protocol] : protocols_) {
      UpstreamStats stats;
      stats.name = name;
      stats.protocol = protocol;
      stats.history.start = OldestMinute(kHistoryMinutes);
      for (const Record& record : records_) {
        if (record.upstream == name) {
          Count(record, &stats);
        }
      }
      Replay(&stats);
      snapshot.upstreams.push_back(stats);
    }
    for (const Record& record : records_) {
      for (int i = 0; record.failed && i < record.times; ++i) {
        snapshot.events.insert(snapshot.events.begin(), ToEvent(record));
      }
    }
    return snapshot;
  }

  // Of the only troubled upstream.
  Diagnosis One() const {
    const List<Diagnosis> all = Diagnose();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Diagnosis() : all[0];
  }

 private:
  struct Record {
    int64_t time;
    std::string upstream;
    std::string peer;
    int times;
    bool failed;
    Failed failure;
  };

  int64_t OldestMinute(size_t shown) const {
    return (now_ / kMinute - static_cast<int64_t>(shown) + 1) * kMinute;
  }

  // The bucket that `time` falls into, or null where it is too old.
  template <typename T, size_t N>
  static T* Bucket(History<T, N>* history, int64_t time) {
    return time < history->start ? nullptr
                                 : &history->buckets[static_cast<size_t>(
                                       (time - history->start) / kMinute)];
  }

  void Count(const Record& record, UpstreamStats* stats) const {
    const auto times = static_cast<uint32_t>(record.times);
    if (Minute* minute = Bucket(&stats->history, record.time)) {
      minute->requests += times;
      minute->failures += record.failed ? times : 0;
      minute->responses_502 +=
          record.failed && !record.failure.rescued ? times : 0;
    }
    if (record.failed) {
      stats->failures += times;
      stats->causes[static_cast<size_t>(record.failure.cause)] += times;
    }
    if (record.failed && record.time >= OldestMinute(kPeerMinutes)) {
      stats->recent_causes[static_cast<size_t>(record.failure.cause)] += times;
    }
    if (!record.peer.empty()) {
      stats->attempts += record.failure.attempted ? times : 0;
      CountPeer(record, times, FindPeer(record.peer, stats));
    }
  }

  void Replay(UpstreamStats* stats) const {
    for (const auto& [time, times] : replayed_) {
      if (Minute* minute = Bucket(&stats->history, time)) {
        minute->requests += static_cast<uint32_t>(times);
        minute->responses_502 += static_cast<uint32_t>(times);
      }
      stats->responses[1][static_cast<size_t>(Origin::kCache)] +=
          static_cast<uint64_t>(times);
    }
  }

  PeerStats* FindPeer(const std::string& addr, UpstreamStats* stats) const {
    for (PeerStats& peer : stats->peers) {
      if (peer.addr == addr) {
        return &peer;
      }
    }
    PeerStats peer;
    peer.addr = addr;
    peer.recent.start = OldestMinute(kPeerMinutes);
    stats->peers.push_back(peer);
    return &stats->peers.back();
  }

  static void CountPeer(const Record& record, uint32_t times, PeerStats* peer) {
    const uint32_t attempts = record.failure.attempted ? times : 0;
    peer->attempts += attempts;
    if (PeerMinute* minute = Bucket(&peer->recent, record.time)) {
      minute->attempts += attempts;
      minute->failures += record.failed ? times : 0;
      minute->idle_ends +=
          record.failed && IsIdleEnd(ToEvent(record).failure) ? times : 0;
    }
    if (!record.failed) {
      peer->last_success = record.time;
      return;
    }
    peer->failures += times;
    peer->causes[static_cast<size_t>(record.failure.cause)] += times;
    peer->last_failure = record.time;
    if (peer->first_failure == 0) {
      peer->first_failure = record.time;
    }
  }

  static Event ToEvent(const Record& record) {
    const Failed& failed = record.failure;
    Event event;
    event.upstream = record.upstream;
    event.peer = record.peer;
    event.method = failed.method;
    event.uri = failed.uri;
    event.failure.time_ms = record.time;
    event.failure.cause = failed.cause;
    event.failure.phase = failed.phase;
    event.failure.rescued = failed.rescued ? 1 : 0;
    event.failure.attempt = failed.attempted ? 1 : 0;
    event.failure.attempts = failed.attempts != 0 ? failed.attempts
                             : failed.rescued     ? uint16_t{2}
                                                  : uint16_t{1};
    event.failure.limit = failed.limit;
    event.failure.response_time = static_cast<int32_t>(failed.response_time);
    event.failure.bytes_received = failed.bytes_received;
    event.failure.received_status = failed.received_status;
    event.failure.event_stream = failed.event_stream & 1U;
    event.failure.bytes_sent = failed.bytes_sent;
    event.failure.protocol = failed.protocol;
    event.failure.reused = failed.reused ? 1 : 0;
    event.failure.not_retried = failed.not_retried;
    event.message = failed.message;
    event.evidence = failed.evidence;
    return event;
  }

  int64_t now_ = kStart;
  int64_t load_time_ = kStart;
  std::string name_;
  std::map<std::string, Protocol> protocols_;
  std::vector<Record> records_;
  std::vector<std::pair<int64_t, int>> replayed_;
};

// Its checks, a line each.
inline std::string ChecksOf(const Diagnosis& diagnosis) {
  std::string lines;
  for (const String& check : diagnosis.checks) {
    lines.append(check.data(), check.size()).append("\n");
  }
  return lines;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_SCENE_H_
