#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <utility>

#include "bridge.h"
#include "capture.h"
#include "tap.h"

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

// The length of "pid#tid: ", which is the same for all lines of a process.
struct Process {
  ngx_pid_t pid;
  size_t length;
};

Process process = {0, 0};

constexpr size_t kLevel = sizeof("1970/09/28 12:00:00 [") - 1;

// Finds that length; false where the line is not nginx's.
[[gnu::cold, gnu::noinline]] bool MeasureProcess(absl::string_view line,
                                                 size_t level_end) {
  size_t start = line.find('#');
  start = start == absl::string_view::npos ? start : line.find(": ", start);
  if (start == absl::string_view::npos || start + 2 < level_end) {
    return false;
  }
  process = {ngx_pid, start + 2 - level_end};
  return true;
}

// The level of a line, as far as the tap tells them apart.
ngx_uint_t LevelOf(const char* line) {
  switch (line[kLevel]) {
    case 'a':
      return NGX_LOG_ALERT;
    case 'c':
      return NGX_LOG_CRIT;
    case 'e':
      return line[kLevel + 1] == 'm' ? NGX_LOG_EMERG : NGX_LOG_ERR;
    default:
      return NGX_LOG_WARN;
  }
}

// Where what nginx says begins in "time [level] pid#tid: *connection TEXT".
size_t TextStart(absl::string_view line, ngx_uint_t level) {
  // "emerg", "alert", "crit", "error"
  const size_t level_end =
      kLevel + sizeof("error] ") - 1 - (level == NGX_LOG_CRIT ? 1 : 0);
  size_t start = level_end + process.length;
  if (process.pid != ngx_pid || start > line.size() || line[start - 2] != ':')
      [[unlikely]] {
    if (!MeasureProcess(line, level_end)) {
      return 0;
    }
    start = level_end + process.length;
  }
  if (start < line.size() && line[start] == '*') {
    while (start < line.size() && line[start++] != ' ') {
    }
  }
  return start;
}

// Whether a log writes lines of this level.
bool IsWritten(const ngx_log_t* log, ngx_uint_t level) {
  // debug_connection sends every level to every log.
  if ((log->log_level & NGX_LOG_DEBUG_CONNECTION) != 0) {
    return true;
  }
  while (log != nullptr && log->log_level >= level &&
         log->writer == Discard) {
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
    const size_t start = TextStart({line, size}, level);
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
