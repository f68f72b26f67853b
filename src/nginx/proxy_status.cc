#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bridge.h"
#include "proxy_status.h"
#include "upstream_502/escape.h"

namespace upstream_502 {
namespace {

void AppendFailure(const NotedAttempt& failure, bool details,
                   std::string* member) {
  const Verdict& verdict = failure.verdict;
  const absl::string_view message = failure.attempt.message;
  const absl::string_view error = Rfc9209Error(
      verdict.cause, message, absl::StartsWith(failure.peer, "unix:"));
  if (!error.empty()) {
    absl::StrAppend(member, "; error=", error);
  }
  if (verdict.cause == Cause::kDnsError && verdict.dns_rcode >= 0) {
    absl::StrAppend(member, "; rcode=\"", verdict.dns_rcode, "\"");
  }
  if (error == "tls_alert_received" && verdict.tls_alert >= 0) {
    absl::StrAppend(member, "; alert-id=", verdict.tls_alert);
  }
  if (failure.facts.received_status != 0) {
    absl::StrAppend(member,
                    "; received-status=", failure.facts.received_status);
  }
  if (details && !failure.peer.empty()) {
    absl::StrAppend(member, "; next-hop=");
    AppendSfString(failure.peer, member);
  }
  if (details && !message.empty()) {
    absl::StrAppend(member, "; details=");
    AppendSfString(message, member);
  }
}

}  // namespace

std::string ProxyStatus(absl::string_view name, const Outcome& outcome,
                        bool details) {
  std::string member(name);
  if (outcome.failure != nullptr) {
    AppendFailure(*outcome.failure, details, &member);
  } else if (outcome.origin == Origin::kConfig) {
    absl::StrAppend(&member, "; error=proxy_internal_response");
  }
  return member;
}

bool AddProxyStatus(ngx_http_request_t* r) {
  const LocConf& conf = *GetLocConf(r);
  const Outcome outcome = DescribeOutcome(r);
  if (!outcome.gateway) {
    return true;
  }
  const ngx_str_t value = PoolCopy(
      r->pool,
      ProxyStatus(View(conf.proxy_name), outcome, conf.proxy_details != 0));
  auto* header =
      static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (value.data == nullptr || header == nullptr) {
    return false;
  }
  *header = {};
  header->hash = 1;
  ngx_str_set(&header->key, "Proxy-Status");
  header->value = value;
  return true;
}

}  // namespace upstream_502
