#include "upstream_502/report/html.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/report/json.h"

namespace upstream_502 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Root() {
  std::string path = __FILE__;
  return path.substr(0, path.rfind("/t/unit/") + 1);
}

std::string Read(const std::string& path) {
  std::ifstream file(Root() + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) {
    output.push_back(static_cast<char>(c));
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return output;
}

std::string Between(absl::string_view text, absl::string_view start,
                    absl::string_view end) {
  const size_t from = text.find(start);
  if (from == absl::string_view::npos) {
    return "";
  }
  text.remove_prefix(from + start.size());
  return std::string(text.substr(0, text.find(end)));
}

Report Hostile() {
  Report report;
  UpstreamStats upstream;
  upstream.name = "</pre><script>alert(1)</script>";
  upstream.seen = true;
  upstream.requests = upstream.attempts = upstream.failures = 1;
  upstream.causes[static_cast<size_t>(Cause::kConnectionRefused)] = 1;
  report.snapshot.upstreams.push_back(upstream);
  Event event;
  event.id = 1;
  event.upstream = upstream.name;
  event.uri = "/<img src=x onerror=alert(1)>";
  event.message = "\xff</script>";
  report.snapshot.events.push_back(event);
  return report;
}

std::string Html(Report report) {
  SortTroubled(&report);
  return RenderAll(*MakeHtmlRenderer(report));
}

TEST(RenderHtml, EmbedsWhatIsInTheSources) {
  const std::string page = Html(Report());
  const std::string style = Read("src/web/page.css");
  ASSERT_FALSE(style.empty());
  EXPECT_TRUE(Between(page, "<style>", "</style>") == style);
  std::string script;
  for (const char* name : {"dom", "chart", "ask", "view", "events", "incidents",
                           "follow", "main"}) {
    const std::string part = Read(absl::StrCat("src/web/", name, ".js"));
    ASSERT_FALSE(part.empty()) << name;
    script += part;
  }
  EXPECT_TRUE(Between(page, "<script>", "</script>") == script);
}

TEST(RenderHtml, AllowsByHashWhatThePageHolds) {
  if (Output("command -v openssl || true").empty()) {
    GTEST_SKIP() << "no openssl";
  }
  const std::string page = Html(Report());
  const auto hash = [](const std::string& text) {
    const std::string path = testing::TempDir() + "upstream_502_page";
    std::ofstream(path) << text;
    return Output("openssl dgst -sha256 -binary " + path +
                  " | openssl base64 -A");
  };
  EXPECT_THAT(
      std::string(PageCsp()),
      HasSubstr(absl::StrCat("style-src 'sha256-",
                             hash(Between(page, "<style>", "</style>")), "'")));
  EXPECT_THAT(std::string(PageCsp()),
              HasSubstr(absl::StrCat(
                  "script-src 'sha256-",
                  hash(Between(page, "<script>", "</script>")), "'")));
}

TEST(RenderHtml, AllowsNothingElse) {
  const std::string csp(PageCsp());
  EXPECT_TRUE(absl::StartsWith(csp, "default-src 'none'; "));
  EXPECT_THAT(csp, Not(HasSubstr("unsafe")));
  EXPECT_THAT(csp, HasSubstr("base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'"));
}

TEST(RenderHtml, IsWholeAndAsksNobodyElse) {
  const std::string page = Html(Report());
  EXPECT_TRUE(absl::StartsWith(page, "<!doctype html>"));
  EXPECT_TRUE(absl::EndsWith(page, "</html>\n"));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  // The one namespace is a name, not an address to fetch.
  EXPECT_THAT(absl::StrCat(Between(page, "http://", "'")),
              testing::StartsWith("www.w3.org/2000/svg"));
  for (const absl::string_view attribute :
       {" style=", " onclick=", " onload=", " onerror=", "javascript:",
        ".innerHTML", ".outerHTML", "insertAdjacentHTML", "document.write",
        "eval("}) {
    EXPECT_FALSE(absl::StrContains(page, attribute)) << attribute;
  }
}

TEST(RenderHtml, ShowsTheTextReportToThoseWithoutScripts) {
  Report report;
  report.snapshot.server.hostname = "web1.example";
  EXPECT_THAT(Between(Html(report), "<pre id=\"report\"", "</pre>"),
              HasSubstr("web1.example"));
}

TEST(RenderHtml, EscapesWhatComesFromOutside) {
  const std::string page = Html(Hostile());
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, HasSubstr("&lt;img src=x"));
}

TEST(RenderHtml, BringsTheData) {
  const Report report = Hostile();
  const std::string data =
      Between(Html(report), "<script type=\"application/json\" id=\"data\">",
              "</script>");
  EXPECT_EQ(data, RenderAll(*MakeJsonRenderer(report)));
  EXPECT_THAT(data, Not(HasSubstr("<")));
}

TEST(RenderHtml, ComesInPieces) {
  const Report report;
  const Excerpt excerpt(report);
  const std::unique_ptr<Renderer> renderer = MakeHtmlRenderer(excerpt);
  std::string piece;
  size_t pieces = 0;
  while (renderer->Next(&piece)) {
    EXPECT_LE(piece.size(), 16384u);
    EXPECT_FALSE(piece.empty());
    piece.clear();
    ++pieces;
  }
  EXPECT_GT(pieces, 3u);
  EXPECT_FALSE(renderer->Next(&piece));
  EXPECT_TRUE(piece.empty());
}

}  // namespace
}  // namespace upstream_502
