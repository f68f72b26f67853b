// Tells one who follows what is new.

#include "upstream_502/report/follow.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "upstream_502/advice/explain.h"
#include "upstream_502/report/filter.h"
#include "upstream_502/report/json_event.h"
#include "upstream_502/report/json_incident.h"
#include "upstream_502/report/json_object.h"
#include "upstream_502/report/parts.h"
#include "upstream_502/report/text_event.h"
#include "upstream_502/report/text_incident.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

// With one of at most as much again, a piece stays below 16 KiB.
constexpr size_t kPieceBytes = 8192;
// What is looked at for one piece, most of which a filter may leave out; and
// where that makes findings, which take longer.
constexpr size_t kPieceWork = 100;
constexpr size_t kFindingsWork = 20;
// When a browser comes back after a connection has ended.
constexpr int kRetryMs = 2000;
// Of the newest events of an incident, so many are looked at for what its
// findings said.
constexpr uint64_t kEventsLookedAt = 100;

// Where a line of server-sent events names what it is.
void AppendHead(absl::string_view type, uint64_t id, std::string* out) {
  if (id > 0) {
    absl::StrAppend(out, "id: ", id, "\n");
  }
  absl::StrAppend(out, "event: ", type, "\ndata: ");
}

}  // namespace

Following::Following(const Tail& tail, Query query, FollowFormat format,
                     int64_t now_ms)
    : tail_(tail),
      query_(std::move(query)),
      format_(format),
      next_(tail.end()),
      begun_(tail.looked()),
      open_(tail.open().rbegin(), tail.open().rend()),
      before_(tail.Before()),
      // An id that has not been handed out is of another zone.
      resumes_(query_.resume && query_.resume->event <= tail.newest()),
      limit_(resumes_ ? query_.resume->limit : query_.limit),
      last_(resumes_ ? query_.resume->event : 0),
      had_(last_),
      said_(now_ms),
      news_(now_ms) {}

bool Following::Next(int64_t now_ms, std::string* out) {
  const size_t start = out->size();
  const size_t most = query_.finding ? kFindingsWork : kPieceWork;
  bool more = true;
  explained_ = false;
  for (size_t work = 0;
       more && work < most && !explained_ && out->size() - start < kPieceBytes;
       ++work) {
    more = Step(now_ms, out);
  }
  if (out->size() > start) {
    said_ = now_ms;
  } else if (!more && IsSilent(now_ms)) {
    TellAlive(now_ms, out);
    said_ = now_ms;
  }
  return more;
}

bool Following::Step(int64_t now_ms, std::string* out) {
  switch (stage_) {
    case Stage::kBegin:
      Begin(now_ms, out);
      return true;
    case Stage::kIncidents:
      TellIncident(now_ms, out);
      return true;
    case Stage::kChoose:
      Choose(now_ms);
      return true;
    case Stage::kTell:
      TellBefore(now_ms, out);
      return true;
    case Stage::kFollow:
      break;
  }
  return TellNext(now_ms, out);
}

void Following::Begin(int64_t now_ms, std::string* out) {
  stage_ = Stage::kIncidents;
  if (format_ == FollowFormat::kText) {
    AppendTextEventHead(out);
  } else {
    if (format_ == FollowFormat::kEventStream) {
      absl::StrAppend(out, "retry: ", kRetryMs, "\n\n");
    }
    TellAlive(now_ms, out);
  }
  if (resumes_ && limit_ >= Tail::kBehind) {
    TellLeftOut(tail_.OutOfReach(last_), out);
  }
}

void Following::TellIncident(int64_t now_ms, std::string* out) {
  if (open_.empty()) {
    stage_ = Stage::kChoose;
    return;
  }
  Incident incident;
  if (tail_.Read(open_.back(), now_ms, &incident)) {
    Tell(std::move(incident), now_ms, out);
  }
  open_.pop_back();
}

// The newest first, as many as are wanted.
void Following::Choose(int64_t now_ms) {
  if (before_.empty() || before_.back() <= had_ || chosen_.size() >= limit_) {
    before_.clear();
    before_.shrink_to_fit();
    stage_ = Stage::kTell;
    return;
  }
  const uint64_t id = before_.back();
  before_.pop_back();
  Event event;
  if (tail_.Read(id, now_ms, &event) && Wants(event)) {
    chosen_.push_back(id);
  }
}

