// nginx's rules about the next server, asked of the values it has asked.

#include "ngx_cxx.h"

#include "retry.h"

#include <algorithm>
#include <iterator>

#include "bridge.h"

namespace upstream_502 {
namespace {

// The bit of *_next_upstream that a status needs; 0: there is none.
ngx_uint_t BitOfStatus(int status) {
  constexpr struct {
    int status;
    ngx_uint_t bit;
  } kBits[] = {
      {403, NGX_HTTP_UPSTREAM_FT_HTTP_403},
      {404, NGX_HTTP_UPSTREAM_FT_HTTP_404},
      {429, NGX_HTTP_UPSTREAM_FT_HTTP_429},
      {500, NGX_HTTP_UPSTREAM_FT_HTTP_500},
      {502, NGX_HTTP_UPSTREAM_FT_HTTP_502},
      {503, NGX_HTTP_UPSTREAM_FT_HTTP_503},
      {504, NGX_HTTP_UPSTREAM_FT_HTTP_504},
  };
  const auto* found =
      std::find_if(std::begin(kBits), std::end(kBits),
                   [status](const auto& row) { return row.status == status; });
  return found == std::end(kBits) ? 0 : found->bit;
}

// The same of a failure of nginx's own. What it notes for one that timed out is
// 504; of others a response it could not understand is a case of its own.
ngx_uint_t BitOf(const Failure& failure, bool stream_closed) {
  if (failure.cause == Cause::kErrorStatus && failure.received_status != 0) {
    return BitOfStatus(failure.received_status);
  }
  if (failure.status == NGX_HTTP_GATEWAY_TIME_OUT) {
    return NGX_HTTP_UPSTREAM_FT_TIMEOUT;
  }
  if (failure.status != NGX_HTTP_BAD_GATEWAY) {
    return 0;  // a 500: it gave up at once
  }
  const bool invalid = stream_closed || failure.cause == Cause::kHeaderTooBig ||
                       failure.cause == Cause::kHeaderInvalid ||
                       failure.cause == Cause::kProtocolError;
  return invalid ? NGX_HTTP_UPSTREAM_FT_INVALID_HEADER
                 : NGX_HTTP_UPSTREAM_FT_ERROR;
}

bool IsRepeated(const EndOfRun& end) {
  constexpr ngx_uint_t kNever = NGX_HTTP_POST | NGX_HTTP_LOCK | NGX_HTTP_PATCH;
  return !end.upstream->request_sent || (end.request->method & kNever) == 0 ||
         (end.upstream->conf->next_upstream &
          NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT) != 0;
}

// No server was left to try.
void SayNoneLeft(const EndOfRun& end, Failure* failure) {
  const ngx_uint_t tries = end.upstream->conf->next_upstream_tries;
  if (end.servers == 1) {
    failure->not_retried = NotRetried::kOnlyServer;
  } else if (tries != 0 && end.attempts >= tries &&
             (end.servers == 0 || end.servers > tries)) {
    failure->not_retried = NotRetried::kTries;
    failure->next_limit = static_cast<uint32_t>(tries);
  } else {
    failure->not_retried = NotRetried::kNoneLeft;
  }
}

// The client has a part of the response, which is no response of the
// upstream's that happens to be an error.
bool HasBegun(const EndOfRun& end, const Failure& failure) {
  return end.upstream->header_sent && failure.cause != Cause::kErrorStatus;
}

// When nginx decided: on the header of a response it passes on, or now.
ngx_msec_t Decided(const ngx_http_upstream_t& u, const Failure& failure) {
  return failure.cause == Cause::kErrorStatus && failure.header_time >= 0
             ? u.start_time + static_cast<ngx_msec_t>(failure.header_time)
             : ngx_current_msec;
}

}  // namespace

uint32_t ServersOf(const ngx_http_upstream_t* u) {
  if (u->resolved == nullptr) {
    return 0;
  }
  return u->resolved->sockaddr != nullptr
             ? 1
             : static_cast<uint32_t>(u->resolved->naddrs);
}

void SayWhyNotRetried(const EndOfRun& end, Failure* failure) {
  const ngx_http_upstream_t& u = *end.upstream;
  if (u.conf == nullptr) {
    return;  // its handler gave up before it had said which
  }
  if (HasBegun(end, *failure)) {
    failure->not_retried = NotRetried::kBegun;
    return;
  }
  if (failure->cause == Cause::kNoLiveUpstreams) {
    SayNoneLeft(end, failure);
    return;
  }
  const ngx_uint_t bit = BitOf(*failure, end.stream_closed);
  if (bit == 0 || end.rc == NGX_HTTP_CLIENT_CLOSED_REQUEST) {
    return;
  }
  // The try of a peer counts once nginx has let go of it.
  if (u.peer.tries <= (u.peer.sockaddr == nullptr ? 0U : 1U)) {
    SayNoneLeft(end, failure);
  } else if ((u.conf->next_upstream & bit) == 0) {
    failure->not_retried = NotRetried::kNotListed;
  } else if (!IsRepeated(end)) {
    failure->not_retried = NotRetried::kMethod;
  } else if (u.request_sent && end.request->request_body_no_buffering) {
    failure->not_retried = NotRetried::kStreamed;
  } else if (const ngx_msec_t timeout = u.conf->next_upstream_timeout;
             timeout != 0 &&
             Decided(u, *failure) - u.peer.start_time >= timeout) {
    failure->not_retried = NotRetried::kTimeout;
    failure->next_limit = static_cast<uint32_t>(timeout);
  }
}

}  // namespace upstream_502
