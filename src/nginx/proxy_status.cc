// Adds the Proxy-Status field.

#include "ngx_cxx.h"

#include "proxy_status.h"

#include "bridge.h"

namespace upstream_502 {

std::string ProxyStatusOf(const RequestOutcome& outcome, absl::string_view name,
                          bool details) {
  const Note* note = outcome.failure;
  if (note == nullptr) {
    return ProxyStatus(name, nullptr, {}, outcome.origin, details);
  }
  return ProxyStatus(name, &note->failure,
                     {.peer = note->peer, .message = note->attempt.message},
                     outcome.origin, details);
}

bool AddProxyStatus(ngx_http_request_t* r) {
  const LocConf& conf = *GetLocConf(r);
  const RequestOutcome outcome = DescribeOutcome(r);
  if (!outcome.gateway) {
    return true;
  }
  const ngx_str_t value = PoolCopy(
      r->pool,
      ProxyStatusOf(outcome, View(conf.proxy_name), conf.proxy_details != 0));
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
