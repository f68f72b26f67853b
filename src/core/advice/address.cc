// A peer's address taken apart.

#include "upstream_502/advice/address.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

bool IsHostName(absl::string_view text) {
  return !text.empty() && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '.' || c == '-' || c == '_';
         });
}

bool IsIpv6(absl::string_view text) {
  return absl::StrContains(text, ':') &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c)) ||
                  c == ':' || c == '.';
         });
}

bool IsPort(absl::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c));
         });
}

}  // namespace

PeerAddress ParsePeer(absl::string_view text) {
  PeerAddress address;
  if (absl::ConsumePrefix(&text, "unix:")) {
    if (absl::StartsWith(text, "/") && IsPrintable(text)) {
      address.path = ShellQuote(text);
    }
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon != absl::string_view::npos && IsPort(text.substr(colon + 1))) {
    address.port = std::string(text.substr(colon + 1));
    text = text.substr(0, colon);
  }
  if (absl::ConsumePrefix(&text, "[") && absl::ConsumeSuffix(&text, "]")) {
    address.ipv6 = IsIpv6(text);
  }
  if (address.ipv6 || IsHostName(text)) {
    address.host = std::string(text);
  }
  address.loopback = absl::StartsWith(address.host, "127.") ||
                     address.host == "::1" || address.host == "localhost";
  return address;
}

std::string HostName(absl::string_view upstream) {
  const std::string host = ParsePeer(upstream).host;
  const bool address =
      host.find_first_not_of("0123456789.") == std::string::npos ||
      IsIpv6(host);
  return address ? "" : host;
}

std::string HostName(const FailureText& text) {
  return HostName(text.target.empty() ? text.upstream : text.target);
}

bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace upstream_502
