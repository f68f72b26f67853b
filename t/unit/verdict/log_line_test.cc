#include "upstream_502/verdict/log_line.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kTime = "2026/11/20 21:43:31 ";
constexpr absl::string_view kText =
    "connect() failed (111: Connection refused) while connecting to upstream";

// A line of that level: what follows the time and the process.
std::string Line(absl::string_view level, absl::string_view text) {
  return absl::StrCat(kTime, "[", level, "] 7#7: ", text);
}

LogLevel LevelOf(absl::string_view line) { return ParseLogLine(line).level; }

std::string TextOf(absl::string_view line, bool numbered) {
  return std::string(upstream_502::TextOf(ParseLogLine(line), numbered));
}

TEST(WithoutUrl, CutsTheQueryOfAUrlThatIsQuoted) {
  const struct {
    absl::string_view text;
    absl::string_view path;     // with the path kept
    absl::string_view nothing;  // without
  } kCases[] = {
      {"no host in upstream \"/a/b?c=d\"", "no host in upstream \"/a/b?...\"",
       "no host in upstream \"/...\""},
      {"invalid port in upstream \"127.0.0.1:99999/a?b=\"c\"\"",
       "invalid port in upstream \"127.0.0.1:99999/a?...\"",
       "invalid port in upstream \"127.0.0.1:99999/...\""},
      {"invalid URL prefix in \"ftp://h/a?b\"",
       "invalid URL prefix in \"ftp://h/a?...\"",
       "invalid URL prefix in \"ftp://h/...\""},
      {"invalid URL prefix in \"http:?b=c\"",
       "invalid URL prefix in \"http:?...\"",
       "invalid URL prefix in \"http:?...\""},
      {"no path in the unix domain socket in upstream \"unix:/run/a:/b?c\"",
       "no path in the unix domain socket in upstream \"unix:/run/a:/b?...\"",
       "no path in the unix domain socket in upstream \"unix:/run/a:...\""},
      {"memcached sent invalid length in response \"VALUE /a?b 0 x\" for key "
       "\"/a?b\"",
       "memcached sent invalid length in response \"VALUE /a?... 0 x\" for key "
       "\"/a?...\"",
       "memcached sent invalid length in response \"VALUE ...\""},
      {"memcached sent invalid response: \"VALUE /a?b\"",
       "memcached sent invalid response: \"VALUE /a?...\"",
       "memcached sent invalid response: \"VALUE ...\""},
      {"memcached sent invalid response: \"VALUE /a?b",
       "memcached sent invalid response: \"VALUE /a?...",
       "memcached sent invalid response: \"VALUE ...\""},
      {"memcached sent invalid trailer in response \"x\" for key \"/ab\"",
       "memcached sent invalid trailer in response \"x\" for key \"/ab\"",
       "memcached sent invalid trailer in response \"x\" for key \"...\""},
      {"memcached sent invalid response: \"HTTP/1.1 400\"",
       "memcached sent invalid response: \"HTTP/1.1 400\"",
       "memcached sent invalid response: \"HTTP/1.1 400\""},
      {"no port in upstream \"backend\"", "no port in upstream \"backend\"",
       "no port in upstream \"backend\""},
      {"connect() to unix:/a?b failed (2: No such file or directory)",
       "connect() to unix:/a?b failed (2: No such file or directory)",
       "connect() to unix:/a?b failed (2: No such file or directory)"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(WithoutUrl(c.text, /*path=*/true), c.path);
    EXPECT_EQ(WithoutUrl(c.text, /*path=*/false), c.nothing);
  }
}

TEST(LevelOfLogLine, KnowsThoseThatTellOfFailures) {
  const struct {
    absl::string_view name;
    LogLevel level;
  } kCases[] = {
      {"emerg", LogLevel::kEmerg}, {"alert", LogLevel::kAlert},
      {"crit", LogLevel::kCrit},   {"error", LogLevel::kError},
      {"warn", LogLevel::kOther},  {"notice", LogLevel::kOther},
      {"info", LogLevel::kOther},  {"debug", LogLevel::kOther},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(LevelOf(Line(c.name, "*12 x")), c.level) << c.name;
    EXPECT_EQ(LevelOf(Line(c.name, "x")), c.level) << c.name;
  }
}

// They are compared with what nginx passes on.
TEST(LevelOfLogLine, HasNginxsNumbers) {
  EXPECT_EQ(static_cast<int>(LogLevel::kEmerg), 1);
  EXPECT_EQ(static_cast<int>(LogLevel::kAlert), 2);
  EXPECT_EQ(static_cast<int>(LogLevel::kCrit), 3);
  EXPECT_EQ(static_cast<int>(LogLevel::kError), 4);
  EXPECT_GT(LogLevel::kOther, LogLevel::kError);
}

TEST(LevelOfLogLine, TakesNothingElseForALevel) {
  for (const absl::string_view rest :
       {"", "[", "[]", "error", "[error]", "[error", "[errors] 7#7: x",
        "[ERROR] 7#7: x", "[ error] 7#7: x", "[error]7#7: x", "(error) x",
        " [error] 7#7: x", "7#7: *12 x"}) {
    EXPECT_EQ(LevelOf(absl::StrCat(kTime, rest)), LogLevel::kOther) << rest;
  }
}

TEST(LevelOfLogLine, IsNotReadOutOfTheText) {
  EXPECT_EQ(LevelOf(Line("notice", "*12 [error] x")), LogLevel::kOther);
  EXPECT_EQ(LevelOf(Line("error", "*12 [alert] x")), LogLevel::kError);
}

TEST(LevelOfLogLine, IsNoneWhereTheLineWasCutBeforeIt) {
  const std::string line = Line("error", "x");
  const size_t head = kTime.size() + sizeof("[error] ") - 1;
  for (size_t size = 0; size <= line.size(); ++size) {
    EXPECT_EQ(LevelOf(absl::string_view(line).substr(0, size)),
              size < head ? LogLevel::kOther : LogLevel::kError)
        << size;
  }
}

TEST(ParseLogLine, TellsWhatFollowsTheLevel) {
  for (const absl::string_view level : {"emerg", "alert", "crit", "error"}) {
    EXPECT_EQ(ParseLogLine(Line(level, "*12 x")).rest, "7#7: *12 x") << level;
  }
  EXPECT_EQ(ParseLogLine(Line("warn", "*12 x")).rest, "");
  EXPECT_EQ(ParseLogLine("").rest, "");
}

TEST(TextOfLogLine, BeginsBehindTheConnectionsNumber) {
  for (const absl::string_view level : {"emerg", "alert", "crit", "error"}) {
    EXPECT_EQ(TextOf(Line(level, absl::StrCat("*12 ", kText)), true), kText);
  }
  EXPECT_EQ(
      TextOf(Line("crit", absl::StrCat("*18446744073709551615 ", kText)), true),
      kText);
}

TEST(TextOfLogLine, NeedsNoNumber) {
  EXPECT_EQ(TextOf(Line("error", kText), false), kText);
  EXPECT_EQ(TextOf(Line("error", kText), true), kText);
}

// A name that a client or a configuration chose may begin so.
TEST(TextOfLogLine, MayBeginWithAnAsterisk) {
  constexpr absl::string_view kName = "*.example.com could not be resolved";
  EXPECT_EQ(TextOf(Line("error", kName), false), kName);
  EXPECT_EQ(TextOf(Line("error", absl::StrCat("*12 ", kName)), true), kName);
  EXPECT_EQ(TextOf(Line("error", "*12 * x"), true), "* x");
  EXPECT_EQ(TextOf(Line("error", "*12 *7 x"), true), "*7 x");
  EXPECT_EQ(TextOf(Line("error", "*12  x"), true), " x");
  EXPECT_EQ(TextOf(Line("error", " x"), false), " x");
}

TEST(TextOfLogLine, IsNotToldOfOtherLevels) {
  for (const absl::string_view level : {"warn", "notice", "info", "debug"}) {
    EXPECT_EQ(TextOf(Line(level, "*1 http upstream request"), true), "")
        << level;
  }
}

TEST(TextOfLogLine, KeepsColonsAndBracketsOfTheText) {
  constexpr absl::string_view kBoth =
      "upstream sent invalid header: \"[error] 1#1: *2 x: y\"";
  EXPECT_EQ(TextOf(Line("error", absl::StrCat("*12 ", kBoth)), true), kBoth);
  EXPECT_EQ(TextOf(Line("error", kBoth), false), kBoth);
}

TEST(TextOfLogLine, IsEmptyForWhatIsNoSuchLine) {
  for (const absl::string_view line :
       {"", ":", ": ", ": x", "x", "7#7: *12 x", "2026/11/20 21:43:31 x: y",
        "2026/11/20 21:43:31 [error] 7#7", "[error] 7#7: *12 connect()"}) {
    EXPECT_EQ(TextOf(line, false), "") << line;
    EXPECT_EQ(TextOf(line, true), "") << line;
  }
}

// nginx cuts a long line wherever it gets too long.
TEST(TextOfLogLine, IsTheBeginningOfTheTextWhereTheLineWasCut) {
  const std::string line = Line("error", absl::StrCat("*12 ", kText));
  const size_t head = line.size() - kText.size();
  for (size_t size = 0; size <= line.size(); ++size) {
    const absl::string_view cut = absl::string_view(line).substr(0, size);
    EXPECT_EQ(TextOf(cut, true), kText.substr(0, size < head ? 0 : size - head))
        << cut;
  }
  EXPECT_EQ(TextOf(Line("error", "*12"), false), "*12");
}

TEST(TextOfLogLine, TakesAnyBytes) {
  using std::string_literals::operator""s;
  for (const std::string& bytes :
       {"\0"s, "\xff\xfe\n\r\x1b[2J"s, "a\0b: c"s, std::string(5000, '*')}) {
    EXPECT_EQ(TextOf(Line("error", absl::StrCat("*12 ", bytes)), true), bytes);
    EXPECT_EQ(TextOf(Line("error", bytes), false), bytes);
    TextOf(bytes, true);
    EXPECT_EQ(LevelOf(bytes), LogLevel::kOther);
    EXPECT_EQ(LevelOf(absl::StrCat(kTime, bytes)), LogLevel::kOther);
  }
}

// Tengine's own words before OpenSSL's.
TEST(TextOfLogLine, LeavesOutTheServersNameThatTenginePutsBefore) {
  constexpr absl::string_view kFailed =
      "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong "
      "version number)";
  for (const absl::string_view name :
       {"www.example.com", "-", "", "SSL_read() failed", "a SSL_write()",
        "a upstream timed out"}) {
    EXPECT_EQ(
        TextOf(Line("error", absl::StrCat("*12  SNI: ", name, " ", kFailed)),
               true),
        kFailed)
        << name;
  }
  // Another's text after nginx's own is none of it.
  for (const absl::string_view text :
       {" SNI: www.example.com", " SNI: ", "SNI: a SSL_read() failed",
        "upstream sent  SNI: a SSL_read() failed"}) {
    EXPECT_EQ(TextOf(Line("error", absl::StrCat("*12 ", text)), true), text);
  }
}

}  // namespace
}  // namespace upstream_502
