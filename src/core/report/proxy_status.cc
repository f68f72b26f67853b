// The list member of the Proxy-Status field.

#include "upstream_502/report/proxy_status.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "upstream_502/verdict/classify.h"
#include "upstream_502/verdict/line.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

void AppendFailure(const Failure& failure, const FailureText& text,
                   bool details, std::string* member) {
  const absl::string_view error = Rfc9209Error(
      failure.cause, text.message, absl::StartsWith(text.peer, "unix:"));
  if (!error.empty()) {
    absl::StrAppend(member, "; error=", error);
  }
  if (error == "dns_error") {
    absl::StrAppend(member, "; rcode=\"", ResolverCode(text.message), "\"");
  }
  if (error == "tls_alert_received") {
    absl::StrAppend(member, "; alert-id=", AlertNumber(text.message));
  }
  if (failure.received_status != 0) {
    absl::StrAppend(member, "; received-status=", failure.received_status);
  }
  if (details && !text.peer.empty()) {
    absl::StrAppend(member, "; next-hop=");
    AppendSfString(text.peer, member);
  }
  if (details && !text.message.empty()) {
    absl::StrAppend(member, "; details=");
    AppendSfString(text.message, member);
  }
}

}  // namespace

std::string ProxyStatus(absl::string_view name, const Failure* failure,
                        const FailureText& text, Origin origin, bool details) {
  std::string member(name);
  if (failure != nullptr) {
    AppendFailure(*failure, text, details, &member);
  } else if (origin == Origin::kConfig) {
    absl::StrAppend(&member, "; error=proxy_internal_response");
  }
  return member;
}

bool IsProxyName(absl::string_view name) {
  constexpr absl::string_view kMarks = ":/!#$%&'*+-.^_`|~";
  const auto is_token = [kMarks](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kMarks.find(c) != absl::string_view::npos;
  };
  return !name.empty() &&
         (absl::ascii_isalpha(static_cast<unsigned char>(name[0])) ||
          name[0] == '*') &&
         std::all_of(name.begin(), name.end(), is_token);
}

}  // namespace upstream_502
