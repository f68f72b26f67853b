// The memory as a file keeps it: a head that says what it is, and behind it the
// bytes as they are. Copied while others write: each word is whole. The rings
// are copied first, as what is in them was counted before it got there: nothing
// is kept that is not counted. Of the rest, what leads to something is copied
// before it.
//
//   ImageHead | zeroes | memory, from kImageOffset on

#ifndef UPSTREAM_502_STORE_IMAGE_H_
#define UPSTREAM_502_STORE_IMAGE_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "upstream_502/store/arena.h"

namespace upstream_502 {

inline constexpr size_t kImageOffset = 4096;
inline constexpr size_t kPartWords = 512;

struct ImageHead {
  uint64_t magic;   // also tells the order of bytes
  uint64_t layout;  // see kLayout
  uint64_t size;    // of the memory
  uint64_t sum;     // of its words
  uint64_t ended;   // 0: ids were handed out after it was copied
};

// Of the memory, the words from `first` on.
using TakePart =
    absl::FunctionRef<void(size_t first, absl::Span<const uint64_t> words)>;

// Copies all of it, kPartWords at most at once; the sum of what was copied.
uint64_t CopyImage(const Arena& arena, TakePart take);

// Of all of the memory as it is.
uint64_t SumOf(const Arena& arena);

// `ended`: nobody counts in it any more.
ImageHead HeadOf(const Arena& arena, uint64_t sum, bool ended);

// Why an image with this head is none of a memory of `size` bytes: the end of a
// sentence about it. Empty where it is one.
absl::string_view WhyNoImage(const ImageHead& head, size_t size);

// The store in `memory`, into which the image with that head was read, made
// ready to go on with; nothing where it is none, or not that one. Only before
// the memory is shared.
absl::optional<Arena> TakeImage(void* memory, size_t size, const Rings& rings,
                                const ImageHead& head);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_IMAGE_H_