void Following::TellBefore(int64_t now_ms, std::string* out) {
  if (chosen_.empty()) {
    chosen_.shrink_to_fit();
    stage_ = Stage::kFollow;
    return;
  }
  const uint64_t id = chosen_.back();
  chosen_.pop_back();
  Event event;
  if (tail_.Read(id, now_ms, &event)) {
    Tell(event, now_ms, out);
  }
}

// False when there is none.
bool Following::TellNext(int64_t now_ms, std::string* out) {
  const Tail::Entry* entry = tail_.Find(next_);
  const uint64_t number = entry == nullptr ? tail_.end() : entry->number;
  TellLeftOut(number - std::min(next_, number), out);
  next_ = number;
  if (entry == nullptr) {
    return false;
  }
  ++next_;
  if (const Event* event = std::get_if<Event>(&entry->what)) {
    // Another worker may have told it what this one had not looked at.
    const bool had = event->id > begun_ && event->id <= had_;
    if (!had && Wants(*event)) {
      Tell(*event, now_ms, out);
    }
  } else {
    Tell(std::get<Incident>(entry->what), now_ms, out);
  }
  return true;
}

bool Following::Wants(const Event& event) const {
  return Matches(query_, event) &&
         (!query_.finding || HasFinding(event, *query_.finding));
}

void Following::Tell(const Event& event, int64_t now_ms, std::string* out) {
  constexpr absl::string_view kType = "failure";
  last_ = std::max(last_, event.id);
  news_ = now_ms;
  if (format_ == FollowFormat::kText) {
    AppendTextEvent(event, out);
    return;
  }
  TellObject(kType, last_, out, [&] { AppendEventJson(event, out, kType); });
}

void Following::Tell(Incident incident, int64_t now_ms, std::string* out) {
  constexpr absl::string_view kType = "incident";
  if (!Matches(query_, incident)) {
    return;
  }
  news_ = now_ms;
  explained_ = true;
  Explain(now_ms, &incident);
  if (format_ == FollowFormat::kText) {
    AppendTextIncident(incident, out, "incident ");
    return;
  }
  TellObject(kType, 0, out, [&] { AppendIncidentJson(incident, out, kType); });
}

// Nobody knows what a filter had made of them.
void Following::TellLeftOut(uint64_t count, std::string* out) const {
  if (count == 0) {
    return;
  }
  if (format_ == FollowFormat::kText) {
    absl::StrAppend(out, "\n-- ", count,
                    " failures and incidents are left out: more came than are "
                    "kept for who follows\n");
    return;
  }
  TellNumber("left_out", "count", static_cast<int64_t>(count), out);
}

void Following::TellAlive(int64_t now_ms, std::string* out) const {
  if (format_ == FollowFormat::kText) {
    absl::StrAppend(out, "-- ", FormatDateTime(now_ms).substr(5),
                    "  nothing new for ",
                    FormatDuration(std::max<int64_t>(now_ms - news_, 0)), "\n");
    return;
  }
  TellNumber("alive", "time", now_ms, out);
}

void Following::TellNumber(absl::string_view type, absl::string_view key,
                           int64_t number, std::string* out) const {
  TellObject(type, 0, out, [&] {
    JsonObject object(out);
    object.Text("type", type);
    object.Number(key, number);
    object.Close();
  });
}

// `append` appends the object, which is of this type.
template <typename Append>
void Following::TellObject(absl::string_view type, uint64_t id,
                           std::string* out, const Append& append) const {
  if (format_ == FollowFormat::kEventStream) {
    AppendHead(type, id, out);
  }
  append();
  absl::StrAppend(out, format_ == FollowFormat::kJson ? "\n" : "\n\n");
}

// What its findings said, as far as its newest events tell.
void Following::Explain(int64_t now_ms, Incident* incident) const {
  Snapshot snapshot;
  uint64_t id = incident->last_event;
  for (uint64_t i = 0; i < kEventsLookedAt && id > 0 &&
                       std::ssize(snapshot.events) < kIncidentEventsAsked;
       ++i, --id) {
    Event event;
    if (tail_.Read(id, now_ms, &event) && event.incident == incident->id &&
        event.evidence) {
      snapshot.events.push_back(std::move(event));
    }
  }
  snapshot.incidents.push_back(std::move(*incident));
  ExplainIncidents(&snapshot);
  *incident = std::move(snapshot.incidents.front());
}

}  // namespace upstream_502
