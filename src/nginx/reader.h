// One reader of a report: it gets what it asks for of the one that all share.

#ifndef UPSTREAM_502_SRC_NGINX_READER_H_
#define UPSTREAM_502_SRC_NGINX_READER_H_

#include "ngx_cxx.h"

#include "outlet.h"
#include "upstream_502/report/query.h"

namespace upstream_502 {

// To be called before the header is sent. NGX_OK, NGX_BUSY when there are too
// many readers, or NGX_ERROR when memory is out. Throws when it is, too.
ngx_int_t AddReader(ngx_http_request_t* r, const Query& query, Format format,
                    Outlet** reader);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_READER_H_
