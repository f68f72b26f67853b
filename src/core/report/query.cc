// Parses the query string.

#include "upstream_502/report/query.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

constexpr uint64_t kLimitMax = 10000;
constexpr size_t kQuotedMax = 64;
// What who follows is told of before: of who goes on, and of who begins.
constexpr uint64_t kResumeLimit = 1000;
constexpr uint64_t kFollowLimit = 10;

// What was sent, as it may be shown in an answer of one line.
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  AppendPrintable(CutUtf8(text, kQuotedMax), &quoted);
  absl::StrAppend(&quoted, text.size() > kQuotedMax ? "...\"" : "\"");
  return quoted;
}

absl::Status BadValue(absl::string_view name, absl::string_view value,
                      absl::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat("invalid value ",
                                                 Quoted(value), " of argument ",
                                                 Quoted(name), ", ", allowed));
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Undoes URL encoding; false for a '%' without two hexadecimal digits.
bool Decode(absl::string_view text, std::string* decoded) {
  decoded->clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded->push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return false;
    }
    decoded->push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

// "resolver_missing, dns_error, …"
template <typename Value>
std::string Names(size_t count, absl::string_view (*name)(Value value)) {
  std::string names;
  for (size_t i = 0; i < count; ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", name(static_cast<Value>(i)));
  }
  return names;
}

// Only digits: absl's conversion also takes blanks and a sign.
bool ParseNumber(absl::string_view text, uint64_t* number) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, number);
}

absl::Status SetFormat(absl::string_view value, Query* query) {
  return ParseFormat(value, &query->format)
             ? absl::OkStatus()
             : BadValue("format", value,
                        "must be html, json, text or prometheus");
}

absl::Status SetName(absl::string_view name, const std::string& value,
                     std::optional<std::string>* field) {
  if (value.empty()) {
    return BadValue(name, value, "must not be empty");
  }
  *field = value;
  return absl::OkStatus();
}

absl::Status SetCause(absl::string_view value, Query* query) {
  Cause cause;
  if (!ParseCause(value, &cause)) {
    return BadValue("cause", value,
                    absl::StrCat("must be ", Names(kCauseCount, CauseName)));
  }
  query->cause = cause;
  return absl::OkStatus();
}

absl::Status SetFinding(absl::string_view value, Query* query) {
  Finding finding;
  if (!ParseFinding(value, &finding)) {
    return BadValue(
        "finding", value,
        absl::StrCat("must be ", Names(kFindingCount, FindingName)));
  }
  query->finding = finding;
  return absl::OkStatus();
}

absl::Status SetIncident(absl::string_view value, Query* query) {
  uint64_t id = 0;
  if (!ParseNumber(value, &id)) {
    return BadValue("incident", value, "must be the id of an incident");
  }
  query->incident = id;
  return absl::OkStatus();
}

absl::Status SetWindow(absl::string_view value, Query* query) {
  for (const Window window : {Window::kHour, Window::kDay, Window::kWeek}) {
    if (value == WindowName(window)) {
      query->window = window;
      return absl::OkStatus();
    }
  }
  return BadValue("window", value, "must be 1h, 1d or 7d");
}

absl::Status SetFollow(absl::string_view value, Query* query) {
  query->follow = true;
  return value.empty() || value == "1"
             ? absl::OkStatus()
             : BadValue("follow", value, "must be empty or 1");
}

// When all arguments are known.
absl::Status SettleFollow(const std::set<std::string>& names,
                          absl::string_view last_event_id, Query* query) {
  if (query->format == Format::kHtml || query->format == Format::kPrometheus) {
    return BadValue("format",
                    query->format == Format::kHtml ? "html" : "prometheus",
                    "must be json or text with follow");
  }
  const bool limited = names.count("limit") > 0;
  uint64_t last = 0;
  const bool has_last = ParseNumber(last_event_id, &last);
  if (has_last || names.count("since") > 0) {
    query->resume = {has_last ? last : query->since,
                     limited ? query->limit : kResumeLimit};
  }
  query->since = 0;
  if (!limited) {
    query->limit = kFollowLimit;
  }
  return absl::OkStatus();
}

absl::Status SetArgument(absl::string_view name, const std::string& value,
                         Query* query) {
  if (name == "format") {
    return SetFormat(value, query);
  }
  if (name == "upstream") {
    return SetName(name, value, &query->upstream);
  }
  if (name == "peer") {
    return SetName(name, value, &query->peer);
  }
  if (name == "cause") {
    return SetCause(value, query);
  }
  if (name == "finding") {
    return SetFinding(value, query);
  }
  if (name == "incident") {
    return SetIncident(value, query);
  }
  if (name == "follow") {
    return SetFollow(value, query);
  }
  if (name == "window") {
    return SetWindow(value, query);
  }
  if (name == "since") {
    return ParseNumber(value, &query->since)
               ? absl::OkStatus()
               : BadValue(name, value, "must be the id of an event");
  }
  if (name == "limit") {
    return ParseNumber(value, &query->limit) && query->limit <= kLimitMax
               ? absl::OkStatus()
               : BadValue(name, value,
                          absl::StrCat("must be 0 to ", kLimitMax));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown argument ", Quoted(name),
      ", must be format, upstream, peer, cause, finding, incident, window, ",
      "since, limit or follow"));
}

}  // namespace

absl::StatusOr<Query> ParseQuery(absl::string_view args,
                                 absl::string_view last_event_id) {
  Query query;
  std::set<std::string> names;
  for (const absl::string_view argument :
       absl::StrSplit(args, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> raw =
        absl::StrSplit(argument, absl::MaxSplits('=', 1));
    std::string name;
    std::string value;
    if (!Decode(raw.first, &name) || !Decode(raw.second, &value)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "invalid argument ", Quoted(argument), ", \"%\" must be followed by ",
          "two hexadecimal digits"));
    }
    const absl::Status status = SetArgument(name, value, &query);
    if (!status.ok()) {
      return status;
    }
    // Last, so that only the few known names are kept.
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("duplicate argument ", Quoted(argument)));
    }
  }
  if (query.follow) {
    const absl::Status status = SettleFollow(names, last_event_id, &query);
    if (!status.ok()) {
      return status;
    }
  }
  return query;
}

}  // namespace upstream_502
