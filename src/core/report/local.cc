// Names and addresses of clients and servers, as far as access asks.

#include "upstream_502/report/local.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace upstream_502 {

Authority SplitAuthority(absl::string_view text) {
  size_t end = 0;
  if (absl::StartsWith(text, "[")) {
    end = std::min(text.find(']'), text.size());
  }
  end = std::min(text.find(':', end), text.size());
  return {absl::StripSuffix(text.substr(0, end), "."),
          absl::StripPrefix(text.substr(end), ":")};
}

bool IsIpAddress(absl::string_view host) {
  const bool v6 = absl::ConsumePrefix(&host, "[");
  if (v6 && !absl::ConsumeSuffix(&host, "]")) {
    return false;
  }
  const std::string text(host);
  in6_addr address;
  return text.find('\0') == std::string::npos &&
         inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), &address) == 1;
}

bool IsLocalhost(absl::string_view host) {
  return absl::EqualsIgnoreCase(host, "localhost") ||
         absl::EndsWithIgnoreCase(host, ".localhost");
}

bool IsHostname(absl::string_view host, absl::string_view hostname) {
  return !host.empty() &&
         (absl::EqualsIgnoreCase(host, hostname) ||
          absl::EqualsIgnoreCase(host, hostname.substr(0, hostname.find('.'))));
}

bool MatchesServerName(absl::string_view host, absl::string_view name) {
  if (absl::StartsWith(name, ".")) {
    return absl::EqualsIgnoreCase(host, name.substr(1)) ||
           (host.size() > name.size() && absl::EndsWithIgnoreCase(host, name));
  }
  // A star stands for at least one character.
  if (absl::StartsWith(name, "*.")) {
    name.remove_prefix(1);
    return host.size() > name.size() && absl::EndsWithIgnoreCase(host, name);
  }
  if (absl::EndsWith(name, ".*")) {
    name.remove_suffix(1);
    return host.size() > name.size() && absl::StartsWithIgnoreCase(host, name);
  }
  return absl::EqualsIgnoreCase(host, name);
}

bool IsSameOrigin(absl::string_view origin, absl::string_view authority) {
  absl::string_view port;
  if (absl::ConsumePrefix(&origin, "http://")) {
    port = "80";
  } else if (absl::ConsumePrefix(&origin, "https://")) {
    port = "443";
  } else {
    return false;
  }
  Authority from = SplitAuthority(origin);
  Authority to = SplitAuthority(authority);
  for (Authority* each : {&from, &to}) {
    if (each->port.empty()) {
      each->port = port;
    }
  }
  return !to.host.empty() && from.port == to.port &&
         absl::EqualsIgnoreCase(from.host, to.host);
}

}  // namespace upstream_502
