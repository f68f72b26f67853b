// Whatever bytes come in, what goes out is what its format says. The bytes are
// random but the same in every run.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "report/exposition.h"
#include "report/json.h"
#include "report/sample.h"
#include "upstream_502/report/html.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/json_event.h"
#include "upstream_502/report/prometheus.h"
#include "upstream_502/report/text.h"

namespace upstream_502 {
namespace {

constexpr uint64_t kRounds = 500;

// What is worth breaking, and breaking off in the middle.
constexpr absl::string_view kPieces[] = {
    "</script>",
    "<!--",
    "]]>",
    "<img src=x onerror=alert(1)>",
    "</pre>",
    "&lt;",
    "\"",
    "\\",
    "\\u0000",
    "\\\"",
    "'",
    "{\"a\":[",
    "}]",
    "\n",
    "\r\n",
    "\t",
    absl::string_view("\0", 1),
    "\x1b[2J",
    "\x7f",
    "\xc2\x85",
    "\xc2\x9b",
    "\xe2\x80\xa8",
    "\xe2\x80\xae",
    "\xef\xbb\xbf",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xc0\xaf",
    "\xf0\x9f\x98\x80",
    "caf\xc3\xa9",
    "# EOF\n",
    "# TYPE x counter\n",
    "} 1\n",
    "{le=\"+Inf\"}",
    "%s%n",
    "$(reboot)",
    "`reboot`",
    "; reboot",
    "' -x '",
    "unix:/run/a b.sock",
    "127.0.0.1:80",
};

class Source {
 public:
  explicit Source(uint64_t seed) : random_(seed) {}

  size_t Below(size_t bound) { return random_() % bound; }

  std::string Text() {
    std::string text;
    for (size_t n = Below(6); n > 0; --n) {
      switch (Below(4)) {
        case 0:
          text.append(Below(80), static_cast<char>(Below(256)));
          break;
        case 1:
          for (size_t i = Below(12); i > 0; --i) {
            text.push_back(static_cast<char>(Below(256)));
          }
          break;
        default:
          const absl::string_view piece = kPieces[Below(std::size(kPieces))];
          // In half of the cases only its beginning.
          absl::StrAppend(&text, piece.substr(0, Below(2 * piece.size() + 1)));
      }
    }
    if (Below(50) == 0) {
      text.append(8192, static_cast<char>(Below(256)));
    }
    return text;
  }

 private:
  std::mt19937_64 random_;
};

// What a slot lets through: any text, any number that can be.
Evidence RandomEvidence(Source* source) {
  Evidence evidence = SampleEvidence();
  const std::string text = source->Text().substr(0, Evidence::kTextRoom);
  evidence.text_size = static_cast<uint8_t>(text.size());
  text.copy(evidence.text.data(), text.size());
  evidence.named = static_cast<Named>(source->Below(6));
  evidence.path_fault = static_cast<PathFault>(source->Below(7));
  evidence.path_kind = static_cast<FileKind>(source->Below(7));
  evidence.path_mode = static_cast<int16_t>(source->Below(010000));
  evidence.path_end = static_cast<uint8_t>(source->Below(256));
  evidence.tcp_state = static_cast<uint8_t>(source->Below(256));
  evidence.speaks = static_cast<Speaks>(source->Below(kSpeaksCount));
  evidence.listening = source->Below(2) == 0 ? Seen::kNo : Seen::kYes;
  return evidence;
}

// The sample with other text everywhere. Names stay apart by their number.
Report Random(uint64_t seed) {
  Source source(seed);
  Report report = SampleReport();
  Snapshot& snapshot = report.snapshot;
  for (String* text :
       {&snapshot.server.hostname, &snapshot.server.nginx_version,
        &snapshot.server.module_version, &snapshot.zone.name}) {
    *text = source.Text();
  }
  int number = 0;
  for (UpstreamStats& upstream : snapshot.upstreams) {
    upstream.name = absl::StrCat(++number, source.Text());
    for (PeerStats& peer : upstream.peers) {
      peer.addr = absl::StrCat(++number, source.Text());
    }
  }
  for (Event& event : snapshot.events) {
    for (String* text :
         {&event.upstream, &event.peer, &event.method, &event.host, &event.uri,
          &event.request_id, &event.message}) {
      *text = source.Text();
    }
    event.failure.cause = static_cast<Cause>(source.Below(kCauseCount));
    event.evidence = RandomEvidence(&source);
  }
  for (Diagnosis& diagnosis : report.diagnoses) {
    diagnosis.upstream = snapshot.upstreams[2].name;
    diagnosis.summary = source.Text();
    diagnosis.hint = source.Text();
    diagnosis.findings[0].text = source.Text();
    diagnosis.peers = {String(source.Text()), String(source.Text())};
    diagnosis.checks = {String(source.Text()), String(source.Text())};
  }
  SortTroubled(&report);
  return report;
}

// Strict, as JsonReader's strings are: no surrogates, no overlong forms.
bool IsUtf8(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const bool plain = static_cast<uint8_t>(c) >= 0x20 && c != '"' && c != '\\';
    quoted.push_back(plain ? c : ' ');
  }
  return JsonReader::Read(quoted + "\"").has_value();
}

TEST(RenderFuzz, JsonIsJson) {
  for (uint64_t i = 0; i < kRounds; ++i) {
    const std::string text = RenderAll(*MakeJsonRenderer(Random(i)));
    const std::optional<Json> json = JsonReader::Read(text);
    ASSERT_TRUE(json.has_value()) << "seed " << i;
    ASSERT_EQ((*json)["events"].elements.size(), 2u) << "seed " << i;
    ASSERT_EQ(text.find('<'), std::string::npos) << "seed " << i;
  }
}

TEST(RenderFuzz, EventsAreOneLineOfJson) {
  for (uint64_t i = 0; i < kRounds; ++i) {
    const Report report = Random(i);
    for (const Event& event : report.snapshot.events) {
      std::string line;
      AppendEventJson(event, &line);
      ASSERT_TRUE(JsonReader::Read(line).has_value()) << "seed " << i;
      ASSERT_EQ(line.find('\n'), std::string::npos) << "seed " << i;
    }
  }
}

TEST(RenderFuzz, TextIsPlainAndNarrow) {
  for (uint64_t i = 0; i < kRounds; ++i) {
    const std::string text = RenderAll(*MakeTextRenderer(Random(i)));
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      ASSERT_TRUE(line.size() <= 100u || absl::StartsWith(line, "  check: "))
          << "seed " << i;
      for (const char c : line) {
        ASSERT_TRUE(c >= ' ' && c <= '~') << "seed " << i;
      }
    }
  }
}

