#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <algorithm>

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
  size_t suffix = 0;  // length of " while …, client: …" before that
};

Note note;

// nginx's own handler. All requests have the same one; a request with another
// one is left alone.
ngx_http_log_handler_pt next_handler = nullptr;

// How much ngx_http_log_error() has written before it called the handler.
size_t SuffixLength(const ngx_http_request_t* r) {
  const char* action = r->connection->log->action;
  const size_t client = sizeof(", client: ") - 1 + r->connection->addr_text.len;
  return action == nullptr
             ? client
             : sizeof(" while ") - 1 + std::strlen(action) + client;
}

u_char* NoteRequest(ngx_http_request_t* r, ngx_http_request_t* sr, u_char* buf,
                    size_t len) {
  note = {r, sr, buf, SuffixLength(r)};
  return next_handler(r, sr, buf, len);
}

// nginx's own text out of `head`, the line up to where the handler began:
// "time [level] pid#tid: *connection TEXT while ACTION, client: ADDRESS".
absl::string_view Message(absl::string_view head, size_t suffix) {
  head.remove_suffix(std::min(suffix, head.size()));
  size_t start = head.find('#');
  start = start == absl::string_view::npos ? 0 : head.find(": ", start);
  if (start != absl::string_view::npos) {
    head.remove_prefix(std::min(start + 2, head.size()));
  }
  if (!head.empty() && head[0] == '*') {
    head.remove_prefix(std::min(head.find(' '), head.size() - 1) + 1);
  }
  return head;
}

void WriteLine(ngx_log_t*, ngx_uint_t level, u_char* buf, size_t len) {
  if (note.request == nullptr || note.at < buf || note.at > buf + len) {
    return;  // a line of nobody's, or one that nests in another
  }
  const Note noted = note;
  note.request = nullptr;
  if (level > NGX_LOG_ERR || noted.subrequest == nullptr ||
      noted.subrequest->upstream == nullptr) {
    return;  // debug_connection sends every level to every writer
  }
  const absl::string_view line(reinterpret_cast<char*>(buf), len);
  const auto head = static_cast<size_t>(noted.at - buf);
  // A line that was cut leaves no room for what the handler writes.
  if (line.substr(head, kSuffix.size()) !=
      kSuffix.substr(0, std::min(kSuffix.size(), len - head))) {
    const bool cut = len >= NGX_MAX_ERROR_STR - 64;
    if (!cut) {
      return;
    }
  }
  Guarded(ngx_cycle->log, [&] {
    CaptureLine(noted.subrequest, Message(line.substr(0, head), noted.suffix));
  });
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
