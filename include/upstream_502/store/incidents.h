// Incidents: spells of failures of one upstream, kept in a ring of their own.
// One opens with the third failure within a minute and began with the first of
// these; it is over when nothing has failed for five minutes, which follows
// from its times alone. Nobody ever waits, and nothing has to be done in time.
//
// An upstream's row says in one word what came before: the id of its last
// incident, or else when its last two failures were. Whoever replaces that word
// is one of a line, so that exactly one failure opens an incident. What the two
// before it were is kept beside the word, as a credit that one process takes.

#ifndef UPSTREAM_502_STORE_INCIDENTS_H_
#define UPSTREAM_502_STORE_INCIDENTS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "upstream_502/store/arena.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

// A failed attempt as an incident takes it.
struct IncidentFailure {
  uint32_t upstream;  // row
  uint32_t peer;      // row, or kNoPeer
  Cause cause;
  uint64_t findings;  // a bit for each
  int64_t time_ms;    // of the failure
};

// A view of the ring; `arena` must outlive it.
class Incidents {
 public:
  explicit Incidents(const Arena& arena) : arena_(arena) {}

  // The id of the incident that opens with it; mostly 0.
  uint64_t AddFailure(const IncidentFailure& failure, int64_t now_ms);

  // Notes what the upstream has counted by now: behind a request that failed.
  void NoteCounts(uint32_t upstream, int64_t now_ms);

  // Notes the id that the event of a failure at `time_ms` has.
  void NoteEvent(uint32_t upstream, uint64_t event, int64_t time_ms);

  // The incident that a failure of just now belongs to; 0: none.
  uint64_t Find(uint32_t upstream, int64_t time_ms, int64_t now_ms) const;

  // What a line in a log says of one.
  struct Told {
    uint64_t id;
    absl::string_view upstream;
    int64_t start;
    int64_t end;
    uint64_t failures;
  };
  // That it was said of `id` that it has opened.
  Told TellOpened(uint64_t id);
  // One that this was said of, and that is over: once for all. False: none.
  bool TellOver(int64_t now_ms, Told* told);

 private:
  IncidentSlot& SlotOf(uint64_t id) const {
    return arena_.incidents[id % arena_.capacity.incidents];
  }
  IncidentSlot* Running(uint64_t spell, uint32_t upstream,
                        int64_t now_ms) const;
  uint64_t TakeId(int64_t now_ms);
  IncidentSlot* Prepare(const IncidentFailure& failure, uint64_t id,
                        int64_t first, const EarlyFailure& early,
                        int64_t now_ms);
  bool CameWithReload(const UpstreamRow& row, int64_t first) const;
  void Feed(IncidentSlot* slot, const IncidentFailure& failure) const;
  uint32_t KnownPeer(uint64_t credit) const;
  void Credit(IncidentSlot* slot, EarlyFailure* early) const;
  void KeepEarly(UpstreamRow* row, uint64_t spell,
                 const IncidentFailure& failure);
  Told Describe(const IncidentSlot& slot, uint64_t id) const;

  const Arena& arena_;
};

// Of the upstream of an incident, which may have no row any more: the end of a
// long name is lost then.
absl::string_view NameOf(const Arena& arena, const IncidentSlot& slot);

// Whether an incident whose last failure was at `end` is over.
bool IsOver(int64_t end, int64_t now_ms);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_INCIDENTS_H_
