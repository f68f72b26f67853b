// Text from anywhere in every format's own escaping.
//
// The input is the text.

#include "upstream_502/words/escape.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "input.h"
#include "read_all.h"
#include "report/json.h"
#include "upstream_502/report/json_object.h"
#include "upstream_502/report/parts.h"
#include "upstream_502/report/proxy_status.h"

namespace upstream_502 {
namespace {

// Whether it is UTF-8, as the strict reader of JSON has it.
bool IsUtf8(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const bool plain = c != '"' && c != '\\' && (c < 0 || c >= ' ');
    quoted.push_back(plain ? c : '.');
  }
  return JsonReader::Read(quoted + "\"").has_value();
}

bool Has(absl::string_view text, absl::string_view any_of) {
  return text.find_first_of(any_of) != absl::string_view::npos;
}

void InJson(absl::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  const std::optional<Json> value = JsonReader::Read(out);
  REQUIRE(value.has_value() && !Has(out, "<>&"));
  REQUIRE(!IsUtf8(text) || value->text == text);
  out.clear();
  JsonObject object(&out);
  object.Text("a", text);
  object.TextOrNull("b", text);
  object.Close();
  REQUIRE(JsonReader::Read(out).has_value());
}

void InShell(absl::string_view text) {
  const std::string quoted = ShellQuote(text);
  // Taken apart as a shell does: nothing is left outside the quotes.
  std::string back;
  bool inside = false;
  for (size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] == '\'') {
      inside = !inside;
    } else if (!inside && quoted[i] == '\\') {
      REQUIRE(++i < quoted.size());
      back.push_back(quoted[i]);
    } else {
      REQUIRE(inside || !Has(quoted.substr(i, 1), " \t\n\"$`;&|<>()*?[]#~!{}"));
      back.push_back(quoted[i]);
    }
  }
  REQUIRE(!inside && !quoted.empty() && IsUtf8(quoted));
}

void InLines(absl::string_view text) {
  std::string out;
  AppendPrintable(text, &out);
  REQUIRE(IsPrintableText(out) && IsUtf8(out));
  for (const size_t limit : {size_t{0}, size_t{1}, size_t{7}, size_t{300}}) {
    const std::string field = FieldText(text, limit);
    REQUIRE(field.size() <= limit && IsPrintableText(field) && IsUtf8(field));
    const absl::string_view cut = CutUtf8(text, limit);
    REQUIRE(cut.size() <= limit && absl::StartsWith(text, cut));
    REQUIRE(!IsUtf8(text) || IsUtf8(cut));
  }
  for (const size_t width : {size_t{8}, size_t{40}}) {
    REQUIRE(Shorten(text, width).size() <= width);
  }
  out.clear();
  AppendWrapped("  * ", 4, text, &out);
  AppendTitle(text.substr(0, 40), &out);
  REQUIRE(out.size() >= text.size() / 8);
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  const absl::string_view text = input.Rest();
  InJson(text);
  InShell(text);
  InLines(text);
  std::string out;
  AppendHtml(text, &out);
  REQUIRE(!Has(out, "<>\"'") && IsUtf8(out));
  out.clear();
  AppendLabelValue(text, &out);
  REQUIRE(!Has(out, "\n") && IsUtf8(out));
  out.clear();
  AppendSfString(text, &out);
  for (const char c : out) {
    REQUIRE(c >= ' ' && c <= '~');
  }
  REQUIRE(!IsProxyName(text) || !Has(text, " ,;\"\\=()\n"));
  return 0;
}
