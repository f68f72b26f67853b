// Answers at the status location.

#include "ngx_cxx.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "access.h"
#include "bridge.h"
#include "conf.h"
#include "status.h"
#include "upstream_502/advice/diagnose.h"
#include "upstream_502/advice/explain.h"
#include "upstream_502/report/html.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/prometheus.h"
#include "upstream_502/report/query.h"
#include "upstream_502/report/text.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kNoStore = "no-store";
constexpr absl::string_view kNoSniff = "nosniff";
// What is copied, diagnosed and rendered in one turn of the event loop: each
// takes about a millisecond.
constexpr size_t kCopyWork = 1500;
constexpr size_t kDiagnoseWork = 200000;
constexpr size_t kSliceBytes = 256 * 1024;
// As many answers at once as leave behind what is worth giving back.
constexpr uint32_t kManyAnswers = 8;

// One answer on its way: made step by step while others are served.
struct Answer {
  const ngx_http_request_t* request = nullptr;
  AnswerCount* count = nullptr;
  Query query;
  Format format = Format::kText;
  Report report;
  std::optional<Copier> copier;        // until all is copied
  std::optional<Diagnoser> diagnoser;  // and then until all is diagnosed
  std::unique_ptr<Renderer> renderer;
  ngx_chain_t* free = nullptr;
  ngx_chain_t* busy = nullptr;
  bool done = false;
};

// Unless it has been added already.
bool AddHeader(ngx_http_request_t* r, absl::string_view name,
               absl::string_view value) {
  ngx_list_part_t* part = &r->headers_out.headers.part;
  for (; part != nullptr; part = part->next) {
    const auto* headers = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (headers[i].value.data == Str(value).data) {
        return true;
      }
    }
  }
  auto* header =
      static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (header == nullptr) {
    return false;
  }
  *header = {};
  header->hash = 1;
  header->key = Str(name);
  header->value = Str(value);
  return true;
}

// Text that is known at once: errors and the answer to DELETE.
ngx_int_t SendText(ngx_http_request_t* r, ngx_uint_t status,
                   absl::string_view text) {
  r->headers_out.status = status;
  r->headers_out.content_length_n = static_cast<off_t>(text.size());
  r->headers_out.content_type = Str("text/plain; charset=utf-8");
  r->headers_out.content_type_len = r->headers_out.content_type.len;
  if (text.empty()) {
    r->header_only = 1;
  }
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
    return rc;
  }
  ngx_buf_t* buf = ngx_create_temp_buf(r->pool, text.size());
  if (buf == nullptr) {
    return NGX_ERROR;
  }
  buf->last = ngx_cpymem(buf->last, text.data(), text.size());
  buf->last_buf = r == r->main;
  buf->last_in_chain = 1;
  ngx_chain_t chain = {buf, nullptr};
  return ngx_http_output_filter(r, &chain);
}

std::unique_ptr<Renderer> MakeRenderer(Format format, const Report& report) {
  switch (format) {
    case Format::kHtml:
      return MakeHtmlRenderer(report);
    case Format::kJson:
      return MakeJsonRenderer(report);
    case Format::kPrometheus:
      return MakePrometheusRenderer(report);
    case Format::kOpenMetrics:
      return MakeOpenMetricsRenderer(report);
    case Format::kAuto:
    case Format::kText:
      break;
  }
  return MakeTextRenderer(report);
}

void NameServer(const ngx_http_request_t* r, Snapshot* snapshot) {
  const Zone& zone = GetMainConf(r)->zone;
  snapshot->zone.name = std::string(View(zone.name));
  snapshot->zone.size = zone.size;
  snapshot->server.hostname =
      std::string(View(const_cast<ngx_cycle_t*>(ngx_cycle)->hostname));
  snapshot->server.nginx_version = NGINX_VERSION;
  snapshot->server.module_version = UPSTREAM_502_VERSION;
  snapshot->server.pid = ngx_pid;
}

// Makes more of the report; whether it can be rendered now.
bool Prepare(const ngx_http_request_t* r, Answer* answer) {
  Report& report = answer->report;
  if (answer->copier) {
    if (answer->copier->Next(kCopyWork)) {
      return false;
    }
    answer->copier.reset();
    NameServer(r, &report.snapshot);
    answer->diagnoser.emplace(report.snapshot);
  }
  if (answer->diagnoser) {
    if (answer->diagnoser->Next(kDiagnoseWork)) {
      return false;
    }
    report.diagnoses = answer->diagnoser->Take();
    answer->diagnoser.reset();
    ExplainIncidents(&report.snapshot);
    Apply(answer->query, &report.snapshot);
    answer->renderer = MakeRenderer(answer->format, report);
  }
  return true;
}

