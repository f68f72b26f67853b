// Numbers as people read them.

#include "upstream_502/words/format.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace upstream_502 {

std::string ConfigSize(int64_t bytes) {
  constexpr int64_t kKib = 1024;
  if (bytes >= kKib * kKib && bytes % (kKib * kKib) == 0) {
    return absl::StrCat(bytes / (kKib * kKib), "m");
  }
  if (bytes >= kKib && bytes % kKib == 0) {
    return absl::StrCat(bytes / kKib, "k");
  }
  return absl::StrCat(bytes);
}

std::string ConfigTime(int64_t ms) {
  return ms % 1000 == 0 ? absl::StrCat(ms / 1000, "s") : absl::StrCat(ms, "ms");
}

std::string LogSeconds(int64_t ms) {
  std::string text;
  if (ms >= 0) {
    AppendFormat(&text, "%d.%03d", ms / 1000, ms % 1000);
  }
  return text;
}

std::string MetricSeconds(uint64_t ms) {
  const std::string digits = absl::StrCat(1000 + ms % 1000).substr(1);
  const size_t last = std::max<size_t>(digits.find_last_not_of('0') + 1, 1);
  return absl::StrCat(ms / 1000, ".", digits.substr(0, last));
}

std::string FormatDateTime(int64_t ms) {
  namespace chrono = std::chrono;
  const auto time = chrono::sys_time<chrono::milliseconds>(
      chrono::milliseconds(std::max<int64_t>(ms, 0)));
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(chrono::floor<chrono::seconds>(time - day));
  std::string text;
  AppendFormat(
      &text, "%04d-%02u-%02u %02d:%02d:%02d", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  return text;
}

std::string FormatDuration(int64_t ms) {
  const int64_t seconds = std::max<int64_t>(ms, 0) / 1000;
  if (seconds < 60) {
    return absl::StrCat(seconds, "s");
  }
  if (seconds < 3600) {
    return absl::StrCat(seconds / 60, "m ", seconds % 60, "s");
  }
  if (seconds < 86400) {
    return absl::StrCat(seconds / 3600, "h ", seconds / 60 % 60, "m");
  }
  return absl::StrCat(seconds / 86400, "d ", seconds / 3600 % 24, "h");
}

std::string DurationWords(int64_t ms) {
  const auto say = [](int64_t n, absl::string_view unit) {
    return absl::StrCat(n, " ", unit, n == 1 ? "" : "s");
  };
  const int64_t seconds = std::max<int64_t>(ms, 1000) / 1000;
  if (seconds < 100 || (seconds < 180 && seconds % 60 != 0)) {
    return say(seconds, "second");
  }
  return seconds < 7200 ? say((seconds + 30) / 60, "minute")
                        : say((seconds + 1800) / 3600, "hour");
}

std::string FormatPercent(uint64_t part, uint64_t whole) {
  if (whole == 0) {
    return "-";
  }
  const double percent =
      100 * static_cast<double>(part) / static_cast<double>(whole);
  if (part > 0 && percent < 0.1) {
    return "<0.1%";
  }
  if (part < whole && percent > 99.9) {
    return ">99.9%";
  }
  std::string text;
  AppendFormat(&text, "%.1f%%", percent);
  return text;
}

}  // namespace upstream_502
