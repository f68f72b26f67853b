#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <algorithm>
#include <utility>

#include "bridge.h"
#include "capture.h"
#include "tap.h"
#include "upstream_502/text.h"

namespace upstream_502 {
namespace {

// nginx's own handler. All connections have the same one; one with another
// handler is left alone.
ngx_log_handler_pt next_handler = nullptr;

// While a line is captured: what is logged then ("malloc() failed") is about
// this module and must not come back to it.
bool capturing = false;

// The tap's log has nothing to write to: it is there so that nginx makes a
// line of every error, also where no file takes them.
void Discard(ngx_log_t*, ngx_uint_t, u_char*, size_t) {}

constexpr size_t kLevel = sizeof("1970/09/28 12:00:00 [") - 1;

// The first four bytes of a level, as they stand in a line.
constexpr uint32_t Beginning(const char (&level)[6]) {
  uint32_t word = 0;
  for (size_t i = 0; i < sizeof(word); ++i) {
    word |= uint32_t{static_cast<unsigned char>(level[i])} << (8 * i);
  }
  return word;
}

// The level of a line, as far as the tap tells them apart.
ngx_uint_t LevelOf(const char* line) {
  switch (Load<uint32_t>(line + kLevel)) {
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

// Finds that length behind the level.
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
      kLevel + sizeof("error] ") - 1 - (level == NGX_LOG_CRIT ? 1 : 0);
  if (connection - numbers.least >= numbers.count) [[unlikely]] {
    Measure(line.substr(level_end), connection);
  }
  return std::min(level_end + numbers.length, line.size());
}

// Whether a log writes lines of this level.
bool IsWritten(const ngx_log_t* log, ngx_uint_t level) {
  // debug_connection sends every level to every log.
  if ((log->log_level & NGX_LOG_DEBUG_CONNECTION) != 0) {
    return true;
  }
  while (log != nullptr && log->log_level >= level && log->writer == Discard) {
    log = log->next;
  }
  return log != nullptr && log->log_level >= level;
}

// nginx calls this between its own text, which ends at `buf`, and what it adds
// about client and request. All of the line is an array of NGX_MAX_ERROR_STR
// bytes, of which `len` are left.
u_char* HandleLine(ngx_log_t* log, u_char* buf, size_t len) {
  const auto* context = static_cast<const ngx_http_log_ctx_t*>(log->data);
  const char* line = reinterpret_cast<char*>(buf) + len - NGX_MAX_ERROR_STR;
  const ngx_uint_t level = LevelOf(line);
  if (level > NGX_LOG_ERR) {
    return next_handler(log, buf, len);
  }
  // The subrequest is only known to be there while its request is.
  ngx_http_request_t* sr =
      context->request == nullptr ? nullptr : context->current_request;
  if (sr != nullptr && sr->upstream != nullptr && !capturing) {
    const size_t size = NGX_MAX_ERROR_STR - len;
    const size_t start = TextStart({line, size}, level, log->connection);
    capturing = true;
    Guarded(ngx_cycle->log, [&] {
      CaptureLine(sr, {line + start, size - start});
    });
    capturing = false;
  }
  return IsWritten(log, level) ? next_handler(log, buf, len) : buf;
}

}  // namespace

bool InsertTap(ngx_conf_t* cf, ngx_log_t* head) {
  for (const ngx_log_t* log = head; log != nullptr; log = log->next) {
    if (log->writer == Discard) {
      return true;
    }
  }
  if (head->log_level == 0 && head->file == nullptr &&
      head->writer == nullptr && head->next == nullptr) {
    // No error_log at all: nginx adds its default log behind this head later.
    head->log_level = NGX_LOG_ERR;
    head->writer = Discard;
    return true;
  }
  auto* log = static_cast<ngx_log_t*>(ngx_pcalloc(cf->pool, sizeof(ngx_log_t)));
  if (log == nullptr) {
    return false;
  }
  log->log_level = NGX_LOG_ERR;
  log->writer = Discard;
  // Levels fall along the list; its head stays where it is.
  if (head->log_level < log->log_level) {
    std::swap(*head, *log);
    head->next = log;
    return true;
  }
  ngx_log_t* before = head;
  while (before->next != nullptr && before->next->log_level >= log->log_level) {
    before = before->next;
  }
  log->next = before->next;
  before->next = log;
  return true;
}

void WatchConnection(const ngx_connection_t* c) {
  ngx_log_t* log = c->log;
  if (log->handler == HandleLine) {
    return;
  }
  if (next_handler == nullptr) {
    next_handler = log->handler;
  }
  if (log->handler == next_handler) {
    log->handler = HandleLine;
  }
}

}  // namespace upstream_502
