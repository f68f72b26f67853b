#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <cstring>
#include <utility>

#include "bridge.h"
#include "capture.h"
#include "tap.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kSuffix = ", server: ";

// What the request's log handler tells the writer, which is called next for
// the same line. One per worker: lines do not nest between the two.
struct Note {
  ngx_http_request_t* request = nullptr;     // the main request
  ngx_http_request_t* subrequest = nullptr;  // whose upstream is at work
  const u_char* at = nullptr;  // where the handler's own text begins
};

Note note;

// nginx's own handler. All requests have the same one; a request with another
// one is left alone.
ngx_http_log_handler_pt next_handler = nullptr;

u_char* NoteRequest(ngx_http_request_t* r, ngx_http_request_t* sr, u_char* buf,
                    size_t len) {
  note = {r, sr, buf};
  return next_handler(r, sr, buf, len);
}

// How much ngx_http_log_error() has written before it called the handler:
// " while ACTION, client: ADDRESS".
size_t SuffixLength(const ngx_connection_t* c) {
  const char* action = c->log->action;
  const size_t client = sizeof(", client: ") - 1 + c->addr_text.len;
  return action == nullptr
             ? client
             : sizeof(" while ") - 1 + std::strlen(action) + client;
}

// The length of "pid#tid: ", which is the same for all lines of a process.
struct Process {
  ngx_pid_t pid;
  size_t length;
};

Process process = {0, 0};

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

// Where what nginx says begins in "time [level] pid#tid: *connection TEXT".
size_t TextStart(absl::string_view line, ngx_uint_t level) {
  // "alert", "crit", "error"
  const size_t level_end = sizeof("1970/09/28 12:00:00 [error] ") - 1 -
                           (level == NGX_LOG_CRIT ? 1 : 0);
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

// A line that was cut leaves no room for what the handler writes.
bool IsOfHandler(const u_char* at, size_t left, size_t len) {
  return (left >= kSuffix.size() &&
          std::memcmp(at, kSuffix.data(), kSuffix.size()) == 0) ||
         len >= NGX_MAX_ERROR_STR - 64;
}

void WriteLine(ngx_log_t*, ngx_uint_t level, u_char* buf, size_t len) {
  const size_t head =
      reinterpret_cast<uintptr_t>(note.at) - reinterpret_cast<uintptr_t>(buf);
  if (note.request == nullptr || head > len) {
    return;  // a line of nobody's, or one that nests in another
  }
  const ngx_connection_t* c = note.request->connection;
  ngx_http_request_t* sr = note.subrequest;
  note.request = nullptr;
  // debug_connection sends every level to every writer.
  if (level > NGX_LOG_ERR || sr == nullptr || sr->upstream == nullptr ||
      !IsOfHandler(note.at, len - head, len)) {
    return;
  }
  const char* line = reinterpret_cast<char*>(buf);
  const size_t suffix = SuffixLength(c);
  const size_t start = TextStart({line, len}, level);
  const size_t size = head > suffix + start ? head - suffix - start : 0;
  Guarded(ngx_cycle->log, [&] { CaptureLine(sr, {line + start, size}); });
}

}  // namespace

bool InsertTap(ngx_conf_t* cf, ngx_log_t* head) {
  for (const ngx_log_t* log = head; log != nullptr; log = log->next) {
    if (log->writer == WriteLine) {
      return true;
    }
  }
  if (head->log_level == 0 && head->file == nullptr &&
      head->writer == nullptr && head->next == nullptr) {
    // No error_log at all: nginx adds its default log behind this head later.
    head->log_level = NGX_LOG_ERR;
    head->writer = WriteLine;
    return true;
  }
  auto* log = static_cast<ngx_log_t*>(ngx_pcalloc(cf->pool, sizeof(ngx_log_t)));
  if (log == nullptr) {
    return false;
  }
  log->log_level = NGX_LOG_ERR;
  log->writer = WriteLine;
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

void WatchRequest(ngx_http_request_t* r) {
  if (next_handler == nullptr && r->log_handler != NoteRequest) {
    next_handler = r->log_handler;
  }
  if (r->log_handler == next_handler) {
    r->log_handler = NoteRequest;
  }
}

void ForgetRequest(const ngx_http_request_t* r) {
  if (note.request == r) {
    note.request = nullptr;
  }
}

}  // namespace upstream_502
