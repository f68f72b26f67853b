#include "upstream_502/words/escape.h"

#include <array>
#include <cstdio>

#include "gtest/gtest.h"
#include "report/json.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

template <typename Append>
std::string Escaped(Append append, absl::string_view text) {
  std::string out;
  append(text, &out);
  return out;
}

std::string JsonOf(absl::string_view text) {
  return Escaped(AppendJsonString, text);
}

TEST(AppendJsonString, LeavesPlainTextAlone) {
  EXPECT_EQ(JsonOf(""), "\"\"");
  EXPECT_EQ(JsonOf("GET /a?b=c~"), "\"GET /a?b=c~\"");
  EXPECT_EQ(JsonOf("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

TEST(AppendJsonString, EscapesQuotesBackslashesAndControls) {
  EXPECT_EQ(JsonOf("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(JsonOf("\n\r\t"), R"("\n\r\t")");
  EXPECT_EQ(JsonOf(absl::string_view("\0\x1f\x7f", 3)),
            R"("\u0000\u001f\u007f")");
}

TEST(AppendJsonString, CannotCloseAScriptElement) {
  EXPECT_EQ(JsonOf("</script>&"), R"("\u003c/script\u003e\u0026")");
  EXPECT_EQ(JsonOf("\xe2\x80\xa8\xe2\x80\xa9"), R"("\u2028\u2029")");
}

TEST(AppendJsonString, ReplacesEachByteThatIsNotUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(JsonOf("\xff"), "\"" + bad + "\"");
  EXPECT_EQ(JsonOf("a\xc3"), "\"a" + bad + "\"");
  EXPECT_EQ(JsonOf("\xc3("), "\"" + bad + "(\"");
  EXPECT_EQ(JsonOf("\xc0\xaf"), "\"" + bad + bad + "\"");            // overlong
  EXPECT_EQ(JsonOf("\xe0\x80\xaf"), "\"" + bad + bad + bad + "\"");  // overlong
  EXPECT_EQ(JsonOf("\xed\xa0\x80"),
            "\"" + bad + bad + bad + "\"");  // surrogate
  EXPECT_EQ(JsonOf("\xf4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"");
}

TEST(AppendJsonString, ReadsBackForAnyTwoBytes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first),
                                static_cast<char>(second), 'x'};
      const auto json = JsonReader::Read(JsonOf(text));
      ASSERT_TRUE(json.has_value()) << first << " " << second;
      if (first < 128 && second < 128) {
        EXPECT_EQ(json->text, text);
      }
    }
  }
}

TEST(AppendHtml, LeavesNoMarkup) {
  EXPECT_EQ(Escaped(AppendHtml, "<a href=\"x\" id='y'>&"),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
  EXPECT_EQ(Escaped(AppendHtml, "a\n\tb\x01\xff"),
            "a\n\tb\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(Escaped(AppendHtml, "caf\xc3\xa9"), "caf\xc3\xa9");
}

TEST(AppendLabelValue, EscapesWhatEndsAValueOrALine) {
  EXPECT_EQ(Escaped(AppendLabelValue, "a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
  EXPECT_EQ(Escaped(AppendLabelValue, "unix:/run/caf\xc3\xa9.sock"),
            "unix:/run/caf\xc3\xa9.sock");
}

TEST(AppendLabelValue, SpellsOutWhatIsNoTextSoThatNamesStayApart) {
  EXPECT_EQ(Escaped(AppendLabelValue, "\r\xff"), "\\\\x0d\\\\xff");
  EXPECT_EQ(Escaped(AppendLabelValue, "\xc2\x9b"), "\\\\xc2\\\\x9b");
}

TEST(AppendPrintable, SendsNoControlToATerminal) {
  EXPECT_EQ(Escaped(AppendPrintable, "\x1b[31m\r\n\x7f"), "?[31m???");
  // As UTF-8, U+009B is a control sequence introducer of its own.
  EXPECT_EQ(Escaped(AppendPrintable, "\xc2\x9b"), "?");
  // U+202E turns the reading direction around.
  EXPECT_EQ(Escaped(AppendPrintable,
                    "a\xe2\x80\xae"
                    "b"),
            "a?b");
  EXPECT_EQ(Escaped(AppendPrintable, "caf\xc3\xa9\xff"), "caf\xc3\xa9?");
}

TEST(FieldText, EndsNoFieldAndNoLine) {
  EXPECT_EQ(FieldText("", 100), "");
  EXPECT_EQ(FieldText("connect() failed (111: refused)", 100),
            "connect() failed (111: refused)");
  EXPECT_EQ(FieldText("a\r\nX-Injected: 1\r\n\r\nbody", 100),
            "a??X-Injected: 1????body");
  EXPECT_EQ(FieldText(absl::string_view("a\0b\t\x1b", 5), 100), "a?b??");
  EXPECT_EQ(FieldText("\x7f|\xc2\x85|\xe2\x80\xa8|\xe2\x80\xae", 100),
            "?|?|?|?");
}

TEST(FieldText, HoldsNoMoreThanItsLimit) {
  EXPECT_EQ(FieldText("abc", 3), "abc");
  EXPECT_EQ(FieldText("abc", 2), "ab");
  EXPECT_EQ(FieldText("abc", 0), "");
  EXPECT_EQ(FieldText("a\xe2\x82\xac", 4), "a\xe2\x82\xac");
  EXPECT_EQ(FieldText("a\xe2\x82\xac", 3), "a");
  EXPECT_EQ(FieldText(std::string(5000, '\xff'), 2048), std::string(2048, '?'));
}

TEST(CutUtf8, NeverEndsInsideACharacter) {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  EXPECT_EQ(CutUtf8(text, 100), text);
  EXPECT_EQ(CutUtf8(text, 10), text);
  for (const size_t size : {9U, 8U, 7U, 6U}) {
    EXPECT_EQ(CutUtf8(text, size), "a\xc3\xa9\xe2\x82\xac") << size;
  }
  for (const size_t size : {5U, 4U, 3U}) {
    EXPECT_EQ(CutUtf8(text, size), "a\xc3\xa9") << size;
  }
  EXPECT_EQ(CutUtf8(text, 2), "a");
  EXPECT_EQ(CutUtf8(text, 0), "");
}

TEST(CutUtf8, DropsAnEndThatWasCutBefore) {
  EXPECT_EQ(CutUtf8("a\xe2\x82", 100), "a");
  EXPECT_EQ(CutUtf8("", 100), "");
}

TEST(CutUtf8, KeepsBytesThatBeginNothing) {
  EXPECT_EQ(CutUtf8("\x80\x80\x80\x80\x80", 4), "\x80\x80\x80\x80");
  EXPECT_EQ(CutUtf8("a\xff", 2), "a\xff");
  EXPECT_EQ(CutUtf8("a\xc0", 2), "a\xc0");
}

TEST(AppendSfString, HoldsOnlyPrintableAscii) {
  EXPECT_EQ(Escaped(AppendSfString, "a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(Escaped(AppendSfString, "x\r\ny: caf\xc3\xa9\x7f\xff"),
            "\"x??y: caf???\"");
}

TEST(ShellQuote, QuotesOnlyWhereNeeded) {
  EXPECT_EQ(ShellQuote("127.0.0.1:9000"), "127.0.0.1:9000");
  EXPECT_EQ(ShellQuote("/run/php/php8.2-fpm.sock"), "/run/php/php8.2-fpm.sock");
  EXPECT_EQ(ShellQuote(""), "''");
  EXPECT_EQ(ShellQuote("[::1]:80"), "'[::1]:80'");
  EXPECT_EQ(ShellQuote("~root"), "'~root'");
  EXPECT_EQ(ShellQuote("it's"), "'it'\\''s'");
  EXPECT_EQ(ShellQuote("a\nb\x1b"), "'a?b?'");
}

// What a real shell makes of it.
TEST(ShellQuote, RunsNothing) {
  const std::string text = "$(echo x) `id` \"'; touch /nowhere/x; # \\ *";
  const std::string command = "printf %s " + ShellQuote(text);
  FILE* shell = popen(command.c_str(), "r");
  ASSERT_NE(shell, nullptr);
  std::array<char, 256> buffer;
  const size_t size = fread(buffer.data(), 1, buffer.size(), shell);
  EXPECT_EQ(pclose(shell), 0);
  EXPECT_EQ(std::string(buffer.data(), size), text);
}

bool IsUtf8(std::string text) {
  for (char& c : text) {
    c = static_cast<uint8_t>(c) < 0x80 ? 'x' : c;
  }
  return JsonReader::Read("\"" + text + "\"").has_value();
}

TEST(Escape, AlwaysMakesUtf8) {
  EXPECT_FALSE(IsUtf8(kNasty));
  for (const auto append : {AppendJsonString, AppendHtml, AppendLabelValue,
                            AppendPrintable, AppendSfString}) {
    EXPECT_TRUE(IsUtf8(Escaped(append, kNasty)));
  }
  EXPECT_TRUE(IsUtf8(ShellQuote(kNasty)));
  for (size_t limit = 0; limit <= sizeof(kNasty); ++limit) {
    const std::string field = FieldText(kNasty, limit);
    EXPECT_TRUE(IsUtf8(field)) << limit;
    EXPECT_LE(field.size(), limit);
  }
}

}  // namespace
}  // namespace upstream_502
