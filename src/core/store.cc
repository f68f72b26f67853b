#include "upstream_502/store.h"

#include <algorithm>
#include <iterator>

#include "rows.h"
#include "upstream_502/escape.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr uint32_t kNoRow = UINT32_MAX;

// Where the search for `hash` begins; `slots` is a power of two.
uint32_t FirstSlot(uint32_t hash, uint32_t slots) {
  return static_cast<uint32_t>(uint64_t{hash} * slots >> 32);
}

// The next unused row, or kNoRow. Whoever takes a row that was given back
// must see it abandoned: hence acquire and release.
uint32_t TakeRow(Word* used, uint32_t capacity) {
  uint32_t row = used->load(kRelaxed);
  while (row < capacity) {
    if (used->compare_exchange_weak(row, row + 1, std::memory_order_acq_rel,
                                    kRelaxed)) {
      return row;
    }
  }
  return kNoRow;
}

// Unless later rows were handed out meanwhile: then it stays unused.
void GiveBackRow(Word* used, uint32_t row) {
  uint32_t next = row + 1;
  used->compare_exchange_strong(next, row, std::memory_order_acq_rel, kRelaxed);
}

// An index of rows: a slot holds a row plus one, or 0 while it is free.
struct Index {
  Word* slots;
  uint32_t size;  // a power of two, twice `capacity` at least
  Word* used;     // rows handed out
  uint32_t capacity;
};

// The row that `matches`, or else a new one that `fill` makes so; kNoRow when
// there is no more. Two processes may both make a row for a new key: the one
// that loses the race gives its row back, and nobody ever waits.
template <typename Matches, typename Fill>
uint32_t FindOrAdd(const Index& index, uint32_t hash, const Matches& matches,
                   const Fill& fill) {
  uint32_t made = kNoRow;
  uint32_t at = FirstSlot(hash, index.size);
  for (uint32_t i = 0; i < index.size; ++i) {
    Word& slot = index.slots[at];
    uint32_t stored = slot.load(std::memory_order_acquire);
    if (stored == 0) {
      if (made == kNoRow) {
        made = TakeRow(index.used, index.capacity);
        if (made == kNoRow) {
          return kNoRow;
        }
        fill(made);
      }
      if (slot.compare_exchange_strong(stored, made + 1,
                                       std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
        return made;
      }
    }
    if (matches(stored - 1)) {
      if (made != kNoRow) {
        GiveBackRow(index.used, made);
      }
      return stored - 1;
    }
    at = (at + 1) & (index.size - 1);
  }
  return kNoRow;
}

bool Matches(const UpstreamRow& row, uint32_t hash, absl::string_view name) {
  return row.hash == hash && row.name_length == name.size() &&
         SameText(row.name, name.data(), name.size());
}

bool Matches(const PeerRow& row, uint32_t hash, uint32_t upstream,
             absl::string_view addr) {
  return row.hash == hash && row.upstream == upstream &&
         row.addr_length == addr.size() &&
         SameText(row.addr, addr.data(), addr.size());
}

// Opens the slot that `now_ms` falls into where nobody did yet; `fill` notes
// the totals in it. The clocks of workers differ a little, so small steps
// back are ignored; after a large one, slots that lie ahead are forgotten.
template <typename Slot, size_t N, typename Fill>
void Roll(Time* running, Slot (&slots)[N], int64_t width_ms, int64_t now_ms,
          const Fill& fill) {
  const int64_t start = now_ms - now_ms % width_ms;
  int64_t seen = running->load(kRelaxed);
  if (seen == start || (seen > start && seen - start <= 2 * kMinuteMs) ||
      !running->compare_exchange_strong(seen, start, kRelaxed)) {
    return;
  }
  const auto now = static_cast<uint32_t>(start / width_ms);
  for (Slot& slot : slots) {
    if (slot.minute.load(kRelaxed) > now) {
      slot.minute.store(0, kRelaxed);
    }
  }
  Slot& slot = slots[now % N];
  slot.minute.store(0, kRelaxed);
  fill(&slot);
  slot.minute.store(now, std::memory_order_release);
}

template <size_t N>
uint32_t Sum(const Counter (&counters)[N]) {
  uint64_t sum = 0;
  for (const Counter& counter : counters) {
    sum += counter.load(kRelaxed);
  }
  return static_cast<uint32_t>(sum);
}

template <size_t N>
uint32_t Sum(const Shard (&shards)[N], Counter Shard::*counter) {
  uint64_t sum = 0;
  for (const Shard& shard : shards) {
    sum += (shard.*counter).load(kRelaxed);
  }
  return static_cast<uint32_t>(sum);
}

template <size_t N>
void RollCauses(Time* running, CauseSlot (&slots)[N], int64_t width_ms,
                int64_t now_ms, const Counter (&causes)[kMaxCauses]) {
  Roll(running, slots, width_ms, now_ms, [&causes](CauseSlot* slot) {
    for (size_t i = 0; i < kMaxCauses; ++i) {
      slot->causes[i].store(static_cast<uint32_t>(causes[i].load(kRelaxed)),
                            kRelaxed);
    }
  });
}

}  // namespace

uint32_t Store::upstream_count() const {
  return header_->upstreams.load(kRelaxed);
}

uint32_t Store::peer_count() const { return header_->peers.load(kRelaxed); }

uint32_t Store::IndexedUpstream(uint32_t i) const {
  return upstream_index_[i].load(std::memory_order_acquire) - 1;
}

