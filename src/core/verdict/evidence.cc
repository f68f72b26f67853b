// Writing lists into the bounded text of the evidence.

#include "upstream_502/verdict/evidence.h"

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
// that the numbers have room behind it.
std::string OneWord(absl::string_view text) {
  constexpr size_t kRoom = 70;
  std::string word(text.substr(0, kRoom));
  for (char& c : word) {
    c = c == ' ' || c == ',' ? '?' : c;
  }
  if (text.size() > kRoom) {
    word.resize(kRoom - kCut.size());
    absl::StrAppend(&word, kCut);
  }
  return word;
}

std::vector<absl::string_view> Items(absl::string_view list) {
  return absl::StrSplit(list, kComma, absl::SkipEmpty());
}

bool HasAllOf(const std::vector<absl::string_view>& all,
              const std::vector<absl::string_view>& some) {
  return std::all_of(some.begin(), some.end(), [&all](absl::string_view item) {
    return std::find(all.begin(), all.end(), item) != all.end();
  });
}

// As many of the items as fit into `room`.
std::string Shortened(const std::vector<absl::string_view>& items,
                      size_t room) {
  std::string list;
  for (const absl::string_view item : items) {
    const absl::string_view comma = list.empty() ? "" : kComma;
    if (list.size() + comma.size() + item.size() > room) {
      break;
    }
    absl::StrAppend(&list, comma, item);
  }
  return list;
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
  std::string item = OneWord(server.address);
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

void SetMoved(absl::string_view old_list, absl::string_view new_list,
              Evidence* evidence) {
  constexpr absl::string_view kArrow = " -> ";
  const std::vector<absl::string_view> then = Items(old_list);
  const std::vector<absl::string_view> now = Items(new_list);
  if (then.empty() || now.empty() ||
      (HasAllOf(then, now) && HasAllOf(now, then)) ||
      !Take(Named::kMoved, evidence)) {
    return;
  }
  // The first old one tells enough; the new ones are what is needed.
  const std::string last = Shortened(
      now, Evidence::kTextRoom - kArrow.size() -
               std::min<size_t>(then[0].size(), Evidence::kTextRoom / 2));
  const std::string first =
      Shortened(then, Evidence::kTextRoom - kArrow.size() - last.size());
  evidence->text = {};
  evidence->text_size = 0;
  evidence->named_count =
      static_cast<uint16_t>(std::min<size_t>(now.size(), UINT16_MAX));
  Write(absl::StrCat(first, kArrow, last), evidence);
}

}  // namespace upstream_502