ngx_chain_t* NewSlice(ngx_http_request_t* r, Answer* answer, size_t size) {
  ngx_chain_t* link = ngx_chain_get_free_buf(r->pool, &answer->free);
  if (link == nullptr) {
    return nullptr;
  }
  ngx_buf_t* buf = link->buf;
  if (buf->start == nullptr ||
      static_cast<size_t>(buf->end - buf->start) < size) {
    const size_t room =
        answer->done ? size : std::max(size, kSliceBytes + kSliceBytes / 8);
    buf->start = static_cast<u_char*>(ngx_palloc(r->pool, room));
    if (buf->start == nullptr) {
      return nullptr;
    }
    buf->end = buf->start + room;
  }
  buf->pos = buf->last = buf->start;
  buf->temporary = 1;
  buf->tag = reinterpret_cast<ngx_buf_tag_t>(&ngx_http_upstream_502_module);
  return link;
}

ngx_int_t SendNextSlice(ngx_http_request_t* r, Answer* answer) {
  if (!Prepare(r, answer)) {
    return NGX_AGAIN;
  }
  std::string text;
  while (text.size() < kSliceBytes) {
    if (!answer->renderer->Next(&text)) {
      answer->done = true;
      break;
    }
  }
  ngx_chain_t* link = NewSlice(r, answer, text.size());
  if (link == nullptr) {
    return NGX_ERROR;
  }
  ngx_buf_t* buf = link->buf;
  buf->last = ngx_cpymem(buf->last, text.data(), text.size());
  buf->flush = !answer->done;
  buf->last_buf = answer->done && r == r->main;
  buf->last_in_chain = answer->done;
  if (text.empty()) {
    buf->temporary = 0;  // a special buffer: only says that this was all
    buf->sync = 1;
  }
  const ngx_int_t rc = ngx_http_output_filter(r, link);
  ngx_chain_update_chains(r->pool, &answer->free, &answer->busy, &link,
                          buf->tag);
  return rc;
}

// One step: renders the next slice and passes it on, once there is a report.
// The header is sent by then: no other status can follow.
ngx_int_t SendSlice(ngx_http_request_t* r, Answer* answer) {
  return Guarded(r, ngx_int_t{NGX_ERROR},
                 [&] { return SendNextSlice(r, answer); });
}

// Gives back to the system what many answers held: they share pages with what
// stays, and the allocator keeps those.
void TrimMemory(ngx_event_t* event) {
  *static_cast<uint32_t*>(event->data) = 0;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// The last of many answers is followed by a turn in which their pools have
// been freed as well.
void DestroyAnswer(void* data) {
  auto* answer = static_cast<Answer*>(data);
  AnswerCount* count = answer->count;
  answer->~Answer();
  if (--count->now == 0 && count->most >= kManyAnswers) {
    ngx_event_t* trim = &count->trim;
    trim->handler = TrimMemory;
    trim->data = &count->most;
    trim->log = LogOf(ngx_cycle);
    ngx_post_event(trim, &ngx_posted_next_events);
  }
}

// r->ctx belongs to the request's Record: the answer is found by its cleanup,
// in a pool that subrequests share.
Answer* FindAnswer(const ngx_http_request_t* r) {
  const ngx_pool_cleanup_t* cleanup = r->pool->cleanup;
  while (cleanup->handler != DestroyAnswer ||
         static_cast<Answer*>(cleanup->data)->request != r) {
    cleanup = cleanup->next;
  }
  return static_cast<Answer*>(cleanup->data);
}

Answer* AddAnswer(ngx_http_request_t* r) {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(Answer));
  if (cleanup == nullptr) {
    return nullptr;
  }
  auto* answer = new (cleanup->data) Answer;
  answer->request = r;
  answer->count = &GetMainConf(r)->answers;
  answer->count->most = std::max(answer->count->most, ++answer->count->now);
  cleanup->handler = DestroyAnswer;
  return answer;
}

void Continue(ngx_http_request_t* r);

