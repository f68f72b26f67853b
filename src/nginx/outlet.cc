// Sends to one client, step by step, what is made for it.

#include "ngx_cxx.h"

#include "outlet.h"

#include "bridge.h"
#include "conf.h"
#include "system/pages.h"

namespace upstream_502 {

// Pages that hold a piece until it is sent; what is sent comes behind it.
struct Chunk {
  Chunk* next;
  size_t size;
};

namespace {

u_char* TextOf(Chunk* chunk) {
  return reinterpret_cast<u_char*>(chunk) + sizeof(Chunk);
}

// freenginx says of a stream, too, that its body is to be discarded; what then
// reads from the socket is for connections that are one.
bool IsStream([[maybe_unused]] const ngx_http_request_t* r) {
#if (NGX_HTTP_V2)
  return r->stream != nullptr;
#else
  return false;
#endif
}

}  // namespace

Outlet::Outlet(ngx_http_request_t* r, MainConf* conf)
    : request_(r), conf_(conf) {
  take_turn = OnTurn;
}

Outlet::~Outlet() {
  GiveTurnUp(this);
  while (chunks_ != nullptr) {
    GiveChunk(TextOf(chunks_));
  }
}

void DestroyOutlet(void* data) { static_cast<Outlet*>(data)->~Outlet(); }

// r->ctx belongs to the request's Context: the outlet is found by its cleanup,
// in a pool that subrequests share.
Outlet* Outlet::Find(const ngx_http_request_t* r) {
  const ngx_pool_cleanup_t* cleanup = r->pool->cleanup;
  while (cleanup->handler != DestroyOutlet ||
         static_cast<Outlet*>(cleanup->data)->request_ != r) {
    cleanup = cleanup->next;
  }
  return static_cast<Outlet*>(cleanup->data);
}

ngx_int_t Outlet::Serve() {
  ++request_->main->count;
  request_->read_event_handler = OnRead;
  request_->write_event_handler = OnWrite;
  AskForTurn(conf_, this);
  return NGX_DONE;
}

// Whether the request is still its own. Where its client has gone nginx may go
// on with it elsewhere (post_action), and ends it then.
bool Outlet::IsOwner() const {
  return request_->write_event_handler == OnWrite && Find(request_) == this;
}

// What it waits for without room is told by its write event alone: whoever
// asked in between would set its timer back.
void Outlet::Wake() {
  if (idle_ && !done_ && !IsHeldUp() && IsOwner()) {
    AskForTurn(conf_, this);
  }
}

void Outlet::Close(bool well) {
  ngx_http_request_t* r = request_;
  ngx_connection_t* c = r->connection;
  GiveTurnUp(this);  // the request may outlive this by the rest of its body
  done_ = true;
  if (!IsOwner()) {
    return;
  }
  ngx_http_set_log_request(c->log, r);
  const ngx_int_t rc =
      !well || IsHeldUp()
          ? ngx_int_t{NGX_ERROR}
          : Guarded(r, ngx_int_t{NGX_ERROR}, [this] { return Send(""); });
  ngx_http_finalize_request(r, rc == NGX_OK ? NGX_OK : NGX_ERROR);
  ngx_http_run_posted_requests(c);
}

bool Outlet::IsHeldUp() const {
  const ngx_connection_t* c = request_->connection;
  return request_->buffered || request_->postponed != nullptr || c->buffered ||
         c->write->delayed;
}

void Outlet::GiveChunk(const u_char* start) {
  for (Chunk** link = &chunks_; *link != nullptr; link = &(*link)->next) {
    Chunk* chunk = *link;
    if (TextOf(chunk) == start) {
      *link = chunk->next;
      kPages.give(chunk, chunk->size);
      return;
    }
  }
}

// A buffer of its own with room for so many bytes.
ngx_chain_t* Outlet::TakeChunk(size_t size) {
  ngx_chain_t* link = ngx_chain_get_free_buf(request_->pool, &free_);
  if (link == nullptr) {
    return nullptr;
  }
  ngx_buf_t* buf = link->buf;
  if (buf->start == nullptr ||
      static_cast<size_t>(buf->end - buf->start) < size) {
    GiveChunk(buf->start);
    buf->start = nullptr;
    const size_t pages = InPages(sizeof(Chunk) + size);
    void* memory = kPages.take(pages);
    if (memory == nullptr) {
      return nullptr;
    }
    chunks_ = new (memory) Chunk{chunks_, pages};
    buf->start = TextOf(chunks_);
    buf->end = static_cast<u_char*>(memory) + pages;
  }
  buf->pos = buf->last = buf->start;
  buf->temporary = 1;
  buf->sync = 0;
  buf->tag = reinterpret_cast<ngx_buf_tag_t>(&ngx_http_upstream_502_module);
  return link;
}

ngx_int_t Outlet::Send(absl::string_view text) {
  ngx_http_request_t* r = request_;
  ngx_chain_t* link = TakeChunk(text.size());
  if (link == nullptr) {
    return NGX_ERROR;
  }
  ngx_buf_t* buf = link->buf;
  buf->last = ngx_cpymem(buf->last, text.data(), text.size());
  buf->flush = !done_;
  buf->last_buf = done_ && r == r->main;
  buf->last_in_chain = done_;
  if (text.empty()) {
    buf->temporary = 0;  // a special buffer: only says that this was all
    buf->sync = 1;
  }
  const ngx_int_t rc = ngx_http_output_filter(r, link);
  ngx_chain_update_chains(r->pool, &free_, &busy_, &link, buf->tag);
  return rc;
}

ngx_int_t Outlet::Step() {
  std::string text;
  const Made made = Make(&text);
  done_ = made == Made::kAll;
  idle_ = made == Made::kNothing;
  return text.empty() && !done_ ? NGX_OK : Send(text);
}

// Read event handler: ends the response when its client has gone, which nothing
// else would tell while there is nothing to send, or no room for it.
void Outlet::OnRead(ngx_http_request_t* r) {
  if (r->discard_body && !IsStream(r)) {
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
void Outlet::WatchClient() {
  ngx_http_request_t* r = request_;
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

// What is left of the last step, or the next one where it is its turn.
// NGX_AGAIN: there is more to come.
ngx_int_t Outlet::Proceed(bool its_turn) {
  ngx_http_request_t* r = request_;
  ngx_connection_t* c = r->connection;
  if (c->error || c->write->error) {  // the client has gone
    c->error = 1;
    return NGX_HTTP_CLIENT_CLOSED_REQUEST;
  }
  if (c->write->timedout) {
    c->timedout = 1;
    return NGX_HTTP_REQUEST_TIME_OUT;
  }
  ngx_int_t sent = NGX_OK;
  if (r->buffered || r->postponed || c->buffered) {
    sent = ngx_http_output_filter(r, nullptr);
  } else if (!done_ && its_turn) {
    sent = Step();
  }
  return sent == NGX_ERROR ? NGX_ERROR : done_ ? sent : NGX_AGAIN;
}

// Waits for room in the socket. False when that cannot be.
bool Outlet::AwaitRoom() {
  ngx_event_t* write = request_->connection->write;
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_get_module_loc_conf(request_, ngx_http_core_module));
  if (!write->delayed) {  // else limit_rate's timer is running
    ngx_add_timer(write, core->send_timeout);
  }
  return ngx_handle_write_event(write, core->send_lowat) == NGX_OK;
}

void Outlet::GoOn(bool its_turn) {
  ngx_http_request_t* r = request_;
  const ngx_int_t rc =
      Guarded(r, ngx_int_t{NGX_ERROR}, [=, this] { return Proceed(its_turn); });
  if (rc != NGX_AGAIN || done_) {
    ngx_http_finalize_request(r, rc);
    return;
  }
  WatchClient();
  ngx_connection_t* c = r->connection;
  if (c->buffered || r->buffered || c->write->delayed) {
    if (!AwaitRoom()) {
      ngx_http_finalize_request(r, NGX_ERROR);
    }
    return;
  }
  if (c->write->timer_set) {
    ngx_del_timer(c->write);
  }
  // A part of a page is told when those before it are through.
  if (!idle_ && (r->postponed == nullptr || c->data == r)) {
    AskForTurn(conf_, this);
  }
}

// Write event handler: the socket takes more.
void Outlet::OnWrite(ngx_http_request_t* r) { Find(r)->GoOn(false); }

void Outlet::OnTurn(Place* place) {
  auto* outlet = static_cast<Outlet*>(place);
  if (!outlet->IsOwner()) {
    return;
  }
  ngx_connection_t* c = outlet->request_->connection;
  ngx_http_set_log_request(c->log, outlet->request_);
  outlet->GoOn(true);
  ngx_http_run_posted_requests(c);
}

}  // namespace upstream_502
