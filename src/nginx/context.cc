#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include "bridge.h"
#include "record.h"

namespace upstream_502 {

constinit Classifier classifier;

namespace {

// "host", "host:port" as it was written, or "unix:/path".
ngx_str_t MakeName(ngx_pool_t* pool, const ngx_str_t& host, in_port_t port,
                   bool with_port) {
  const bool is_unix = host.len > 0 && host.data[0] == '/';
  if (!is_unix && !with_port) {
    return host;
  }
  const size_t size = host.len + sizeof("unix:65535");
  auto* data = static_cast<u_char*>(ngx_pnalloc(pool, size));
  if (data == nullptr) {
    return host;
  }
  const u_char* end = is_unix ? ngx_snprintf(data, size, "unix:%V", &host)
                              : ngx_snprintf(data, size, "%V:%d", &host,
                                             static_cast<int>(port));
  return {static_cast<size_t>(end - data), data};
}

}  // namespace

void RecordCleanup(void*) {}

Record* FindDetachedRecord(const ngx_http_request_t* r) {
  Record* record = nullptr;
  ForEachRecord(r, [&](Record* other) {
    if (other->request == r) {
      record = other;
    }
  });
  return record;
}

NotedAttempt* FindOtherAttempt(const Record& record, uint32_t element) {
  for (NotedAttempt* attempt : {record.noted, record.failures}) {
    for (; attempt != nullptr && attempt->run == record.runs &&
           !IsBefore(attempt->element, element);
         attempt = attempt->older) {
      if (attempt->element == element) {
        return attempt;
      }
    }
  }
  return nullptr;
}

ngx_str_t ConfiguredName(ngx_pool_t* pool,
                         const ngx_http_upstream_srv_conf_t* upstream) {
  const bool written = (upstream->flags & NGX_HTTP_UPSTREAM_CREATE) == 0 &&
                       upstream->no_port == 0 && upstream->port != 0;
  return MakeName(pool, upstream->host, upstream->port, written);
}

UpstreamHook* HookOf(ngx_http_request_t* r, const ngx_http_upstream_t* u) {
  const ngx_http_upstream_srv_conf_t* upstream = u->upstream;
  // Before it is needed (out of the cache, say) it stands in the location.
  if (upstream == nullptr && u->resolved == nullptr && u->conf != nullptr) {
    upstream = u->conf->upstream;
  }
  return upstream == nullptr ? nullptr : FindHook(*GetMainConf(r), upstream);
}

Protocol OtherProtocolOf(const ngx_http_upstream_t* u) {
  // A tunnel has no scheme.
  return ParseProtocol(u->schema.len == 0 && u->conf != nullptr
                           ? View(u->conf->module)
                           : View(u->schema));
}

ngx_str_t UpstreamName(ngx_http_request_t* r, const ngx_http_upstream_t* u) {
  const UpstreamHook* hook = HookOf(r, u);
  if (hook != nullptr) {
    return hook->name;
  }
  if (u->resolved != nullptr && u->resolved->host.data != nullptr) {
    return MakeName(r->pool, u->resolved->host, u->resolved->port,
                    u->resolved->no_port == 0 && u->resolved->port != 0);
  }
  return {0, nullptr};
}

}  // namespace upstream_502
