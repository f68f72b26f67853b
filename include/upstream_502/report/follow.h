// What is told to one who follows: what is on record already, then each failure
// and incident as it comes, and every now and then that there is none.
//
//   Following following(tail, query, FollowFormat::kText, now_ms);
//   while (following.Next(now_ms, &out)) { … send, or go on later … }
//   … later, when following.HasNews(now_ms) …

#ifndef UPSTREAM_502_REPORT_FOLLOW_H_
#define UPSTREAM_502_REPORT_FOLLOW_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/report/negotiate.h"
#include "upstream_502/report/query.h"
#include "upstream_502/store/tail.h"

namespace upstream_502 {

// Says something after so much silence: whose reader has gone is found then.
inline constexpr int64_t kSilenceMs = 15000;

class Following {
 public:
  // `tail` must outlive it.
  Following(const Tail& tail, Query query, FollowFormat format, int64_t now_ms);

  // Appends the next piece (some 16 KiB at most, maybe nothing) to `out`. False
  // when nothing is left for now.
  bool Next(int64_t now_ms, std::string* out);

  // Whether Next would have anything to look at.
  bool HasNews(int64_t now_ms) const {
    return tail_.end() > next_ || IsSilent(now_ms);
  }

  // Entries before this one it needs no more.
  uint64_t next() const { return next_; }

 private:
  // What is on record already is told in this order.
  enum class Stage : uint8_t { kBegin, kIncidents, kChoose, kTell, kFollow };

  bool Step(int64_t now_ms, std::string* out);
  void Begin(int64_t now_ms, std::string* out);
  void TellIncident(int64_t now_ms, std::string* out);
  void Choose(int64_t now_ms);
  void TellBefore(int64_t now_ms, std::string* out);
  bool TellNext(int64_t now_ms, std::string* out);
  bool IsSilent(int64_t now_ms) const {
    // Or the clock was set back.
    return now_ms < said_ || now_ms - said_ >= kSilenceMs;
  }
  bool Wants(const Event& event) const;

  void Tell(const Event& event, int64_t now_ms, std::string* out);
  void Tell(Incident incident, int64_t now_ms, std::string* out);
  void TellLeftOut(uint64_t count, std::string* out) const;
  void TellAlive(int64_t now_ms, std::string* out) const;
  void TellNumber(absl::string_view type, absl::string_view key, int64_t number,
                  std::string* out) const;
  template <typename Append>
  void TellObject(absl::string_view type, uint64_t id, std::string* out,
                  const Append& append) const;
  void Explain(int64_t now_ms, Incident* incident) const;

  const Tail& tail_;
  const Query query_;
  const FollowFormat format_;
  Stage stage_ = Stage::kBegin;
  uint64_t next_;   // entry
  uint64_t begun_;  // the last event that was before the first of them
  std::vector<uint64_t> open_;    // incidents to tell
  std::vector<uint64_t> before_;  // events to look at, the oldest first
  std::vector<uint64_t> chosen_;  // of them to tell, the newest first
  const bool resumes_;
  const uint64_t limit_;    // of what was before
  uint64_t last_;           // event told, by id
  const uint64_t had_;      // the last event that it had when it came
  bool explained_ = false;  // an incident, which is work enough for a piece
  int64_t said_;            // when anything was,
  int64_t news_;            // and when the last of them
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_FOLLOW_H_
