// The examples of docs/findings.md are what is said. Where they differ, they
// are written with
//
//   UPSTREAM_502_WRITE_DOCS=1 build/cmake/advice_findings_document_test

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "advice/findings_examples.h"
#include "advice/scene.h"

namespace upstream_502 {
namespace {

// For each finding that only many failures show, all that came.
std::map<Finding, Scene> Situations() {
  std::map<Finding, Scene> all;
  Failed replayed = Because(Cause::kErrorStatus);
  replayed.received_status = 502;
  const auto with = [&all](Finding finding) -> Scene& {
    return all.try_emplace(finding, "app", Protocol::kHttp)
        .first->second.At(kMinute);
  };
  with(Finding::kFromCache).Good(20).Bad(1, replayed).Replayed(12);

  Failed head = Because(Cause::kReadTimeout);
  head.method = "HEAD";
  with(Finding::kOneMethod).Good(211).Bad(14, head).Good(1);

  Failed late = Because(Cause::kClosedBeforeResponse);
  late.response_time = 30004;
  Failed early = late;
  early.response_time = 12040;
  with(Finding::kAlwaysAfter)
      .Good(50)
      .Bad(2, early)
      .At(kMinute + 5000)
      .Bad(31, late)
      .Good(1);

  Failed kept = Because(Cause::kClosedBeforeResponse);
  kept.reused = true;
  kept.evidence.emplace().idle_ms = 300020;
  with(Finding::kOnlyReused).Good(417).Bad(22, kept).Good(1);

  Failed large = Because(Cause::kSendReset);
  large.bytes_sent = 1048576;
  with(Finding::kOnlyLarge).Good(239).Bad(9, large).Good(1);
  return all;
}

std::string Told(const Scene& scene, Finding finding) {
  for (const DiagnosisFinding& told : scene.One().findings) {
    if (told.finding == finding) {
      return std::string(told.text);
    }
  }
  return "";
}

// What is said of each finding, as the document quotes it.
std::map<Finding, std::string> Sentences() {
  std::map<Finding, std::string> sentences;
  for (const auto& [finding, scene] : Examples()) {
    sentences[finding] = Says(scene, finding);
  }
  for (const auto& [finding, scene] : Situations()) {
    sentences[finding] = Told(scene, finding);
  }
  return sentences;
}

std::string Document() {
  const std::filesystem::path room =
      std::filesystem::path(__FILE__).parent_path();
  return (room.parent_path().parent_path().parent_path() / "docs/findings.md")
      .string();
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

// The sentences that the document has as examples are really said.
TEST(FindingsDocumentTest, ExamplesOfTheDocumentAreWhatIsSaid) {
  std::string document = Read(Document());
  const bool write = std::getenv("UPSTREAM_502_WRITE_DOCS") != nullptr;
  const auto sentences = Sentences();
  EXPECT_EQ(sentences.size(), kFindingCount);
  for (const auto& [finding, text] : sentences) {
    ASSERT_FALSE(text.empty()) << FindingName(finding);
    const size_t section =
        document.find(absl::StrCat("\n## ", FindingName(finding), "\n"));
    ASSERT_NE(section, std::string::npos) << FindingName(finding);
    const size_t begin = document.find("\n> ", section) + 3;
    const size_t end = document.find('\n', begin);
    if (write) {
      document.replace(begin, end - begin, text);
    } else {
      EXPECT_EQ(document.substr(begin, end - begin), text);
    }
  }
  if (write) {
    std::ofstream(Document()) << document;
  }
}

}  // namespace
}  // namespace upstream_502
