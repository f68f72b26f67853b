// Copies and sums up the memory word by word.

#include "upstream_502/store/image.h"

#include <algorithm>
#include <array>

#include "upstream_502/store/check.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {
namespace {

constexpr uint64_t kImageMagic = 0x3230356574617473;  // "state502"
constexpr size_t kChunk = 512;

size_t WordsOf(const Arena& arena) {
  return arena.header->size / sizeof(uint64_t);
}

}  // namespace

void CopyWords(const Arena& arena, size_t first, absl::Span<uint64_t> words) {
  const auto* from = reinterpret_cast<const Counter*>(arena.header) + first;
  for (uint64_t& word : words) {
    word = (from++)->load(std::memory_order_relaxed);
  }
}

uint64_t AddWords(uint64_t sum, absl::Span<const uint64_t> words) {
  for (const uint64_t word : words) {
    sum = sum * kMultiplier + word;
  }
  return sum;
}

uint64_t SumOf(const Arena& arena) {
  std::array<uint64_t, kChunk> chunk;
  const size_t words = WordsOf(arena);
  uint64_t sum = 0;
  for (size_t at = 0; at < words; at += kChunk) {
    const absl::Span<uint64_t> part(chunk.data(), std::min(kChunk, words - at));
    CopyWords(arena, at, part);
    sum = AddWords(sum, part);
  }
  return sum;
}

ImageHead HeadOf(const Arena& arena, uint64_t sum) {
  return {kImageMagic, kLayout, arena.header->size, sum};
}

absl::string_view WhyNoImage(const ImageHead& head, size_t size) {
  if (head.magic != kImageMagic) {
    return "is no state of this module on this machine";
  }
  if (head.layout != kLayout) {
    return "has another version's layout";
  }
  return head.size == size ? "" : "is of a zone of another size";
}

absl::optional<Arena> TakeImage(void* memory, size_t size, const Rings& rings,
                                uint64_t sum) {
  absl::optional<Arena> arena = Arena::Attach(memory, size, rings);
  if (!arena || SumOf(*arena) != sum) {
    return absl::nullopt;
  }
  Mend(&*arena);
  return arena;
}

}  // namespace upstream_502