uint32_t Store::IndexedPeer(uint32_t i) const {
  return peer_index_[i].load(std::memory_order_acquire) - 1;
}

uint32_t Store::OtherPeer(uint32_t upstream) const {
  return capacity_.peers + upstream;
}

// Most rows stand where the search begins. The rest, and all that is rare, is
// kept out of the way of these two: they need no stack.
uint32_t Store::FindOrAddUpstream(absl::string_view name, Protocol protocol) {
  if (name.size() <= kUpstreamNameMax) [[likely]] {
    const uint32_t hash = HashText(0, name.data(), name.size());
    const uint32_t row =
        IndexedUpstream(FirstSlot(hash, capacity_.upstream_index));
    if (row != kNoRow && Matches(upstreams_[row], hash, name)) [[likely]] {
      return row;
    }
  }
  return SearchUpstream(name, protocol);
}

uint32_t Store::FindOrAddPeer(uint32_t upstream, absl::string_view addr) {
  if (addr.size() <= kPeerNameMax) [[likely]] {
    const uint32_t hash = HashText(upstream, addr.data(), addr.size());
    const uint32_t row = IndexedPeer(FirstSlot(hash, capacity_.peer_index));
    if (row != kNoRow && Matches(peers_[row], hash, upstream, addr))
        [[likely]] {
      return row;
    }
  }
  return SearchPeer(upstream, addr);
}

uint32_t Store::SearchUpstream(absl::string_view name, Protocol protocol) {
  name = CutUtf8(name, kUpstreamNameMax);
  const uint32_t hash = HashText(0, name.data(), name.size());
  const uint32_t row = FindOrAdd(
      {upstream_index_, capacity_.upstream_index, &header_->upstreams,
       capacity_.upstreams},
      hash,
      [&](uint32_t other) { return Matches(upstreams_[other], hash, name); },
      [&](uint32_t made) {
        FillUpstream(upstreams_ + made, hash, name, protocol);
        FillPeer(peers_ + OtherPeer(made), 0, made, kOtherName);
      });
  if (row == kNoRow) {
    header_->overflow.fetch_add(1, kRelaxed);
    return kOtherUpstream;
  }
  return row;
}

uint32_t Store::SearchPeer(uint32_t upstream, absl::string_view addr) {
  if (upstream == kOtherUpstream) {
    return OtherPeer(upstream);  // its overflow is counted already
  }
  addr = CutUtf8(addr, kPeerNameMax);
  const uint32_t hash = HashText(upstream, addr.data(), addr.size());
  const uint32_t row = FindOrAdd(
      {peer_index_, capacity_.peer_index, &header_->peers, capacity_.peers},
      hash,
      [&](uint32_t other) {
        return Matches(peers_[other], hash, upstream, addr);
      },
      [&](uint32_t made) { FillPeer(peers_ + made, hash, upstream, addr); });
  if (row == kNoRow) {
    header_->overflow.fetch_add(1, kRelaxed);
    return OtherPeer(upstream);
  }
  return row;
}

void Store::SetProtocol(uint32_t upstream, Protocol protocol) {
  auto unknown = static_cast<uint8_t>(Protocol::kUnknown);
  std::atomic<uint8_t>& stored = upstreams_[upstream].protocol;
  if (stored.load(kRelaxed) == unknown) {
    stored.compare_exchange_strong(unknown, static_cast<uint8_t>(protocol),
                                   kRelaxed);
  }
}

void Store::OpenMinute(UpstreamRow* row, int64_t now_ms) {
  static_assert(kResponseCodes[1] == 502);
  Roll(&row->minute, row->minutes, kMinuteMs, now_ms, [row](MinuteSlot* slot) {
    slot->requests.store(Sum(row->shards, &Shard::requests), kRelaxed);
    slot->failures.store(Sum(row->causes), kRelaxed);
    slot->responses_502.store(Sum(row->responses[1]), kRelaxed);
    row->seen.store(1, kRelaxed);
  });
}

void Store::OpenMinute(PeerRow* row, int64_t now_ms) {
  Roll(&row->minute, row->minutes, kMinuteMs, now_ms,
       [row](PeerMinuteSlot* slot) {
         slot->attempts.store(Sum(row->shards, &Shard::attempts), kRelaxed);
         slot->failures.store(Sum(row->causes), kRelaxed);
       });
}

void Store::OpenRecent(UpstreamRow* row, int64_t now_ms) {
  RollCauses(&row->recent, row->recents, kRecentMs, now_ms, row->causes);
}

void Store::OpenMinute(Header* header, int64_t now_ms) {
  RollCauses(&header->minute, header->minutes, kMinuteMs, now_ms,
             header->causes);
}

void Store::AddRescued(uint32_t upstream) {
  upstreams_[upstream].rescued.fetch_add(1, kRelaxed);
}

void Store::NoteLoad(int64_t now_ms) {
  header_->load_time.store(now_ms, kRelaxed);
  header_->generation.fetch_add(1, kRelaxed);
}

bool Store::TakeOverflowWarning(int64_t now_ms) {
  const uint64_t overflow = header_->overflow.load(kRelaxed);
  int64_t last = header_->overflow_warned.load(kRelaxed);
  if (overflow == header_->overflow_told.load(kRelaxed) ||
      (now_ms >= last && now_ms - last < kMinuteMs) ||
      !header_->overflow_warned.compare_exchange_strong(last, now_ms,
                                                        kRelaxed)) {
    return false;
  }
  header_->overflow_told.store(overflow, kRelaxed);
  return true;
}

}  // namespace upstream_502
