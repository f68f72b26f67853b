// The errnos of nginx's socket and file calls: their names and classes.

#ifndef UPSTREAM_502_WORDS_ERRNO_H_
#define UPSTREAM_502_WORDS_ERRNO_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// The class of the errno nginx saw; kNone where there was none.
enum class ErrnoClass : uint8_t {
  kNone,
  kRefused,
  kReset,
  kBrokenPipe,
  kTimedOut,
  kUnreachable,
  kNotFound,
  kPermission,
  kBacklog,
  kExhausted,
  kOther,
};
inline constexpr size_t kErrnoClassCount = 11;

// "refused", "timed_out"; "" for kNone.
absl::string_view ErrnoClassName(ErrnoClass errno_class);

// "ECONNREFUSED" for 111; "" for 0 and for numbers without a name.
absl::string_view ErrnoName(int number);

// The class of errno `number` (the host's numbers, as nginx logs them).
ErrnoClass ClassifyErrno(int number);

// As nginx writes it, "Connection refused": never translated.
absl::string_view ErrnoText(int number);

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_ERRNO_H_
