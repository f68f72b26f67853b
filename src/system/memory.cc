// The counter of processes killed for want of memory.

#include "system/memory.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "system/proc_file.h"

namespace upstream_502 {
namespace {

constexpr int64_t kLookEveryMs = 1000;

int64_t ReadOomKill() {
  char text[16384];
  return ParseOomKill(ReadFile("/proc/vmstat", text, sizeof(text)));
}

}  // namespace

int64_t ParseOomKill(absl::string_view vmstat) {
  while (!vmstat.empty()) {
    absl::string_view line = vmstat.substr(0, vmstat.find('\n'));
    vmstat.remove_prefix(std::min(line.size() + 1, vmstat.size()));
    int64_t count = 0;
    if (absl::ConsumePrefix(&line, "oom_kill ")) {
      return absl::SimpleAtoi(line, &count) && count >= 0 ? count : -1;
    }
  }
  return -1;
}

OomKills OomWatch::Look(int64_t now_ms) {
  if (has_looked_ && now_ms - looked_ms_ < kLookEveryMs) {
    return Told(now_ms);
  }
  return Take(ReadOomKill(), now_ms);
}

OomKills OomWatch::Take(int64_t counter, int64_t now_ms) {
  if (has_looked_ && counter > counter_ && counter_ != -1) {
    if (count_ == 0 || now_ms - seen_ms_ > kMemoryMs) {
      count_ = 0;
      from_ms_ = looked_ms_;
    }
    count_ += static_cast<int32_t>(
        std::min<int64_t>(counter - counter_, INT32_MAX - count_));
    seen_ms_ = now_ms;
  }
  has_looked_ = true;
  counter_ = counter;
  looked_ms_ = now_ms;
  return Told(now_ms);
}

OomKills OomWatch::Told(int64_t now_ms) const {
  if (counter_ == -1) {
    return {};
  }
  if (count_ == 0 || now_ms - seen_ms_ > kMemoryMs) {
    return {.count = 0, .seconds = 0};
  }
  const int64_t seconds = (now_ms - from_ms_ + 999) / 1000;
  return {
      .count = count_,
      .seconds = static_cast<int32_t>(std::min<int64_t>(seconds, INT32_MAX))};
}

}  // namespace upstream_502
