// The memory as a file keeps it: a head that says what it is, and behind it the
// bytes as they are. Copied while others write: each word is whole, and what
// leads to something is copied before it.
//
//   ImageHead | zeroes | memory, from kImageOffset on

#ifndef UPSTREAM_502_STORE_IMAGE_H_
#define UPSTREAM_502_STORE_IMAGE_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "upstream_502/store/arena.h"

namespace upstream_502 {

inline constexpr size_t kImageOffset = 4096;

struct ImageHead {
  uint64_t magic;   // also tells the order of bytes
  uint64_t layout;  // see kLayout
  uint64_t size;    // of the memory
  uint64_t sum;     // of its words
};

// Words of the memory from `first` on.
void CopyWords(const Arena& arena, size_t first, absl::Span<uint64_t> words);

// `sum` with these words added; of none it is 0. Any word that changed and any
// two that changed places show.
uint64_t AddWords(uint64_t sum, absl::Span<const uint64_t> words);

// Of all of the memory as it is.
uint64_t SumOf(const Arena& arena);

ImageHead HeadOf(const Arena& arena, uint64_t sum);

// Why an image with this head is none of a memory of `size` bytes: the end of a
// sentence about it. Empty where it is one.
absl::string_view WhyNoImage(const ImageHead& head, size_t size);

// The store in `memory`, into which an image with that sum was read, made ready
// to go on with; nothing where it is none, or not that one. Only before the
// memory is shared.
absl::optional<Arena> TakeImage(void* memory, size_t size, const Rings& rings,
                                uint64_t sum);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_IMAGE_H_
