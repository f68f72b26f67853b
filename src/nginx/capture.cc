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

ngx_int_t FilterHeader(ngx_http_request_t* r) {
  const ngx_http_upstream_t* u = r->upstream;
  if (r->headers_out.status >= NGX_HTTP_INTERNAL_SERVER_ERROR ||
      (u != nullptr && (u->upstream == nullptr || u->cleanup == nullptr))) {
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
Attempt Observe(const ngx_http_request_t* r) {
  Attempt attempt;
  const ngx_http_upstream_t* u = r->upstream;
  const ngx_connection_t* c = u->peer.connection;
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
  return attempt;
}

LoggedLine* LineOf(Record* record, ngx_pool_t* pool, uint32_t element) {
  LoggedLine* line = record->lines;
  if (line == nullptr || line->element != element) {
    line = PoolNew<LoggedLine>(pool);
    if (line != nullptr) {
      line->next = record->lines;
      line->element = element;
      record->lines = line;
    }
  }
  return line;
}

// In the room of the one before where it fits: a script may fill its standard
// error for hours in one request.
void SetMessage(LoggedLine* line, ngx_pool_t* pool, absl::string_view message) {
  if (line->message.data == nullptr || line->room < message.size()) {
    line->message = PoolCopy(pool, message);
    line->room = line->message.len;
  } else {
    line->message.len = message.copy(
        reinterpret_cast<char*>(line->message.data), message.size());
  }
}

}  // namespace

void CaptureLine(ngx_http_request_t* sr, absl::string_view message) {
  ngx_http_upstream_t* u = sr->upstream;
  uint8_t number = 0;
  const Line worth = RecognizeLine(message, &number);
  const bool at_work = u->cleanup != nullptr;
  if (!GetLocConf(sr)->enable || (!at_work && worth != Line::kFailure)) {
    return;
  }
  Record* known = FindRecord(sr);
  if (!at_work && known != nullptr && known->upstream == u && !known->open) {
    return;  // after the end of its run
  }
  Record* record = known;
  if (known == nullptr || !IsOpen(u)) {
    record =
        OpenRun(sr, u, HookOf(sr, u), at_work ? RunBegin(sr) : StateCount(sr));
  }
  if (record == nullptr) {
    return;
  }
  const uint32_t count = StateCount(sr);
  const uint32_t element = count > record->begin ? count - 1 : kNoElement;
  LoggedLine* line = LineOf(record, sr->pool, element);
  // The first line that is understood is the cause; until it comes, the last
  // of the others is kept.
  if (line == nullptr || line->recognized) {
    return;
  }
  line->recognized = worth == Line::kFailure;
  line->attempt = Observe(sr);
  line->attempt.line = number;
  SetMessage(line, sr->pool, message);
  // Inside connect() the element does not name its peer yet, and may never.
  if (element != kNoElement && States(sr)[element].peer == nullptr &&
      line->peer.data == nullptr && u->peer.name != nullptr) {
    line->peer = PoolCopy(sr->pool, View(*u->peer.name));
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
