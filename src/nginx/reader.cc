// Sends a report to one reader, step by step, while others are served.

#include "ngx_cxx.h"

#include "reader.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bridge.h"
#include "conf.h"
#include "desk.h"
#include "shared_report.h"
#include "system/pages.h"
#include "upstream_502/report/excerpt.h"
#include "upstream_502/report/html.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/prometheus.h"
#include "upstream_502/report/text.h"

namespace upstream_502 {

// Pages that hold a piece of the report until it is sent; what is sent comes
// behind it.
struct Chunk {
  Chunk* next;
  size_t size;
};

struct Reader : Place {
  ngx_http_request_t* request = nullptr;
  MainConf* conf = nullptr;
  Query query;
  Format format = Format::kText;
  std::optional<Excerpt> excerpt;      // of its report, when that is whole
  std::unique_ptr<Renderer> renderer;  // of the excerpt, when it is chosen
  Chunk* chunks = nullptr;
  ngx_chain_t* free = nullptr;
  ngx_chain_t* busy = nullptr;
  bool done = false;  // all is rendered
};

namespace {

// Small, since each of those who read slowly holds one.
constexpr size_t kChunkBytes = 14 * 1024;
// What is looked at in one step for what to show.
constexpr size_t kChooseWork = 5000;

std::unique_ptr<Renderer> MakeRenderer(Format format, const Excerpt& excerpt) {
  switch (format) {
    case Format::kHtml:
      return MakeHtmlRenderer(excerpt);
    case Format::kJson:
      return MakeJsonRenderer(excerpt);
    case Format::kPrometheus:
      return MakePrometheusRenderer(excerpt);
    case Format::kOpenMetrics:
      return MakeOpenMetricsRenderer(excerpt);
    case Format::kAuto:
    case Format::kText:
      break;
  }
  return MakeTextRenderer(excerpt);
}

// Makes more of what it reads; whether that can be rendered now.
bool Prepare(Reader* reader) {
  if (reader->renderer != nullptr) {
    return true;
  }
  if (reader->report == nullptr &&
      !TakeReport(reader->conf, reader,
                  /*hours=*/reader->query.window != Window::kHour)) {
    return false;
  }
  SharedReport* report = reader->report;
  if (report->has_failed()) {
    throw std::bad_alloc();  // when it was another's turn
  }
  if (!report->is_whole()) {
    report->Make();
    return false;
  }
  if (!reader->excerpt) {
    reader->excerpt.emplace(report->report(), reader->query);
  }
  if (reader->excerpt->Choose(kChooseWork)) {
    return false;
  }
  reader->renderer = MakeRenderer(reader->format, *reader->excerpt);
  return true;
}

// The report is not held for what is only to be sent.
void Finish(Reader* reader) {
  reader->done = true;
  reader->renderer.reset();
  reader->excerpt.reset();
  ReturnReport(reader->conf, reader);
}

// A buffer of its own with room for so many bytes.
ngx_chain_t* TakeChunk(Reader* reader, size_t size) {
  ngx_chain_t* link =
      ngx_chain_get_free_buf(reader->request->pool, &reader->free);
  if (link == nullptr) {
    return nullptr;
  }
  ngx_buf_t* buf = link->buf;
  if (buf->start == nullptr ||
      static_cast<size_t>(buf->end - buf->start) < size) {
    const size_t pages = InPages(sizeof(Chunk) + size);
    void* memory = kPages.take(pages);
    if (memory == nullptr) {
      return nullptr;
    }
    reader->chunks = new (memory) Chunk{reader->chunks, pages};
    buf->start = static_cast<u_char*>(memory) + sizeof(Chunk);
    buf->end = static_cast<u_char*>(memory) + pages;
  }
  buf->pos = buf->last = buf->start;
  buf->temporary = 1;
  buf->tag = reinterpret_cast<ngx_buf_tag_t>(&ngx_http_upstream_502_module);
  return link;
}

ngx_int_t SendText(Reader* reader, absl::string_view text) {
  ngx_http_request_t* r = reader->request;
  ngx_chain_t* link = TakeChunk(reader, text.size());
  if (link == nullptr) {
    return NGX_ERROR;
  }
  ngx_buf_t* buf = link->buf;
  buf->last = ngx_cpymem(buf->last, text.data(), text.size());
  buf->flush = !reader->done;
  buf->last_buf = reader->done && r == r->main;
  buf->last_in_chain = reader->done;
  if (text.empty()) {
    buf->temporary = 0;  // a special buffer: only says that this was all
    buf->sync = 1;
  }
  const ngx_int_t rc = ngx_http_output_filter(r, link);
  ngx_chain_update_chains(r->pool, &reader->free, &reader->busy, &link,
                          buf->tag);
  return rc;
}

// One step: of making the report, or of sending it.
ngx_int_t Step(Reader* reader) {
  if (!Prepare(reader)) {
    return NGX_OK;
  }
  std::string text;
  while (text.size() < kChunkBytes) {
    const size_t before = text.size();
    if (!reader->renderer->Next(&text)) {
      Finish(reader);
      break;
    }
    if (text.size() == before) {  // much was left out: others first
      break;
    }
  }
  return text.empty() && !reader->done ? NGX_OK : SendText(reader, text);
}

void DestroyReader(void* data) {
  auto* reader = static_cast<Reader*>(data);
  Chunk* chunk = reader->chunks;
  Leave(reader->conf, reader);
  reader->~Reader();
  while (chunk != nullptr) {
    Chunk* next = chunk->next;
    kPages.give(chunk, chunk->size);
    chunk = next;
  }
}

// r->ctx belongs to the request's Context: the reader is found by its cleanup,
// in a pool that subrequests share.
Reader* FindReader(const ngx_http_request_t* r) {
  const ngx_pool_cleanup_t* cleanup = r->pool->cleanup;
  while (cleanup->handler != DestroyReader ||
         static_cast<Reader*>(cleanup->data)->request != r) {
    cleanup = cleanup->next;
  }
  return static_cast<Reader*>(cleanup->data);
}

void OnWrite(ngx_http_request_t* r);

// Read event handler: ends the report when its reader has gone, which nothing
// else would tell while it waits for a window or for room in a socket.
void OnRead(ngx_http_request_t* r) {
  if (r->discard_body) {
    ngx_http_discarded_request_body_handler(r);
    if (r->discard_body || r->write_event_handler != OnWrite) {
      return;
    }
    r->read_event_handler = OnRead;  // nginx blocks it behind a body
  }
  ngx_http_test_reading(r);
}

// A body that is still to come made nginx take the request for one that only
// lingers: it would be closed after lingering_timeout.
void WatchReader(ngx_http_request_t* r) {
  if (r->read_event_handler == OnRead) {
    return;
  }
  ngx_event_t* read = r->connection->read;
  r->read_event_handler = OnRead;
  r->lingering_time = 0;
  if (read->timer_set) {
    ngx_del_timer(read);
  }
  ngx_post_event(read, &ngx_posted_events);  // for what came meanwhile
}

// What is left of the last step, or the next one where it is the reader's
// turn. NGX_AGAIN: there is more to come.
ngx_int_t Proceed(Reader* reader, bool its_turn) {
  ngx_http_request_t* r = reader->request;
  ngx_connection_t* c = r->connection;
  if (c->error || c->write->error) {  // the reader has gone
    c->error = 1;
    return NGX_HTTP_CLIENT_CLOSED_REQUEST;
  }
  if (c->write->timedout) {
    c->timedout = 1;
    return NGX_HTTP_REQUEST_TIME_OUT;
  }
  ngx_int_t sent = NGX_OK;
  if (r->buffered || r->postponed || (r == r->main && c->buffered)) {
    sent = ngx_http_output_filter(r, nullptr);
  } else if (!reader->done && its_turn) {
    sent = Step(reader);
  }
  return sent == NGX_ERROR ? NGX_ERROR : reader->done ? sent : NGX_AGAIN;
}

// Waits for room in the socket. False when that cannot be.
bool AwaitRoom(ngx_http_request_t* r) {
  ngx_event_t* write = r->connection->write;
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf(r, ngx_http_core_module));
  if (!write->delayed) {  // else limit_rate's timer is running
    ngx_add_timer(write, core->send_timeout);
  }
  return ngx_handle_write_event(write, core->send_lowat) == NGX_OK;
}

void GoOn(Reader* reader, bool its_turn) {
  ngx_http_request_t* r = reader->request;
  const ngx_int_t rc = Guarded(r, ngx_int_t{NGX_ERROR},
                               [=] { return Proceed(reader, its_turn); });
  if (rc != NGX_AGAIN || reader->done) {
    ngx_http_finalize_request(r, rc);
    return;
  }
  WatchReader(r);
  ngx_connection_t* c = r->connection;
  if (c->buffered || r->buffered || c->write->delayed) {
    if (!AwaitRoom(r)) {
      ngx_http_finalize_request(r, NGX_ERROR);
    }
    return;
  }
  if (c->write->timer_set) {
    ngx_del_timer(c->write);
  }
  // A part of a page is told when those before it are through.
  if (r->postponed == nullptr || c->data == r) {
    AskForTurn(reader->conf, reader);
  }
}

// Write event handler: the socket takes more.
void OnWrite(ngx_http_request_t* r) { GoOn(FindReader(r), false); }

void OnTurn(Place* place) {
  auto* reader = static_cast<Reader*>(place);
  ngx_connection_t* c = reader->request->connection;
  ngx_http_set_log_request(c->log, reader->request);
  GoOn(reader, true);
  ngx_http_run_posted_requests(c);
}

void OnEnd(Place* place) {
  auto* reader = static_cast<Reader*>(place);
  ngx_http_request_t* r = reader->request;
  ngx_connection_t* c = r->connection;
  ngx_http_set_log_request(c->log, r);
  Finish(reader);
  ngx_http_finalize_request(r, NGX_ERROR);
  ngx_http_run_posted_requests(c);
}

}  // namespace

ngx_int_t AddReader(ngx_http_request_t* r, const Query& query, Format format,
                    Reader** reader) {
  MainConf* conf = GetMainConf(r);
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(Reader));
  if (cleanup == nullptr) {
    return NGX_ERROR;
  }
  if (!Enter(conf)) {
    return NGX_BUSY;
  }
  auto* added = new (cleanup->data) Reader;
  cleanup->handler = DestroyReader;
  added->take_turn = OnTurn;
  added->end = OnEnd;
  added->request = r;
  added->conf = conf;
  added->format = format;
  added->query = query;
  *reader = added;
  return NGX_OK;
}

ngx_int_t Serve(Reader* reader) {
  ngx_http_request_t* r = reader->request;
  ++r->main->count;
  r->read_event_handler = OnRead;
  r->write_event_handler = OnWrite;
  AskForTurn(reader->conf, reader);
  return NGX_DONE;
}

}  // namespace upstream_502
