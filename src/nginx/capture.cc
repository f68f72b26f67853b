// Hears nginx's error lines while the attempt they are about is still open.

#include "ngx_cxx.h"

#include "capture.h"

#include <cstring>
#include <utility>

#include "bridge.h"
#include "late.h"
#include "probe.h"
#include "run.h"
#include "upstream_502/verdict/log_line.h"
#include "upstream_502/verdict/memo.h"

namespace upstream_502 {

u_char* AddNothing(ngx_log_t*, u_char* buf, size_t) { return buf; }

ngx_log_handler_pt next_log_handler = AddNothing;

namespace {

// This worker's.
constinit LineMemo memo;

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

// Puts what nginx's structs say of an attempt right now into a new one.
void Observe(const ngx_http_request_t* r, Attempt* out) {
  const ngx_http_upstream_t* u = r->upstream;
  const ngx_connection_t* c = u->peer.connection;
  Attempt& attempt = *out;
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

// A copy in the room of the one before where it fits: a script may fill its
// standard error for hours in one request. Empty when memory is out.
absl::string_view Keep(ngx_pool_t* pool, absl::string_view message,
                       Note* note) {
  if (note->room.size() < message.size()) {
    const ngx_str_t copy = PoolCopy(pool, message);
    note->room = {reinterpret_cast<char*>(copy.data), copy.len};
    return View(copy);
  }
  std::memcpy(note->room.data(), message.data(), message.size());
  return {note->room.data(), message.size()};
}

// The same of nginx's text about `sr`, without what is not to be recorded of a
// URL that is quoted in it.
absl::string_view KeepText(ngx_http_request_t* sr, absl::string_view message,
                           const Line& line, Note* note) {
  const RecordUri mode = FindContext(sr)->record_uri;
  if (line.usual != 0 || mode == RecordUri::kFull) {
    return Keep(sr->pool, message, note);
  }
  return Keep(sr->pool, WithoutUrl(message, mode == RecordUri::kPath), note);
}

// The note of the attempt a line is about, made now if there is none yet, with
// room for the message. Unless a line was recognized, nothing is known of the
// attempt. nullptr where the line is of no run, or memory is out.
Note* NoteFor(ngx_http_request_t* r, bool failure, size_t room) {
  Context* context = TakeContextForLine(r, failure);
  if (context == nullptr) {
    return nullptr;
  }
  const uint32_t count = StateCount(r);
  const uint32_t element = count > context->begin ? count - 1 : kNoElement;
  Note* note = context->notes.Find(context->runs, element);
  if (note == nullptr) {
    return context->notes.Add(r->pool, context->runs, element, room);
  }
  if (!note->recognized) {
    note->attempt = Attempt();
  }
  return note;
}

// A file could not be opened that is used before any attempt: one for the
// request's body, or a cached answer. It may be what ends the request.
bool MissesOwnFile(const ngx_http_request_t& r, const Line& line) {
  return line.says == Says::kOpenFailed && r.upstream->cleanup == nullptr &&
         r.upstream_states == nullptr;
}

// What nginx said about `sr`, whose upstream is at work. The first line that is
// understood is the cause; until it comes, the last of the others is kept.
void CaptureLine(ngx_http_request_t* sr, absl::string_view message,
                 const Line& line) {
  if (!GetLocConf(sr)->enable) {
    return;
  }
  if (line.says == Says::kNotHttp && sr->main->http_protocol.len == 0) {
    return;  // the client has asked for HTTP/0.9
  }
  if (sr->upstream->cleanup == nullptr && IsOfResponse(line)) {
    NoteLateLine(sr, message, line);
    return;
  }
  const bool failure = TellsFailure(line) || MissesOwnFile(*sr, line);
  Note* note = NoteFor(sr, failure, message.size());
  if (note == nullptr || note->recognized) {
    return;
  }
  note->recognized = failure;
  Observe(sr, &note->attempt);
  note->attempt.message = KeepText(sr, message, line, note);
  // Where memory is out nobody will know what it was.
  note->attempt.line = note->attempt.message.empty() ? Line() : line;
  // Inside connect() the element does not name its peer yet, and may never.
  const ngx_http_upstream_t* u = sr->upstream;
  if (note->element != kNoElement && u->state != nullptr &&
      u->state->peer == nullptr && note->peer.empty() &&
      u->peer.name != nullptr) {
    note->peer = View(PoolCopy(sr->pool, View(*u->peer.name)));
  }
  if (failure) {
    AskAtLine(sr, note);
  }
  ngx_log_debug4(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                 "upstream_502 line of attempt %uD: says %d, errno %d, kept %d",
                 note->element, static_cast<int>(line.says), line.errno_number,
                 static_cast<int>(note->recognized));
}

// What nginx said about `r`, whose upstream is at work, or whose auth_request
// has come to its end.
void HearLine(ngx_http_request_t* r, absl::string_view message) {
  const Line& line = memo.Recognize(message);
  if (line.says == Says::kAuthStatus) {
    NoteAuthStatus(r, message, line);
  } else if (r->upstream != nullptr) {
    CaptureLine(r, message, line);
  }
}

// While a line is captured: what is logged then ("malloc() failed") is about
// this module and must not come back to it.
bool capturing = false;

// A log with nothing to write to: there where no other takes errors, so that
// nginx makes a line of them.
void Discard(ngx_log_t*, ngx_uint_t, u_char*, size_t) {}

static_assert(static_cast<int>(LogLevel::kEmerg) == NGX_LOG_EMERG &&
              static_cast<int>(LogLevel::kError) == NGX_LOG_ERR);

// Angie makes a line anew for each log, and JSON for some (`format=json`).
template <typename Log>
bool IsPlain(const Log& log) {
  if constexpr (requires { log.format.ctx; }) {
    return log.format.ctx == nullptr;
  } else {
    return true;
  }
}

// Whether all of the line is where nginx would have it: in Angie the first
// log's is, behind one of JSON it need not be.
template <typename Log>
bool IsWhole(const Log& log) {
  if constexpr (requires { log.format.ctx; }) {
    const auto* r = static_cast<const ngx_http_log_ctx_t*>(log.data)->request;
    return IsPlain(log) && r != nullptr && r->connection->log == &log;
  } else {
    return true;
  }
}

// Whether any log writes a line of this level.
bool IsWritten(const ngx_log_t& log, LogLevel level) {
  // debug_connection sends every level to every log.
  return log.writer != Discard ||
         (log.log_level & NGX_LOG_DEBUG_CONNECTION) != 0 ||
         (log.next != nullptr &&
          log.next->log_level >= static_cast<ngx_uint_t>(level));
}

}  // namespace

// nginx calls this between its own text, which ends at `buf`, and what it adds
// about client and request. All of the line is an array of NGX_MAX_ERROR_STR
// bytes, of which `len` are left.
// Flattened: calls would cost a failure some hundred instructions.
[[gnu::flatten]] u_char* HandleLine(ngx_log_t* log, u_char* buf, size_t len) {
  if (!IsWhole(*log)) {
    return next_log_handler(log, buf, len);
  }
  const LogLine line =
      ParseLogLine({reinterpret_cast<char*>(buf) + len - NGX_MAX_ERROR_STR,
                    NGX_MAX_ERROR_STR - len});
  if (line.level == LogLevel::kOther) {
    return next_log_handler(log, buf, len);
  }
  const auto* context = static_cast<const ngx_http_log_ctx_t*>(log->data);
  // The subrequest is only known to be there while its request is.
  ngx_http_request_t* sr =
      context->request == nullptr ? nullptr : context->current_request;
  if (sr != nullptr && !capturing &&
      (sr->upstream != nullptr || NewestContext(sr) != nullptr)) {
    capturing = true;
    Guarded(ngx_cycle,
            [&] { HearLine(sr, TextOf(line, log->connection != 0)); });
    capturing = false;
  }
  return IsWritten(*log, line.level) ? next_log_handler(log, buf, len) : buf;
}

bool LogErrors(ngx_conf_t* cf, ngx_log_t* head) {
  // Levels fall along the list, so this is the highest of all. 0: there is no
  // error_log, and nginx will take its default, which is for errors.
  if (head == nullptr || head->log_level == 0 ||
      (head->log_level >= NGX_LOG_ERR && IsPlain(*head))) {
    return true;
  }
  auto* log = static_cast<ngx_log_t*>(ngx_pcalloc(cf->pool, sizeof(ngx_log_t)));
  if (log == nullptr) {
    return false;
  }
  log->log_level = head->log_level >= NGX_LOG_ERR ? head->log_level
                                                  : ngx_uint_t{NGX_LOG_ERR};
  log->writer = Discard;
  // The head of the list stays where it is.
  std::swap(*head, *log);
  head->next = log;
  return true;
}

void FindProxyV2(ngx_conf_t* cf) {
  MainConf* main = GetMainConf(cf);
  for (ngx_uint_t i = 0; cf->cycle->modules[i] != nullptr; ++i) {
    const ngx_module_t* module = cf->cycle->modules[i];
    if (absl::string_view(module->name) == "ngx_http_proxy_v2_module") {
      main->proxy_v2 = module;
    }
  }
}

}  // namespace upstream_502