TEST(RenderFuzz, MetricsAreMetrics) {
  for (uint64_t i = 0; i < kRounds / 10; ++i) {
    const Report report = Random(i);
    for (const bool open : {false, true}) {
      const std::string text =
          RenderAll(open ? *MakeOpenMetricsRenderer(report)
                         : *MakePrometheusRenderer(report));
      ASSERT_EQ(Exposition(text, open).families(), 20u) << "seed " << i;
      ASSERT_TRUE(IsUtf8(text)) << "seed " << i;
      if (HasFailure()) {
        FAIL() << "seed " << i;
      }
    }
  }
}

// Nothing opens or closes an element but what does so in an empty page.
TEST(RenderFuzz, HtmlHasNoMarkupOfOthers) {
  const auto count = [](absl::string_view text, char c) {
    return std::count(text.begin(), text.end(), c);
  };
  const std::string empty = RenderAll(*MakeHtmlRenderer(Report()));
  for (uint64_t i = 0; i < kRounds / 10; ++i) {
    const std::string page = RenderAll(*MakeHtmlRenderer(Random(i)));
    ASSERT_EQ(count(page, '<'), count(empty, '<')) << "seed " << i;
    // The report has arrows of its own, escaped as all of it.
    ASSERT_EQ(count(page, '>'), count(empty, '>')) << "seed " << i;
    ASSERT_TRUE(IsUtf8(page)) << "seed " << i;
  }
}

// What real readers say of it, where there are any.
int ReadersVerdict(const std::string& command, const std::string& path) {
  return system(absl::StrCat(command, " <", path, " 2>&1").c_str());
}

bool Has(const std::string& command) {
  return system(absl::StrCat(command, " >/dev/null 2>&1").c_str()) == 0;
}

TEST(RenderFuzz, PrometheusReadsTheMetrics) {
  const std::string path = testing::TempDir() + "upstream_502_fuzz";
  const bool promtool = Has("promtool --version");
  const std::string client =
      "/usr/bin/python3 -c 'import sys\n"
      "from prometheus_client.openmetrics import parser\n"
      "for text in open(sys.argv[1], newline=\"\").read().split(\"\\f\"):\n"
      "    list(parser.text_string_to_metric_families(text))' ";
  if (!promtool && !Has("/usr/bin/python3 -c 'import prometheus_client'")) {
    GTEST_SKIP() << "neither promtool nor python3-prometheus-client here";
  }
  for (uint64_t i = 0; promtool && i < 10; ++i) {
    std::ofstream(path) << RenderAll(*MakePrometheusRenderer(Random(i)));
    EXPECT_EQ(ReadersVerdict("promtool check metrics", path), 0) << i;
  }
  if (Has("/usr/bin/python3 -c 'import prometheus_client'")) {
    std::ofstream all(path);
    for (uint64_t i = 0; i < 30; ++i) {
      // No form feed is in a label.
      all << (i == 0 ? "" : "\f")
          << RenderAll(*MakeOpenMetricsRenderer(Random(i)));
    }
    all.close();
    EXPECT_EQ(ReadersVerdict(client + path, path), 0);
  }
}

}  // namespace
}  // namespace upstream_502
