// A strict reader of the metrics, for tests: of what both formats have in
// common. What it does not accept is a failed expectation.

#ifndef UPSTREAM_502_T_UNIT_EXPOSITION_H_
#define UPSTREAM_502_T_UNIT_EXPOSITION_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"

namespace upstream_502 {

inline constexpr absl::string_view kMetricPrefix = "nginx_upstream_502_";

class Exposition {
 public:
  Exposition(const std::string& text, bool open_metrics)
      : open_metrics_(open_metrics) {
    EXPECT_TRUE(absl::EndsWith(text, "\n"));
    std::vector<std::string> lines = absl::StrSplit(text, '\n');
    lines.pop_back();
    if (open_metrics) {
      EXPECT_EQ(lines.empty() ? "" : lines.back(), "# EOF");
      lines.resize(lines.empty() ? 0 : lines.size() - 1);
    }
    for (const std::string& line : lines) {
      Line(line);
    }
  }

  // The value of `requests_total{upstream="php"}`; "" where there is none.
  std::string operator[](const std::string& series) const {
    const auto found = samples_.find(absl::StrCat(kMetricPrefix, series));
    return found == samples_.end() ? "" : found->second;
  }
  // How many samples begin like that.
  size_t Count(const std::string& start) const {
    size_t count = 0;
    for (const auto& sample : samples_) {
      count +=
          absl::StartsWith(sample.first, absl::StrCat(kMetricPrefix, start));
    }
    return count;
  }
  std::string TypeOf(const std::string& family) const {
    const auto found = types_.find(absl::StrCat(kMetricPrefix, family));
    return found == types_.end() ? "" : found->second;
  }
  size_t families() const { return types_.size(); }

 private:
  void Line(const std::string& line) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, "# HELP ")) {
      const std::pair<std::string, std::string> help =
          absl::StrSplit(rest, absl::MaxSplits(' ', 1));
      EXPECT_TRUE(helps_.insert(help.first).second) << line;
      EXPECT_FALSE(help.second.empty()) << line;
      family_ = help.first;
    } else if (absl::ConsumePrefix(&rest, "# TYPE ")) {
      const std::pair<std::string, std::string> type =
          absl::StrSplit(rest, ' ');
      EXPECT_EQ(type.first, family_) << line;
      EXPECT_TRUE(types_.insert(type).second) << line;
    } else {
      Sample(line);
    }
  }

  void Sample(const std::string& line) {
    size_t at = line.find_first_of("{ ");
    ASSERT_NE(at, std::string::npos) << line;
    const std::string name = line.substr(0, at);
    EXPECT_TRUE(Belongs(name)) << line;
    if (line[at] == '{') {
      Labels(line, &at);
    }
    const std::string series = line.substr(0, at);
    ASSERT_EQ(line[at], ' ') << line;
    const std::string value = line.substr(at + 1);
    ASSERT_FALSE(value.empty());
    EXPECT_EQ(value.find_first_not_of("0123456789."), std::string::npos)
        << line;
    EXPECT_TRUE(samples_.emplace(series, value).second) << line;
  }

  // Whether the current family may have a sample of that name.
  bool Belongs(absl::string_view name) {
    if (!absl::ConsumePrefix(&name, family_)) {
      return false;
    }
    const std::string& type = types_[family_];
    if (type == "histogram") {
      return name == "_bucket" || name == "_sum" || name == "_count";
    }
    if (type == "info") {
      return open_metrics_ && name == "_info";
    }
    if (type == "counter" && open_metrics_) {
      return name == "_total";
    }
    return name.empty() && (type == "gauge" || type == "counter") &&
           absl::EndsWith(family_, "_total") == (type == "counter");
  }

  static void Labels(const std::string& line, size_t* at) {
    std::set<std::string> names;
    do {
      const size_t start = ++*at;
      *at = line.find("=\"", start);
      ASSERT_NE(*at, std::string::npos) << line;
      const std::string name = line.substr(start, *at - start);
      EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
                std::string::npos)
          << line;
      EXPECT_TRUE(names.insert(name).second) << line;
      for (*at += 2; line.at(*at) != '"'; ++*at) {
        if (line[*at] == '\\') {
          ++*at;
          EXPECT_NE(absl::string_view("\\\"n").find(line.at(*at)),
                    absl::string_view::npos)
              << line;
        }
      }
      ++*at;
    } while (line.at(*at) == ',');
    ASSERT_EQ(line.at(*at), '}') << line;
    ++*at;
  }

  const bool open_metrics_;
  std::string family_;
  std::set<std::string> helps_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::string> samples_;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_EXPOSITION_H_
