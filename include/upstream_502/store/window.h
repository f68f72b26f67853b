// How long and how finely is counted: minutes of history, the bounds of the
// histograms.

#ifndef UPSTREAM_502_STORE_WINDOW_H_
#define UPSTREAM_502_STORE_WINDOW_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace upstream_502 {

inline constexpr int64_t kMinuteMs = 60000;
// How long history is kept, and what a diagnosis looks at.
inline constexpr size_t kHistoryMinutes = 60;
inline constexpr size_t kPeerMinutes = 8;

// Upper bounds of the time-to-failure histogram, in ms; one more bucket holds
// what is above the last.
inline constexpr size_t kTimeBuckets = 12;
inline constexpr std::array<uint64_t, kTimeBuckets> kTimeBounds = {
    1, 5, 10, 50, 100, 500, 1000, 5000, 10000, 30000, 60000, 120000};

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_WINDOW_H_
