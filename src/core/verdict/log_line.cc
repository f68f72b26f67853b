// Where nginx's own text stands in a line of its error log.

#include "upstream_502/verdict/log_line.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace upstream_502 {
namespace {

// "2026/11/20 21:43:31 ": nginx's times are all of one length.
constexpr size_t kTimeSize = 20;

// What follows the first `end` in `text`; "" where there is none.
absl::string_view After(absl::string_view text, char end) {
  const char* const past = text.data() + text.size();
  const void* found = std::memchr(text.data(), end, text.size());
  const char* at =
      found == nullptr ? past : static_cast<const char*>(found) + 1;
  return {at, static_cast<size_t>(past - at)};
}

// Tengine has the name of the server before OpenSSL's errors:
// " SNI: NAME SSL_do_handshake() failed (SSL: ...". The name may be another's
// to choose, what follows OpenSSL's call never begins with " SSL_".
absl::string_view WithoutServerName(absl::string_view text) {
  if (!absl::StartsWith(text, " SNI: ")) {
    return text;
  }
  const size_t call = text.rfind(" SSL_");
  return call == absl::string_view::npos ? text : text.substr(call + 1);
}

// Where the path of a quoted URL begins, which may be a URI alone; npos: it has
// none. That of a unix socket stays.
size_t PathBegin(absl::string_view url) {
  const size_t scheme = url.find("://");
  const size_t host = scheme == absl::string_view::npos ? 0 : scheme + 3;
  return absl::StartsWith(url.substr(host), "unix:")
             ? url.find(':', host + 5)
             : url.find_first_of("/?", host);
}

// What memcached sent names the key again, which is anything made of the URI.
std::string WithoutKey(absl::string_view text, bool path) {
  if (path) {
    std::string cut;
    for (size_t query = 0; (query = text.find('?')) != text.npos;) {
      absl::StrAppend(&cut, text.substr(0, query + 1), "...");
      text.remove_prefix(
          std::min(text.find_first_of("\" ", query), text.size()));
    }
    return absl::StrCat(cut, text);
  }
  for (const absl::string_view front : {" \"VALUE ", " for key \""}) {
    const size_t found = text.find(front);
    if (found != absl::string_view::npos) {
      return absl::StrCat(text.substr(0, found + front.size()), "...\"");
    }
  }
  return std::string(text);
}

}  // namespace

LogLine ParseLogLine(absl::string_view line) {
  if (line.size() < kTimeSize) {
    return {};
  }
  line.remove_prefix(kTimeSize);
  if (absl::ConsumePrefix(&line, "[error] ")) {
    return {LogLevel::kError, line};
  }
  if (absl::ConsumePrefix(&line, "[crit] ")) {
    return {LogLevel::kCrit, line};
  }
  if (absl::ConsumePrefix(&line, "[alert] ")) {
    return {LogLevel::kAlert, line};
  }
  if (absl::ConsumePrefix(&line, "[emerg] ")) {
    return {LogLevel::kEmerg, line};
  }
  return {};
}

std::string WithoutUrl(absl::string_view text, bool path) {
  if (absl::StartsWith(text, "memcached sent invalid ")) {
    return WithoutKey(text, path);
  }
  for (const absl::string_view front :
       {" in upstream \"", "invalid URL prefix in \""}) {
    const size_t found = text.find(front);
    if (found == absl::string_view::npos) {
      continue;
    }
    const size_t begin = found + front.size();
    const absl::string_view url = text.substr(begin);
    const size_t end = path ? url.find('?') : PathBegin(url);
    if (end != absl::string_view::npos) {
      return absl::StrCat(text.substr(0, begin + end + 1), "...\"");
    }
  }
  return std::string(text);
}

absl::string_view TextOf(const LogLine& line, bool numbered) {
  absl::string_view text = After(line.rest, ':');
  absl::ConsumePrefix(&text, " ");
  if (numbered && absl::ConsumePrefix(&text, "*")) {
    text = After(text, ' ');
  }
  return WithoutServerName(text);
}

}  // namespace upstream_502
