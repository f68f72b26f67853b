// Chooses the format of an answer.

#include "upstream_502/report/negotiate.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace upstream_502 {
namespace {

constexpr std::pair<absl::string_view, Format> kFormats[] = {
    {"html", Format::kHtml},
    {"json", Format::kJson},
    {"text", Format::kText},
    {"prometheus", Format::kPrometheus},
};

// One element of Accept.
struct Range {
  std::string type;     // in lower case
  std::string version;  // its parameter; "" where there is none
  int quality = 1000;   // q in thousandths
};

// "0.75" as 750; 0, which means "not acceptable", for what is no q value.
int ParseQuality(absl::string_view text) {
  double quality;
  if (!absl::SimpleAtod(text, &quality) || !(quality >= 0 && quality <= 1)) {
    return 0;
  }
  return static_cast<int>(quality * 1000);
}

Range ParseRange(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ';');
  Range range;
  range.type = absl::AsciiStrToLower(absl::StripAsciiWhitespace(parts[0]));
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> parameter =
        absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(parameter.first);
    absl::string_view value = absl::StripAsciiWhitespace(parameter.second);
    absl::ConsumePrefix(&value, "\"");
    absl::ConsumeSuffix(&value, "\"");
    if (absl::EqualsIgnoreCase(name, "q")) {
      range.quality = ParseQuality(value);
    } else if (absl::EqualsIgnoreCase(name, "version")) {
      range.version = std::string(value);
    }
  }
  return range;
}

// The format that `range` names; kAuto for "*/*" and for what we do not have.
Format FormatOf(const Range& range) {
  if (range.type == "text/html") {
    return Format::kHtml;
  }
  if (range.type == "application/json") {
    return Format::kJson;
  }
  if (range.type == "application/openmetrics-text") {
    const bool ours = range.version.empty() || range.version == "1.0.0" ||
                      range.version == "0.0.1";
    return ours ? Format::kOpenMetrics : Format::kAuto;
  }
  if (range.type == "text/plain" && range.version == "0.0.4") {
    return Format::kPrometheus;
  }
  if (range.type == "text/plain" && range.version.empty()) {
    return Format::kText;
  }
  return Format::kAuto;
}

// The first of the ranges with the best quality. A wildcard stands for text,
// but at equal quality what is named wins.
Format Negotiate(absl::string_view accept) {
  Format best = Format::kText;
  int best_quality = 0;
  for (const absl::string_view element : absl::StrSplit(accept, ',')) {
    const Range range = ParseRange(element);
    const bool wildcard = range.type == "*/*" || range.type == "text/*";
    const Format format = wildcard ? Format::kText : FormatOf(range);
    // Twice the quality leaves room for the half step of what is named.
    const int quality =
        range.quality == 0 ? 0 : range.quality * 2 + (wildcard ? 0 : 1);
    if (format != Format::kAuto && quality > best_quality) {
      best = format;
      best_quality = quality;
    }
  }
  return best;
}

// Whether one of the ranges is this type, with any quality.
bool Accepts(absl::string_view accept, absl::string_view type) {
  const std::vector<absl::string_view> elements = absl::StrSplit(accept, ',');
  return std::any_of(elements.begin(), elements.end(),
                     [type](absl::string_view element) {
                       const Range range = ParseRange(element);
                       return range.type == type && range.quality > 0;
                     });
}

}  // namespace

bool ParseFormat(absl::string_view name, Format* format) {
  for (const auto& known : kFormats) {
    if (known.first == name) {
      *format = known.second;
      return true;
    }
  }
  return false;
}

Format ChooseFormat(Format directive, Format query, absl::string_view accept) {
  const Format asked = directive != Format::kAuto ? directive : query;
  if (asked != Format::kAuto && asked != Format::kPrometheus) {
    return asked;
  }
  const Format negotiated = Negotiate(accept);
  const bool keep =
      asked == Format::kAuto || negotiated == Format::kOpenMetrics;
  return keep ? negotiated : asked;
}

absl::string_view ContentType(Format format) {
  switch (format) {
    case Format::kHtml:
      return "text/html; charset=utf-8";
    case Format::kJson:
      return "application/json";
    case Format::kPrometheus:
      return "text/plain; version=0.0.4; charset=utf-8";
    case Format::kOpenMetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case Format::kAuto:
    case Format::kText:
      break;
  }
  return "text/plain; charset=utf-8";
}

absl::optional<FollowFormat> ChooseFollowFormat(Format directive, Format query,
                                                absl::string_view accept) {
  if (directive == Format::kPrometheus) {
    return absl::nullopt;
  }
  const Format asked = directive != Format::kAuto ? directive : query;
  if (asked != Format::kText && Accepts(accept, "text/event-stream")) {
    return FollowFormat::kEventStream;
  }
  if (directive == Format::kHtml) {
    return absl::nullopt;
  }
  const bool json = asked == Format::kAuto
                        ? Negotiate(accept) == Format::kJson ||
                              Accepts(accept, "application/x-ndjson")
                        : asked == Format::kJson;
  return json ? FollowFormat::kJson : FollowFormat::kText;
}

absl::string_view ContentType(FollowFormat format) {
  switch (format) {
    case FollowFormat::kJson:
      return "application/x-ndjson";
    case FollowFormat::kEventStream:
      return "text/event-stream";
    case FollowFormat::kText:
      break;
  }
  return ContentType(Format::kText);
}

}  // namespace upstream_502
