// The table of findings, and the document that is made from it. Where
// docs/findings.md differs, its parts of the table are written anew with
//
//   UPSTREAM_502_WRITE_DOCS=1 build/cmake/words_finding_test

#include "upstream_502/words/finding.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {
namespace {

std::vector<Finding> AllFindings() {
  std::vector<Finding> findings;
  for (size_t i = 0; i < kFindingCount; ++i) {
    findings.push_back(static_cast<Finding>(i));
  }
  return findings;
}

// The names are a public contract: dashboards and alerts rely on them.
TEST(FindingTest, NamesAndNumbersStayWhatTheyAre) {
  const absl::string_view names[] = {
      "resolver_unanswered",
      "hosts_only",
      "port_closed",
      "other_address",
      "rejected",
      "socket_stale",
      "socket_absent",
      "socket_hidden",
      "directory_missing",
      "not_a_socket",
      "no_permission",
      "confined",
      "queue_full",
      "syn_unanswered",
      "syn_repeated",
      "not_accepted",
      "not_read",
      "no_answer",
      "unacknowledged",
      "service_gone",
      "still_listening",
      "oom_kill",
      "answered_early",
      "wrong_protocol",
      "certificate_expired",
      "certificate_not_yet_valid",
      "certificate_name",
      "certificate_untrusted",
      "certificate_chain",
      "tls_refused_here",
      "no_server_name",
      "tls_alert",
      "h2_error",
      "header_size",
      "idle_closed",
      "closed_in_use",
      "connections_used",
      "files_used",
      "ports_used",
      "peers_down",
      "name_moved",
      "not_retried",
      "sent_again",
      "from_cache",
      "one_method",
      "always_after",
      "only_reused",
      "only_large",
  };
  ASSERT_EQ(std::size(names), kFindingCount);
  for (size_t i = 0; i < kFindingCount; ++i) {
    const auto finding = static_cast<Finding>(i);
    EXPECT_EQ(FindingName(finding), names[i]);
    Finding parsed = Finding::kOnlyLarge;
    EXPECT_TRUE(ParseFinding(names[i], &parsed)) << names[i];
    EXPECT_EQ(parsed, finding) << names[i];
  }
}

TEST(FindingTest, EveryFindingHasItsTexts) {
  for (const Finding finding : AllFindings()) {
    const FindingInfo& info = Info(finding);
    EXPECT_EQ(info.finding, finding);
    for (const absl::string_view text : {info.seen, info.how, info.act}) {
      EXPECT_FALSE(text.empty()) << info.name;
      EXPECT_NE(text.back(), '.') << text;
      for (const char c : text) {
        EXPECT_TRUE(c >= ' ' && c <= '~') << text;
      }
    }
  }
}

TEST(FindingTest, CausesAreNamesOfCauses) {
  for (const Finding finding : AllFindings()) {
    const FindingInfo& info = Info(finding);
    if (info.causes == "any") {
      continue;
    }
    std::set<absl::string_view> seen;
    for (const absl::string_view name : absl::StrSplit(info.causes, ", ")) {
      Cause cause;
      EXPECT_TRUE(ParseCause(name, &cause)) << info.name << ": " << name;
      EXPECT_TRUE(seen.insert(name).second) << info.name << ": " << name;
    }
  }
}

TEST(FindingTest, NumbersThatAreNoneHaveNoName) {
  Finding parsed;
  EXPECT_EQ(FindingName(static_cast<Finding>(kFindingCount)), "");
  EXPECT_EQ(FindingName(static_cast<Finding>(255)), "");
  EXPECT_FALSE(ParseFinding("", &parsed));
  EXPECT_FALSE(ParseFinding("PORT_CLOSED", &parsed));
  EXPECT_FALSE(ParseFinding("port_closed ", &parsed));
}

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

std::string Markdown(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"*", "\\*"}, {"<", "\\<"}});
}

std::string Causes(absl::string_view causes) {
  if (causes == "any") {
    return "any";
  }
  std::vector<std::string> links;
  for (const absl::string_view cause : absl::StrSplit(causes, ", ")) {
    links.push_back(absl::StrCat("[`", cause, "`](causes.md#", cause, ")"));
  }
  return absl::StrJoin(links, ", ");
}

// What the table says of a finding; an example may follow it.
std::string Section(const FindingInfo& info) {
  return absl::StrCat(
      "## ", info.name, "\n\n- Of causes: ", Causes(info.causes),
      "\n- Seen: ", Markdown(info.seen), "\n- How: ", Markdown(info.how),
      "\n- Do: ", Markdown(info.act), "\n");
}

// Alerts, the page and the reports link there by name.
TEST(FindingTest, DocumentHasOneSectionPerFindingInTheTablesOrder) {
  const std::string document = Read("docs/findings.md");
  const std::vector<std::string> parts = absl::StrSplit(document, "\n## ");
  const bool write = std::getenv("UPSTREAM_502_WRITE_DOCS") != nullptr;
  std::string anew = absl::StrCat(absl::StripSuffix(parts[0], "\n"), "\n");
  for (const Finding finding : AllFindings()) {
    const std::string section = Section(Info(finding));
    std::string example = "\n> TODO\n";
    for (const std::string& part : parts) {
      if (absl::StartsWith(part, absl::StrCat(Info(finding).name, "\n"))) {
        const size_t at = part.find("\n\n> ");
        example = at == std::string::npos ? example : part.substr(at + 1);
      }
    }
    absl::StrAppend(&anew, "\n", section, "\n",
                    absl::StripSuffix(absl::StripPrefix(example, "\n"), "\n"),
                    "\n");
  }
  if (write) {
    std::ofstream(PathOf("docs/findings.md")) << anew;
    return;
  }
  EXPECT_EQ(document, anew);
}

}  // namespace
}  // namespace upstream_502
