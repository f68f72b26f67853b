#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include "account.h"
#include "bridge.h"
#include "capture.h"
#include "proxy_status.h"
#include "run.h"

namespace upstream_502 {
namespace {

ngx_http_output_header_filter_pt next_header_filter;

// A run that no other hook has seen: a target from a variable.
void SeeRun(ngx_http_request_t* r, ngx_http_upstream_t* u) {
  // u->cleanup is set while a run is at work.
  if (u->cleanup == nullptr) {
    CatchUp(r, RequestStatus(r));
  } else if (u->upstream == nullptr && GetLocConf(r)->enable) {
    OpenRun(r, u, nullptr, RunBegin(r));
  }
}

[[gnu::noinline]] ngx_int_t FilterOtherHeader(ngx_http_request_t* r) {
  if (r->upstream != nullptr) {
    Guarded(r->connection->log, [r] { SeeRun(r, r->upstream); });
  }
  if (r->headers_out.status >= NGX_HTTP_INTERNAL_SERVER_ERROR && r == r->main &&
      GetLocConf(r)->proxy_status &&
      !Guarded(r->connection->log, false, [r] { return AddProxyStatus(r); })) {
    return NGX_ERROR;
  }
  return next_header_filter(r);
}

// Whether the run of `u`, which has a hook, is over and counted.
bool IsCounted(const ngx_http_request_t* r, const ngx_http_upstream_t* u) {
  const auto* record = static_cast<Record*>(
      ngx_http_get_module_ctx(r, ngx_http_upstream_502_module));
  return u->upstream != nullptr && record != nullptr && !record->open;
}

ngx_int_t FilterHeader(ngx_http_request_t* r) {
  const ngx_http_upstream_t* u = r->upstream;
  if ((u != nullptr && (u->upstream == nullptr || u->cleanup == nullptr) &&
       !IsCounted(r, u)) ||
      (r->headers_out.status >= NGX_HTTP_INTERNAL_SERVER_ERROR &&
       GetLocConf(r)->proxy_status)) {
    return FilterOtherHeader(r);
  }
  return next_header_filter(r);
}

Timer RunOutTimer(const ngx_connection_t* c) {
  if (c == nullptr) {
    return Timer::kNone;
  }
  if (c->read->timedout) {
    return Timer::kRead;
  }
  return c->write->timedout ? Timer::kWrite : Timer::kNone;
}

// The scheme does not tell of proxy_http_version 2, its module's context does.
bool SpeaksHttp2(const ngx_http_request_t* r) {
  const ngx_module_t* proxy_v2 = GetMainConf(r)->proxy_v2;
  return View(r->upstream->schema).substr(0, 4) == "grpc" ||
         (proxy_v2 != nullptr && r->ctx[proxy_v2->ctx_index] != nullptr);
}

// What the server has sent is in the buffer until the header is done, behind
// the room for the header of a cache file.
uint64_t ResponseBytes(const ngx_http_request_t* r, bool header_done) {
  const ngx_http_upstream_t* u = r->upstream;
  const u_char* begin = u->buffer.start;
  if (header_done || begin == nullptr || !SpeaksHttp2(r)) {
    return static_cast<uint64_t>(u->state->bytes_received);
  }
#if (NGX_HTTP_CACHE)
  begin += r->cache == nullptr ? 0 : r->cache->header_start;
#endif
  return begin >= u->buffer.last
             ? 0
             : Http2ResponseBytes(
                   {reinterpret_cast<const char*>(begin),
                    static_cast<size_t>(u->buffer.last - begin)});
}

// What nginx's structs say of the attempt right now.
void Observe(const ngx_http_request_t* r, Attempt* seen) {
  const ngx_http_upstream_t* u = r->upstream;
  const ngx_connection_t* c = u->peer.connection;
  Attempt& attempt = *new (seen) Attempt;
  attempt.has_line = true;
  attempt.timer = RunOutTimer(c);
#if (NGX_HTTP_SSL)
  attempt.tls_started = c != nullptr && c->ssl != nullptr;
  attempt.tls_handshaked = attempt.tls_started && c->ssl->handshaked;
#endif
  attempt.reused = u->peer.cached;
  attempt.request_sent = u->request_sent;
  attempt.sending = u->request_sent && !u->request_body_sent;
  if (u->state != nullptr) {
    attempt.connected = u->state->connect_time != kUnsetTime;
    attempt.header_done = u->state->header_time != kUnsetTime;
    attempt.bytes_received = ResponseBytes(r, attempt.header_done);
  }
}

// In the room of the one before where it fits: a script may fill its standard
// error for hours in one request.
absl::string_view Keep(NotedAttempt* noted, ngx_pool_t* pool,
                       absl::string_view message) {
  if (noted->room < message.size()) {
    const ngx_str_t copy = PoolCopy(pool, message);
    noted->text = reinterpret_cast<char*>(copy.data);
    noted->room = copy.len;
    return View(copy);
  }
  std::memcpy(noted->text, message.data(), message.size());
  return {noted->text, message.size()};
}

}  // namespace

// Flattened: their calls would cost a failure 200 instructions more.
[[gnu::flatten]] void CaptureLine(ngx_http_request_t* sr,
                                  absl::string_view message) {
  if (!GetLocConf(sr)->enable) {
    return;
  }
  const RecognizedLine line = classifier.Recognize(message);
  ngx_http_upstream_t* u = sr->upstream;
  Record* record = TakeRecordForLine(sr, line.worth == Line::kFailure,
                                     sizeof(NotedAttempt) + message.size());
  if (record == nullptr) {
    return;
  }
  const uint32_t count = StateCount(sr);
  const uint32_t element = count > record->begin ? count - 1 : kNoElement;
  NotedAttempt* noted = FindAttempt(*record, element);
  if (noted == nullptr) {
    noted = AddAttempt(record, element, message.size());
  }
  // The first line that is understood is the cause; until it comes, the last
  // of the others is kept.
  if (noted == nullptr || noted->recognized) {
    return;
  }
  noted->recognized = line.worth == Line::kFailure;
  Observe(sr, &noted->attempt);
  noted->attempt.line = line;
  noted->attempt.message = Keep(noted, sr->pool, message);
  // Inside connect() the element does not name its peer yet, and may never.
  if (element != kNoElement && States(sr)[element].peer == nullptr &&
      noted->peer.empty() && u->peer.name != nullptr) {
    noted->peer = View(PoolCopy(sr->pool, View(*u->peer.name)));
  }
}

void FindProxyV2(ngx_conf_t* cf) {
  auto* main = static_cast<MainConf*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_502_module));
  for (ngx_uint_t i = 0; cf->cycle->modules[i] != nullptr; ++i) {
    const ngx_module_t* module = cf->cycle->modules[i];
    if (absl::string_view(module->name) == "ngx_http_proxy_v2_module") {
      main->proxy_v2 = module;
    }
  }
}

void InsertHeaderFilter() {
  next_header_filter = ngx_http_top_header_filter;
  ngx_http_top_header_filter = FilterHeader;
}

}  // namespace upstream_502
