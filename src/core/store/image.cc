// Copies and sums up the memory word by word.

#include "upstream_502/store/image.h"

#include <algorithm>
#include <array>
#include <utility>

#include "upstream_502/store/check.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {
namespace {

constexpr uint64_t kImageMagic = 0x3230356574617473;  // "state502"

// Any word that changed and any two that changed places show.
uint64_t AddWords(uint64_t sum, absl::Span<const uint64_t> words) {
  for (const uint64_t word : words) {
    sum = sum * kMultiplier + word;
  }
  return sum;
}

}  // namespace

uint64_t CopyImage(const Arena& arena, TakePart take) {
  const auto* words = reinterpret_cast<const Counter*>(arena.header);
  const auto rings = static_cast<size_t>(
      reinterpret_cast<const Counter*>(arena.events) - words);
  const size_t end = arena.header->size / sizeof(uint64_t);
  std::array<uint64_t, kPartWords> copy;
  uint64_t sum = 0;
  for (const auto& [from, to] :
       {std::make_pair(rings, end), std::make_pair(size_t{0}, rings)}) {
    for (size_t at = from; at < to; at += kPartWords) {
      const size_t size = std::min(kPartWords, to - at);
      for (size_t i = 0; i < size; ++i) {
        copy[i] = words[at + i].load(std::memory_order_relaxed);
      }
      const absl::Span<const uint64_t> part(copy.data(), size);
      sum = AddWords(sum, part);
      take(at, part);
    }
  }
  return sum;
}

uint64_t SumOf(const Arena& arena) {
  return CopyImage(arena, [](size_t, absl::Span<const uint64_t>) {});
}

ImageHead HeadOf(const Arena& arena, uint64_t sum, bool ended) {
  return {kImageMagic, kLayout, arena.header->size, sum, ended ? 1U : 0U};
}

absl::string_view WhyNoImage(const ImageHead& head, size_t size) {
  if (head.magic != kImageMagic) {
    return "is not a state file of this module, or was written on another "
           "architecture";
  }
  if (head.layout != kLayout) {
    return "has another version's layout";
  }
  return head.size == size ? "" : "is of a zone of another size";
}

absl::optional<Arena> TakeImage(void* memory, size_t size, const Rings& rings,
                                const ImageHead& head) {
  absl::optional<Arena> arena = Arena::Attach(memory, size, rings);
  if (!arena || SumOf(*arena) != head.sum) {
    return absl::nullopt;
  }
  Mend(&*arena);
  if (head.ended == 0) {
    SkipIds(&*arena);
  }
  return arena;
}

}  // namespace upstream_502
