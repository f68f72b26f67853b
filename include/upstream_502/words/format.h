// Numbers as people read them: sizes, times, dates and shares, each notation
// once.

#ifndef UPSTREAM_502_WORDS_FORMAT_H_
#define UPSTREAM_502_WORDS_FORMAT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"

namespace upstream_502 {

// As absl::StrAppendFormat, of less than 256 bytes. That one ends the process
// where memory is out, this one throws like everything else.
template <typename... Args>
void AppendFormat(std::string* out, const absl::FormatSpec<Args...>& format,
                  const Args&... args) {
  char text[256];
  const int size = absl::SNPrintF(text, sizeof(text), format, args...);
  out->append(text, std::min(static_cast<size_t>(size), sizeof(text) - 1));
}

// A size or a time as nginx's configuration has it: "16k", "1m", "4000";
// "60s", "1500ms".
std::string ConfigSize(int64_t bytes);
std::string ConfigTime(int64_t ms);

// "1.500" as nginx's $upstream_response_time; "" for -1, which is "never".
std::string LogSeconds(int64_t ms);

// "1.5" of 1500, "2.0" of 2000: the shortest that still has a fraction, as
// OpenMetrics wants it.
std::string MetricSeconds(uint64_t ms);

// "2026-11-20 21:43:31" of Unix ms, in UTC.
std::string FormatDateTime(int64_t ms);

// "45s", "12m 5s", "3h 20m", "2d 4h".
std::string FormatDuration(int64_t ms);

// In words, for a sentence, at least a second: "1 second", "12 minutes".
std::string DurationWords(int64_t ms);

// "12.5%"; "-" of nothing. Only 0 and all are "0.0%" and "100.0%".
std::string FormatPercent(uint64_t part, uint64_t whole);

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_FORMAT_H_
