// What an upstream of the statistics is: who chose its name decides how many
// rows there may be of it, and which of them go first.

#ifndef UPSTREAM_502_STORE_KIND_H_
#define UPSTREAM_502_STORE_KIND_H_

#include <cstddef>
#include <cstdint>

namespace upstream_502 {

// Stored in shared memory: append only.
enum class UpstreamKind : uint8_t {
  kConfigured,  // its name stands in the configuration
  kPlace,       // the place that asks targets that hold a variable
  kResolved,    // what such a target resolved to
};
inline constexpr size_t kUpstreamKindCount = 3;

// Of these at most one row in so many; a client may choose them.
inline constexpr uint32_t kChosenShare = 4;

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_KIND_H_
