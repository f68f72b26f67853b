// Answers at the status location.

#include "ngx_cxx.h"

#include "status.h"

#include <string>

#include "access.h"
#include "bridge.h"
#include "conf.h"
#include "desk.h"
#include "follower.h"
#include "reader.h"
#include "upstream_502/report/html.h"
#include "upstream_502/report/query.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kNoStore = "no-store";
constexpr absl::string_view kNoSniff = "nosniff";

// Unless it has been added already, from here.
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

ngx_int_t RefuseReader(ngx_http_request_t* r, absl::string_view why) {
  return AddHeader(r, "Retry-After", "1")
             ? SendText(r, NGX_HTTP_SERVICE_UNAVAILABLE, why)
             : NGX_HTTP_INTERNAL_SERVER_ERROR;
}

// What `add` makes is sent piece by piece.
template <typename Add>
ngx_int_t SendPieces(ngx_http_request_t* r, absl::string_view type,
                     absl::string_view too_many, const Add& add) {
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_type = Str(type);
  r->headers_out.content_type_len = r->headers_out.content_type.len;
  ngx_http_clear_content_length(r);
  if (r->method == NGX_HTTP_HEAD) {
    r->header_only = 1;
  }
  Outlet* outlet = nullptr;
  if (!r->header_only) {
    const ngx_int_t rc = add(&outlet);
    if (rc != NGX_OK) {
      return rc == NGX_BUSY ? RefuseReader(r, too_many)
                            : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
  }
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only || outlet == nullptr) {
    return rc;
  }
  return outlet->Serve();
}

ngx_int_t SendReport(ngx_http_request_t* r, const Query& query, Format format) {
  if (format == Format::kHtml &&
      !AddHeader(r, "Content-Security-Policy", PageCsp())) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  return SendPieces(
      r, ContentType(format), "too many reports are being read\n",
      [&](Outlet** reader) { return AddReader(r, query, format, reader); });
}

ngx_int_t Follow(ngx_http_request_t* r, const Query& query, Format directive,
                 absl::string_view accept) {
  const auto format = ChooseFollowFormat(directive, query.format, accept);
  if (!format) {
    return SendText(r, NGX_HTTP_BAD_REQUEST,
                    "this location answers in a format that cannot be "
                    "followed\n");
  }
  if (r != r->main) {
    return SendText(r, NGX_HTTP_BAD_REQUEST,
                    "follow has no end: it cannot be a part of a page\n");
  }
  // For a proxy that is nginx, too.
  if (!AddHeader(r, "X-Accel-Buffering", "no")) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  return SendPieces(r, ContentType(*format),
                    "too many clients are following already\n",
                    [&](Outlet** follower) {
                      return AddFollower(r, query, *format, follower);
                    });
}

// All of it: who asks for less must not lose the rest.
ngx_int_t HandleDelete(ngx_http_request_t* r) {
  if (r->args.len != 0) {
    return SendText(r, NGX_HTTP_BAD_REQUEST,
                    "DELETE begins everything anew: it takes no arguments\n");
  }
  MainConf* conf = GetMainConf(r);
  conf->zone.store.Reset(NowMs());
  ForgetReport(conf);
  return SendText(r, NGX_HTTP_NO_CONTENT, "");
}

// The name has to reach who asks, whatever page is configured for 403.
ngx_int_t RefuseHost(ngx_http_request_t* r) {
  std::string text = "the host \"";
  AppendPrintable(View(r->headers_in.server), &text);
  text += "\" is not a name of this server: add it to server_name\n";
  return SendText(r, NGX_HTTP_FORBIDDEN, View(PoolCopy(r->pool, text)));
}

ngx_int_t HandleGet(ngx_http_request_t* r, const LocConf& conf) {
  const auto query =
      ParseQuery(View(r->args), RequestHeader(r, "last-event-id").value_or(""));
  if (!query.ok()) {
    const ngx_str_t error =
        PoolCopy(r->pool, std::string(query.status().message()) + "\n");
    return SendText(r, NGX_HTTP_BAD_REQUEST, View(error));
  }
  const auto accept = RequestHeader(r, "accept").value_or("");
  if (query->follow) {
    return Follow(r, *query, conf.status_format, accept);
  }
  return SendReport(r, *query,
                    ChooseFormat(conf.status_format, query->format, accept));
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
