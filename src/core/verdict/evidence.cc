// Writing lists into the bounded text of the evidence.

#include "upstream_502/verdict/evidence.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kComma = ", ";
constexpr absl::string_view kCut = "...";
constexpr absl::string_view kArrow = " -> ";

// How telling a kind of text is; of two the higher one stays.
int Rank(Named named) {
  switch (named) {
    case Named::kNothing:
      return 0;
    case Named::kContext:
      return 1;
    case Named::kPorts:
      return 2;
    case Named::kSockets:
      return 3;
    case Named::kAddresses:
      return 4;
    case Named::kServerName:
      return 5;
    case Named::kIssuer:
      return 6;
    case Named::kResolvers:
      return 7;
    case Named::kHosts:
      return 8;
    case Named::kCertificateNames:
      return 9;
    case Named::kMoved:
      return 10;
    case Named::kServers:
      return 11;
  }
  return 0;
}

// Whether the text is (now) one of this kind.
bool Take(Named named, Evidence* evidence) {
  if (evidence->named == named) {
    return true;
  }
  if (Rank(named) <= Rank(evidence->named)) {
    return false;
  }
  evidence->named = named;
  evidence->named_count = 0;
  evidence->text_size = 0;
  evidence->text = {};
  return true;
}

void Write(absl::string_view text, Evidence* evidence) {
  for (const char c : text) {
    evidence->text[evidence->text_size++] = c >= ' ' && c <= '~' ? c : '?';
  }
}

size_t Room(const Evidence& evidence) {
  return Evidence::kTextRoom - evidence.Text().size();
}

// Without what stands between items and between the parts of one, and so short
// that the others have room beside it.
std::string OneWord(absl::string_view text, size_t room) {
  std::string word(text.substr(0, room));
  for (char& c : word) {
    c = c == ' ' || c == ',' ? '?' : c;
  }
  if (text.size() > room) {
    word.resize(room - kCut.size());
    absl::StrAppend(&word, kCut);
  }
  return word;
}

std::vector<absl::string_view> Items(absl::string_view list) {
  return absl::StrSplit(list, kComma, absl::SkipEmpty());
}

}  // namespace

void AppendItem(Named named, absl::string_view item, Evidence* evidence) {
  if (item.empty() || !Take(named, evidence)) {
    return;
  }
  if (evidence->named_count < UINT16_MAX) {
    ++evidence->named_count;
  }
  if (evidence->text_size == 0) {
    const bool fits = item.size() <= Evidence::kTextRoom;
    Write(fits ? item : item.substr(0, Evidence::kTextRoom - kCut.size()),
          evidence);
    Write(fits ? "" : kCut, evidence);
  } else if (kComma.size() + item.size() <= Room(*evidence)) {
    Write(kComma, evidence);
    Write(item, evidence);
  }
}

void AppendServer(const ServerFacts& server, Evidence* evidence) {
  constexpr size_t kAddress = 70;
  std::string item = OneWord(server.address, kAddress);
  switch (server.out) {
    case ServerOut::kDown:
      absl::StrAppend(&item, " d");
      break;
    case ServerOut::kMaxConns:
      absl::StrAppend(&item, " c ", server.conns, " ", server.max_conns);
      break;
    case ServerOut::kFailed:
      absl::StrAppend(&item, " f ", server.fails, " ",
                      static_cast<int>(server.last_cause), " ",
                      server.seconds_ago, " ", server.seconds_more);
      break;
    case ServerOut::kTried:
      absl::StrAppend(&item, " t");
      break;
  }
  AppendItem(Named::kServers, item, evidence);
}

bool ParseServer(absl::string_view item, ServerFacts* server) {
  const std::vector<absl::string_view> parts = absl::StrSplit(item, ' ');
  if (parts.size() < 2 || parts[0].empty()) {
    return false;
  }
  *server = {.address = parts[0]};
  if (parts.size() == 2 && (parts[1] == "d" || parts[1] == "t")) {
    server->out = parts[1] == "d" ? ServerOut::kDown : ServerOut::kTried;
    return true;
  }
  if (parts.size() == 4 && parts[1] == "c") {
    server->out = ServerOut::kMaxConns;
    return absl::SimpleAtoi(parts[2], &server->conns) &&
           absl::SimpleAtoi(parts[3], &server->max_conns);
  }
  uint32_t cause = 0;
  if (parts.size() != 6 || parts[1] != "f" ||
      !absl::SimpleAtoi(parts[2], &server->fails) ||
      !absl::SimpleAtoi(parts[3], &cause) || cause >= kCauseCount ||
      !absl::SimpleAtoi(parts[4], &server->seconds_ago) ||
      !absl::SimpleAtoi(parts[5], &server->seconds_more)) {
    return false;
  }
  server->out = ServerOut::kFailed;
  server->last_cause = static_cast<Cause>(cause);
  return true;
}

void SetMoved(absl::string_view name, absl::string_view old,
              absl::string_view now, Evidence* evidence) {
  const std::vector<absl::string_view> items = Items(now);
  if (name.empty() || old.empty() || items.empty() ||
      std::find(items.begin(), items.end(), old) != items.end() ||
      !Take(Named::kMoved, evidence)) {
    return;
  }
  // The first of the new ones has its place whatever the name.
  constexpr size_t kAddress = 45;
  const std::string from = OneWord(old, kAddress);
  const std::string to = OneWord(items[0], kAddress);
  const size_t room =
      Evidence::kTextRoom - kArrow.size() - from.size() - to.size() - 1;
  std::string text = absl::StrCat(OneWord(name, room), " ", from, kArrow, to);
  for (size_t i = 1; i < items.size(); ++i) {
    if (text.size() + kComma.size() + items[i].size() > Evidence::kTextRoom) {
      break;
    }
    absl::StrAppend(&text, kComma, items[i]);
  }
  evidence->text = {};
  evidence->text_size = 0;
  evidence->named_count =
      static_cast<uint16_t>(std::min<size_t>(items.size(), UINT16_MAX));
  Write(text, evidence);
}

Moved MovedOf(const Evidence& evidence) {
  const absl::string_view text = evidence.Text();
  const size_t arrow = text.find(kArrow);
  const size_t blank = text.find(' ');
  if (evidence.named != Named::kMoved || arrow == absl::string_view::npos ||
      blank >= arrow) {
    return {};
  }
  return {text.substr(0, blank), text.substr(blank + 1, arrow - blank - 1),
          text.substr(arrow + kArrow.size())};
}

}  // namespace upstream_502
