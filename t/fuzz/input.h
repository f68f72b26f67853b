// The bytes that a fuzzer has made up, taken apart front to back; when they are
// used up, zeroes and empty texts follow.
//
//   Input input(data, size);
//   const absl::string_view line = input.Line();
//   const auto cause = input.Pick<Cause>(kCauseCount);

#ifndef UPSTREAM_502_T_FUZZ_INPUT_H_
#define UPSTREAM_502_T_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "absl/strings/string_view.h"

// What libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace upstream_502 {

// What has to hold whatever comes.
#define REQUIRE(condition)                                                  \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
                   #condition);                                             \
      std::abort();                                                         \
    }                                                                       \
  } while (false)

class Input {
 public:
  Input(const uint8_t* data, size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }

  // A plain value of any bytes.
  template <typename T>
  T Take() {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_same_v<T, bool>);
    T value{};
    const absl::string_view bytes = Bytes(sizeof(value));
    std::memcpy(static_cast<void*>(&value), bytes.data(), bytes.size());
    return value;
  }

  bool Flag() { return (Take<uint8_t>() & 1) != 0; }

  template <typename Enum>
  Enum Pick(size_t count) {
    return static_cast<Enum>(Take<uint8_t>() % count);
  }

  absl::string_view Bytes(size_t size) {
    const absl::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

  // Up to the next line break, which is taken too.
  absl::string_view Line() {
    const absl::string_view line = Bytes(rest_.find('\n'));
    Bytes(1);
    return line;
  }

  absl::string_view Rest() { return Bytes(rest_.size()); }

 private:
  absl::string_view rest_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_FUZZ_INPUT_H_
