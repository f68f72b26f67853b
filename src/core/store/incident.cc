// Reading an incident back, whoever is at work on it.

#include "upstream_502/store/incident.h"

#include <algorithm>

#include "upstream_502/store/history.h"
#include "upstream_502/store/incidents.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

template <size_t N>
void Load(const Word (&from)[N], std::array<uint64_t, N>* to) {
  for (size_t i = 0; i < N; ++i) {
    (*to)[i] = from[i].load(kRelaxed);
  }
}

uint64_t Between(const Word& before, const Word& after) {
  return Since(before.load(kRelaxed), after.load(kRelaxed));
}

// A row that is another peer's by now has no name to tell.
void ReadPeers(const Arena& arena, const IncidentSlot& slot,
               Incident* incident) {
  const uint32_t rows =
      std::min(arena.header->peers.load(kRelaxed), arena.capacity.peers);
  uint64_t other = slot.other_peers.load(kRelaxed);
  for (size_t i = 0; i < kIncidentPeers; ++i) {
    const uint64_t held = slot.peers[i].load(kRelaxed);
    const uint32_t row = Low(held) - 1;
    const uint32_t failures = slot.peer_failures[i].load(kRelaxed);
    if (failures == 0) {
      continue;
    }
    if (row < rows &&
        arena.peers[row].hash.load(std::memory_order_relaxed) == held >> 32) {
      incident->peers.push_back({String(NameOf(arena.peers[row])), failures});
    } else {
      other += failures;
    }
  }
  std::sort(incident->peers.begin(), incident->peers.end(),
            [](const Incident::Peer& a, const Incident::Peer& b) {
              return a.failures != b.failures ? a.failures > b.failures
                                              : a.addr < b.addr;
            });
  if (other > 0) {
    incident->peers.push_back({String(kOtherName), other});
  }
}

void ReadTimes(const IncidentSlot& slot, int64_t now_ms, Incident* incident) {
  incident->start = slot.start.load(kRelaxed);
  incident->end = std::max(slot.end.load(kRelaxed), incident->start);
  incident->open = !IsOver(incident->end, now_ms);
  if (LiesAhead(incident->end, now_ms)) {
    incident->start -= incident->end - now_ms;
    incident->end = now_ms;
  }
}

}  // namespace

bool ReadIncident(const Arena& arena, const IncidentSlot& slot, int64_t now_ms,
                  Incident* incident) {
  const uint64_t id = slot.id.load(std::memory_order_acquire);
  if (id <= arena.header->incidents_floor.load(kRelaxed)) {
    return false;
  }
  incident->id = id;
  incident->upstream = String(NameOf(arena, slot));
  incident->protocol = static_cast<Protocol>(slot.protocol.load(kRelaxed));
  if (static_cast<size_t>(incident->protocol) >= kProtocolCount) {
    incident->protocol = Protocol::kUnknown;  // a newer binary's
  }
  ReadTimes(slot, now_ms, incident);
  Load(slot.causes, &incident->causes);
  for (const uint64_t count : incident->causes) {
    incident->failures += count;
  }
  Load(slot.findings, &incident->findings);
  Load(slot.spans, &incident->spans);
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    incident->responses[i] =
        Between(slot.before.responses[i], slot.after.responses[i]);
  }
  incident->attempts = Between(slot.before.attempts, slot.after.attempts);
  incident->rescued = Between(slot.before.rescued, slot.after.rescued);
  ReadPeers(arena, slot, incident);
  incident->first_event = slot.first_event.load(kRelaxed);
  incident->last_event = slot.last_event.load(kRelaxed);
  incident->generation = slot.generation.load(kRelaxed);
  incident->since_reload = slot.since_reload.load(kRelaxed) != 0;
  std::atomic_thread_fence(std::memory_order_acquire);
  // Another may have begun in it meanwhile, or nobody fed this one yet.
  return incident->failures > 0 && slot.id.load(kRelaxed) == id;
}

}  // namespace upstream_502
