#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <algorithm>
#include <cstring>
#include <utility>

#include "bridge.h"
#include "capture.h"
#include "run.h"
#include "upstream_502/text.h"

namespace upstream_502 {

ngx_log_handler_pt next_log_handler = nullptr;

namespace {

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
    if (copy.data == nullptr) {
      noted->attempt.line.text = 0;  // nobody will know what it was
      return {};
    }
    noted->text = reinterpret_cast<char*>(copy.data);
    noted->room = static_cast<uint32_t>(copy.len);
    return View(copy);
  }
  std::memcpy(noted->text, message.data(), message.size());
  return {noted->text, message.size()};
}

// The element of r->upstream_states a line is about, if the run has any yet.
uint32_t ElementAtWork(const ngx_http_request_t* r, uint32_t begin) {
  const uint32_t count = StateCount(r);
  return count > begin ? count - 1 : kNoElement;
}

// What is kept of the attempt a line is about, made now if there is nothing
// yet. nullptr where the line is of no run, or memory is out.
NotedAttempt* NoteAttempt(ngx_http_request_t* r, bool failure, size_t room) {
  Record* record = TakeRecordForLine(r, failure);
  if (record == nullptr) {
    return nullptr;
  }
  const uint32_t element = ElementAtWork(r, record->begin);
  NotedAttempt* noted = FindAttempt(*record, element);
  if (noted == nullptr) {
    noted = NewAttempt(record, element, room);
    if (noted != nullptr) {
      Put(record, noted);
    }
  }
  return noted;
}

// What nginx said about `sr`, whose upstream is at work.
void CaptureLine(ngx_http_request_t* sr, absl::string_view message) {
  if (!GetLocConf(sr)->enable) {
    return;
  }
  const RecognizedLine& line = classifier.Recognize(message);
  const bool failure = line.worth == Line::kFailure;
  const size_t room = line.usual != 0 ? 0 : message.size();
  const ngx_http_upstream_t* u = sr->upstream;
  NotedAttempt* noted = u->finalize_request == FinalizeUsualRun
                            ? RecordFirstLine(sr, ElementAtWork(sr, 0), room)
                            : NoteAttempt(sr, failure, room);
  // The first line that is understood is the cause; until it comes, the last
  // of the others is kept.
  if (noted == nullptr || noted->recognized) {
    return;
  }
  noted->recognized = failure;
  Observe(sr, &noted->attempt);
  noted->attempt.line = line;
  noted->attempt.message = line.usual != 0 ? classifier.usual_message()
                                           : Keep(noted, sr->pool, message);
  // Inside connect() the element does not name its peer yet, and may never.
  if (noted->element != kNoElement && u->state != nullptr &&
      u->state->peer == nullptr && noted->peer.empty() &&
      u->peer.name != nullptr) {
    noted->peer = View(PoolCopy(sr->pool, View(*u->peer.name)));
  }
}

// While a line is captured: what is logged then ("malloc() failed") is about
// this module and must not come back to it.
bool capturing = false;

// A log with nothing to write to: there where no other takes errors, so that
// nginx makes a line of them.
void Discard(ngx_log_t*, ngx_uint_t, u_char*, size_t) {}

// Where the level stands in a line: "1970/09/28 12:00:00 [error] …".
size_t LevelStart() { return ngx_cached_err_log_time.len + sizeof(" [") - 1; }

// The first four bytes of a level, as they stand in a line.
constexpr uint32_t Beginning(const char (&level)[6]) {
  uint32_t word = 0;
  for (size_t i = 0; i < sizeof(word); ++i) {
    word |= uint32_t{static_cast<unsigned char>(level[i])} << (8 * i);
  }
  return word;
}

// The level of a line, as far as capture tells them apart.
ngx_uint_t LevelOf(const char* line) {
  switch (Load<uint32_t>(line + LevelStart())) {
    case Beginning("error"):
      return NGX_LOG_ERR;
    case Beginning("crit]"):
      return NGX_LOG_CRIT;
    case Beginning("alert"):
      return NGX_LOG_ALERT;
    case Beginning("emerg"):
      return NGX_LOG_EMERG;
    default:
      return NGX_LOG_WARN;
  }
}

