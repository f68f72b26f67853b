// Holds the documentation against the table of causes. Where the README's
// table differs, write it anew with
//
//   UPSTREAM_502_WRITE_README=1 build/cmake/report_readme_test

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/words/cause.h"
#include "upstream_502/words/finding.h"

namespace upstream_502 {
namespace {

constexpr char kBegin[] = "<!-- causes:begin -->\n";
constexpr char kEnd[] = "<!-- causes:end -->\n";

std::string PathOf(absl::string_view name) {
  const std::filesystem::path room =
      std::filesystem::path(__FILE__).parent_path();
  return (room.parent_path().parent_path().parent_path() / std::string(name))
      .string();
}

std::string Read(absl::string_view name) {
  std::ifstream file(PathOf(name));
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::vector<std::string> CauseNames() {
  std::vector<std::string> names;
  for (size_t i = 0; i < kCauseCount; ++i) {
    names.emplace_back(CauseName(static_cast<Cause>(i)));
  }
  return names;
}

std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"*", "\\*"}});
}

std::string CauseTable() {
  std::string table =
      "| cause | phase | when | RFC 9209 `error` |\n|---|---|---|---|\n";
  for (size_t i = 0; i < kCauseCount; ++i) {
    const CauseInfo& info = Info(static_cast<Cause>(i));
    // A cause that can happen anywhere names every phase.
    const bool any = info.phases ==
                     "resolve, select, connect, tls, send, "
                     "header, body";
    const std::string error =
        info.rfc9209.empty() ? "" : absl::StrCat("`", info.rfc9209, "`");
    absl::StrAppend(&table, "| [`", info.name, "`](docs/causes.md#", info.name,
                    ") | ", any ? "any" : info.phases, " | ", Cell(info.when),
                    " | ", error, " |\n");
  }
  return table;
}

TEST(ReadmeTest, HoldsTheTableOfCauses) {
  const std::string readme = Read("README.md");
  const size_t begin = readme.find(kBegin);
  const size_t end = readme.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const size_t start = begin + std::strlen(kBegin);
  ASSERT_LE(start, end);
  const std::string expected = CauseTable();
  if (std::getenv("UPSTREAM_502_WRITE_README") != nullptr) {
    std::ofstream(PathOf("README.md"))
        << readme.substr(0, start) << expected << readme.substr(end);
    return;
  }
  EXPECT_EQ(readme.substr(start, end - start), expected);
}

// Alerts, the page and the table link there by name.
TEST(Schema, NamesEveryFindingInTheOrderOfTheTable) {
  const std::string schema = Read("contrib/upstream-502.schema.json");
  size_t at = schema.find("\"finding\": {");
  ASSERT_NE(at, std::string::npos);
  for (size_t i = 0; i < kFindingCount; ++i) {
    const absl::string_view name = FindingName(static_cast<Finding>(i));
    at = schema.find(absl::StrCat("\"", name, "\""), at);
    ASSERT_NE(at, std::string::npos) << name;
  }
}

TEST(ReadmeTest, RunbookHasOneSectionPerCauseInTheTablesOrder) {
  std::vector<std::string> sections;
  for (absl::string_view line : absl::StrSplit(Read("docs/causes.md"), '\n')) {
    if (absl::ConsumePrefix(&line, "### ")) {
      sections.emplace_back(line);
    }
  }
  EXPECT_THAT(sections, testing::ElementsAreArray(CauseNames()));
}

}  // namespace
}  // namespace upstream_502
