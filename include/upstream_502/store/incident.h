// One incident as it was read back out of the store.

#ifndef UPSTREAM_502_STORE_INCIDENT_H_
#define UPSTREAM_502_STORE_INCIDENT_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "upstream_502/store/arena.h"
#include "upstream_502/store/window.h"
#include "upstream_502/words/cause.h"
#include "upstream_502/words/finding.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

// `id` grows from one incident to the next. Failures before `start` are none of
// its; attempts, rescued and responses are all of the upstream's until the last
// failure.
struct Incident {
  struct Peer {
    String addr;  // "(other)": all that there was no room for
    uint64_t failures = 0;
  };
  // What a finding said, in the newest event on record that has it.
  struct Text {
    Finding finding = Finding::kPortClosed;
    String text;
  };

  uint64_t id = 0;
  String upstream;
  Protocol protocol = Protocol::kUnknown;
  bool open = false;
  int64_t start = 0;
  int64_t end = 0;  // the last failure so far
  uint64_t attempts = 0;
  uint64_t failures = 0;
  uint64_t rescued = 0;
  std::array<uint64_t, kResponseCodeCount> responses{};  // by code
  std::array<uint64_t, kMaxCauses> causes{};
  std::array<uint64_t, kMaxFindings> findings{};
  std::array<uint64_t, kIncidentSpans> spans{};  // see kIncidentSpanStarts
  List<Peer> peers;                              // most failures first
  List<Text> texts;                              // see advice/explain.h
  uint64_t first_event = 0;                      // 0: none was recorded
  uint64_t last_event = 0;
  uint64_t generation = 0;
  bool since_reload = false;
};

// Whether a failure of its upstream at `time_ms` belongs to it.
inline bool Covers(const Incident& incident, int64_t time_ms) {
  return time_ms >= incident.start && time_ms <= incident.end;
}

// False where the slot holds none. What lies ahead of `now_ms`, since the clock
// was set back, is told as if it had just ended.
bool ReadIncident(const Arena& arena, const IncidentSlot& slot, int64_t now_ms,
                  Incident* incident);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_INCIDENT_H_
