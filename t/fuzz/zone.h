// A small zone with a bit of everything in it, and what may have become of it:
// bytes that were written over others.

#ifndef UPSTREAM_502_T_FUZZ_ZONE_H_
#define UPSTREAM_502_T_FUZZ_ZONE_H_

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "input.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {

inline constexpr Rings kZoneRings = {.events = 8, .incidents = 4};
inline constexpr int64_t kZoneNow = 1763675000000;

class SampleZone {
 public:
  SampleZone()
      : size_((Arena::MinimumSize(kZoneRings) + 16384) / 4096 * 4096),
        memory_(static_cast<char*>(operator new(size_, kPage))) {
    std::memset(memory_, 0, size_);
    store_ = Store::Create(memory_, size_, kZoneRings, kZoneNow);
    store_.NoteLoad(kZoneNow);
    for (const char* name : {"app", "php"}) {
      for (int i = 0; i < 4; ++i) {
        Use(store_, name, kZoneNow + i * 1000);
      }
    }
    whole_.assign(memory_, memory_ + size_);
  }
  ~SampleZone() { operator delete(memory_, kPage); }
  SampleZone(const SampleZone&) = delete;
  SampleZone& operator=(const SampleZone&) = delete;

  char* memory() const { return memory_; }
  size_t size() const { return size_; }

  // As it was first.
  void Renew() { std::memcpy(memory_, whole_.data(), size_); }

  // Writes what `input` says over it: a part of the zone, an element of it, a
  // place in that, and the bytes.
  void Spoil(Input* input) {
    while (!input->empty()) {
      const Part part = PartOf(input->Take<uint8_t>());
      const size_t element = input->Take<uint8_t>() % part.count;
      const size_t place = input->Take<uint16_t>() % part.width;
      const absl::string_view bytes =
          input->Bytes(1 + input->Take<uint8_t>() % 16);
      const size_t at = part.begin + element * part.width + place;
      std::memcpy(memory_ + at, bytes.data(),
                  std::min(bytes.size(), size_ - at));
    }
  }

  // What requests and failures do with it.
  static void Use(const Store& zone, const std::string& name, int64_t now_ms) {
    Store store = zone;
    const uint32_t upstream = store.FindOrAddUpstream(name, Protocol::kHttp);
    for (const char* addr : {"127.0.0.1:9000", "unix:/run/app.sock"}) {
      const uint32_t peer = store.FindOrAddPeer(upstream, addr, now_ms);
      const Failure failure = {.time_ms = now_ms, .response_time = 3};
      const Finding found[] = {Finding::kServiceGone};
      store.AddRequest(upstream, 1, now_ms, 2);
      store.AddAttempt(peer, 1, now_ms, true);
      store.AddSuccess(upstream, peer, 1, now_ms);
      store.AddFailedAttempt(upstream, peer, 1, now_ms, failure, found);
      store.AddResponse(upstream, 502, Origin::kNginx, now_ms);
      const uint64_t id = store.ReserveEvents(1);
      Evidence evidence;
      AppendItem(Named::kPorts, "3000", &evidence);
      store.WriteEvent(id, failure,
                       {.upstream = name, .peer = addr, .uri = "/"}, {upstream},
                       &evidence);
      store.incidents().NoteCounts(upstream, now_ms);
      store.incidents().NoteEvent(upstream, id, now_ms);
    }
  }

 private:
  static constexpr std::align_val_t kPage{4096};

  struct Part {
    size_t begin;
    size_t count;
    size_t width;
  };

  template <typename T>
  Part Rows(const T* first, size_t count) const {
    return {static_cast<size_t>(reinterpret_cast<const char*>(first) - memory_),
            count, sizeof(T)};
  }

  Part PartOf(uint8_t which) const {
    const Arena& arena = store_.arena();
    const Capacity& capacity = arena.capacity;
    const Part parts[] = {
        Rows(arena.header, 1),
        Rows(arena.upstream_index, capacity.upstream_index),
        Rows(arena.peer_index, capacity.peer_index),
        Rows(arena.upstreams, capacity.upstreams),
        Rows(arena.peers, capacity.peers + capacity.upstreams),
        Rows(arena.events, capacity.events),
        Rows(arena.incidents, capacity.incidents),
    };
    return parts[which % std::size(parts)];
  }

  size_t size_;
  char* memory_;
  Store store_;
  std::vector<char> whole_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_FUZZ_ZONE_H_