// Read event handler: ends the report when its reader has gone, which nothing
// else would tell while it waits for a window or for room in a socket.
void OnRead(ngx_http_request_t* r) {
  if (r->discard_body) {
    ngx_http_discarded_request_body_handler(r);
    if (r->discard_body || r->write_event_handler != Continue) {
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

// Write event handler: goes on where the last turn ended.
void Continue(ngx_http_request_t* r) {
  const ngx_int_t rc = Guarded(r, ngx_int_t{NGX_ERROR}, [r]() -> ngx_int_t {
    Answer* answer = FindAnswer(r);
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
    } else if (!answer->done) {
      sent = SendSlice(r, answer);
    }
    return sent == NGX_ERROR ? NGX_ERROR
           : answer->done    ? sent
                             : ngx_int_t{NGX_AGAIN};
  });
  if (rc != NGX_AGAIN || FindAnswer(r)->done) {
    ngx_http_finalize_request(r, rc);
    return;
  }
  WatchReader(r);
  ngx_connection_t* c = r->connection;
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf(r, ngx_http_core_module));
  if (c->buffered || r->buffered || c->write->delayed) {
    if (!c->write->delayed) {  // else limit_rate's timer is running
      ngx_add_timer(c->write, core->send_timeout);
    }
    if (ngx_handle_write_event(c->write, core->send_lowat) != NGX_OK) {
      ngx_http_finalize_request(r, NGX_ERROR);
    }
    return;
  }
  if (c->write->timer_set) {
    ngx_del_timer(c->write);
  }
  // The socket would take more, but others wait for the worker.
  ngx_post_event(c->write, &ngx_posted_next_events);
}

ngx_int_t SendReport(ngx_http_request_t* r, const Query& query, Format format) {
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_type = Str(ContentType(format));
  r->headers_out.content_type_len = r->headers_out.content_type.len;
  if (format == Format::kHtml &&
      !AddHeader(r, "Content-Security-Policy", PageCsp())) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  ngx_http_clear_content_length(r);
  if (r->method == NGX_HTTP_HEAD) {
    r->header_only = 1;
  }
  Answer* answer = nullptr;
  if (!r->header_only) {
    answer = AddAnswer(r);
    if (answer == nullptr) {
      return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    answer->query = query;
    answer->format = format;
    answer->report.window = query.window;
    answer->report.one_incident = query.incident.has_value();
    answer->copier.emplace(GetMainConf(r)->zone.store, NowMs(),
                           &answer->report.snapshot,
                           /*hours=*/query.window != Window::kHour);
  }
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
    return rc;
  }
  const ngx_int_t sent = SendSlice(r, answer);
  if (answer->done || sent == NGX_ERROR) {
    return sent;
  }
  ++r->main->count;
  r->read_event_handler = OnRead;
  r->write_event_handler = Continue;
  ngx_post_event(r->connection->write, &ngx_posted_next_events);
  return NGX_DONE;
}

ngx_int_t HandleDelete(ngx_http_request_t* r) {
  GetMainConf(r)->zone.store.Reset(NowMs());
  return SendText(r, NGX_HTTP_NO_CONTENT, "");
}

// The name has to reach who asks, whatever page is configured for 403.
ngx_int_t RefuseHost(ngx_http_request_t* r) {
  std::string text = "the host \"";
  AppendPrintable(View(r->headers_in.server), &text);
  text += "\" is no name of this server: add it to server_name\n";
  return SendText(r, NGX_HTTP_FORBIDDEN, View(PoolCopy(r->pool, text)));
}

ngx_int_t HandleGet(ngx_http_request_t* r, const LocConf& conf) {
  const auto query = ParseQuery(View(r->args));
  if (!query.ok()) {
    const ngx_str_t error =
        PoolCopy(r->pool, std::string(query.status().message()) + "\n");
    return SendText(r, NGX_HTTP_BAD_REQUEST, View(error));
  }
  const auto accept = RequestHeader(r, "accept");
  return SendReport(r, *query,
                    ChooseFormat(conf.status_format, query->format,
                                 accept.value_or(absl::string_view())));
}

ngx_int_t Handle(ngx_http_request_t* r) {
  const LocConf& conf = *GetLocConf(r);
  r->disable_not_modified = 1;
  if (!AddSafeHeaders(r)) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  const ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) {
    return rc;
  }
  if (!conf.status_any && !IsLocalClient(r)) {
    return NGX_HTTP_FORBIDDEN;
  }
  if (!conf.status_any && !IsKnownHost(r)) {
    return RefuseHost(r);
  }
  if (conf.status_write && r->method == NGX_HTTP_DELETE) {
    return IsFromOtherSite(r) ? NGX_HTTP_FORBIDDEN : HandleDelete(r);
  }
  if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) {
    AddHeader(r, "Allow",
              conf.status_write ? "GET, HEAD, DELETE" : "GET, HEAD");
    return NGX_HTTP_NOT_ALLOWED;
  }
  return HandleGet(r, conf);
}

}  // namespace

bool AddSafeHeaders(ngx_http_request_t* r) {
  return AddHeader(r, "Cache-Control", kNoStore) &&
         AddHeader(r, "X-Content-Type-Options", kNoSniff);
}

ngx_int_t HandleStatus(ngx_http_request_t* r) {
  return Guarded(r, ngx_int_t{NGX_HTTP_INTERNAL_SERVER_ERROR},
                 [r] { return Handle(r); });
}

}  // namespace upstream_502