// The length of "pid#tid: *connection ": of one worker, and of all connections
// whose numbers have as many digits.
struct Numbers {
  ngx_atomic_uint_t least = 0;
  ngx_atomic_uint_t count = 0;
  size_t length = 0;
};

Numbers numbers;

// Finds that length in what follows the level.
[[gnu::cold, gnu::noinline]] void Measure(absl::string_view text,
                                          ngx_atomic_uint_t connection) {
  numbers = {1, 9, text.find(": ") + 2};
  if (connection == 0) {
    numbers = {0, 1, numbers.length};  // nginx leaves it out
    return;
  }
  numbers.length += sizeof("*1 ") - 1;
  while (connection - numbers.least >= numbers.count) {
    numbers.least *= 10;
    numbers.count *= 10;
    ++numbers.length;
  }
}

// Where nginx's own text begins in "time [level] pid#tid: *connection TEXT".
size_t TextStart(absl::string_view line, ngx_uint_t level,
                 ngx_atomic_uint_t connection) {
  // "emerg", "alert", "crit", "error"
  const size_t level_end =
      LevelStart() + sizeof("error] ") - 1 - (level == NGX_LOG_CRIT ? 1 : 0);
  if (connection - numbers.least >= numbers.count) [[unlikely]] {
    Measure(line.substr(level_end), connection);
  }
  return std::min(level_end + numbers.length, line.size());
}

// Whether any log writes a line of this level.
bool IsWritten(const ngx_log_t& log, ngx_uint_t level) {
  // debug_connection sends every level to every log.
  return log.writer != Discard ||
         (log.log_level & NGX_LOG_DEBUG_CONNECTION) != 0 ||
         (log.next != nullptr && log.next->log_level >= level);
}

}  // namespace

// nginx calls this between its own text, which ends at `buf`, and what it adds
// about client and request. All of the line is an array of NGX_MAX_ERROR_STR
// bytes, of which `len` are left.
// Flattened: calls would cost a failure 200 instructions more.
[[gnu::flatten]] u_char* HandleLine(ngx_log_t* log, u_char* buf, size_t len) {
  const auto* context = static_cast<const ngx_http_log_ctx_t*>(log->data);
  const char* line = reinterpret_cast<char*>(buf) + len - NGX_MAX_ERROR_STR;
  const ngx_uint_t level = LevelOf(line);
  if (level > NGX_LOG_ERR) {
    return next_log_handler(log, buf, len);
  }
  // The subrequest is only known to be there while its request is.
  ngx_http_request_t* sr =
      context->request == nullptr ? nullptr : context->current_request;
  if (sr != nullptr && sr->upstream != nullptr && !capturing) {
    const size_t size = NGX_MAX_ERROR_STR - len;
    const size_t start = TextStart({line, size}, level, log->connection);
    capturing = true;
    Guarded(ngx_cycle, [&] { CaptureLine(sr, {line + start, size - start}); });
    capturing = false;
  }
  return IsWritten(*log, level) ? next_log_handler(log, buf, len) : buf;
}

bool LogErrors(ngx_conf_t* cf, ngx_log_t* head) {
  // Levels fall along the list, so this is the highest of all. 0: there is no
  // error_log, and nginx will take its default, which is for errors.
  if (head->log_level >= NGX_LOG_ERR || head->log_level == 0) {
    return true;
  }
  auto* log = static_cast<ngx_log_t*>(ngx_pcalloc(cf->pool, sizeof(ngx_log_t)));
  if (log == nullptr) {
    return false;
  }
  log->log_level = NGX_LOG_ERR;
  log->writer = Discard;
  // The head of the list stays where it is.
  std::swap(*head, *log);
  head->next = log;
  return true;
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

}  // namespace upstream_502
