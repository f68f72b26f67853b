// How long and how finely is counted: minutes of history, the bounds of the
// histograms.

#ifndef UPSTREAM_502_STORE_WINDOW_H_
#define UPSTREAM_502_STORE_WINDOW_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

inline constexpr int64_t kMinuteMs = 60000;
inline constexpr int64_t kHourMs = 60 * kMinuteMs;
// How long history is kept, and what a diagnosis looks at.
inline constexpr size_t kHistoryMinutes = 60;
inline constexpr size_t kPeerMinutes = 8;
inline constexpr size_t kHistoryHours = 7 * 24;

// How much of the history is shown: minutes of the hour, hours of the others.
enum class Window : uint8_t { kHour, kDay, kWeek };
constexpr absl::string_view WindowName(Window window) {
  constexpr absl::string_view kNames[] = {"1h", "1d", "7d"};
  return kNames[static_cast<size_t>(window)];
}
constexpr size_t HoursOf(Window window) {
  return window == Window::kDay ? 24 : kHistoryHours;
}

// What begins so soon after a configuration was loaded may have come with it.
inline constexpr int64_t kReloadMs = 2 * kMinuteMs;

// An incident is over when nothing has failed for so long.
inline constexpr int64_t kIncidentQuietMs = 5 * kMinuteMs;

// The time line of an incident: its first minutes one by one, then coarser.
// Where each span begins, in minutes after the incident; the last one is open.
inline constexpr size_t kIncidentSpans = 40;
inline constexpr std::array<uint32_t, kIncidentSpans> kIncidentSpanStarts = {
    0,  1,  2,   3,   4,   5,   6,   7,   8,   9,   10,   11,  12, 13,
    14, 15, 16,  17,  18,  19,  20,  25,  30,  35,  40,   45,  50, 55,
    60, 90, 120, 150, 180, 240, 300, 360, 480, 720, 1440, 2880};

// Upper bounds of the time-to-failure histogram, in ms; one more bucket holds
// what is above the last.
inline constexpr size_t kTimeBuckets = 12;
inline constexpr std::array<uint64_t, kTimeBuckets> kTimeBounds = {
    1, 5, 10, 50, 100, 500, 1000, 5000, 10000, 30000, 60000, 120000};

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_WINDOW_H_
