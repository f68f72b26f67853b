// One reader of a report: it gets it in chunks, as fast as it takes them.

#ifndef UPSTREAM_502_SRC_NGINX_READER_H_
#define UPSTREAM_502_SRC_NGINX_READER_H_

#include "ngx_cxx.h"

#include "upstream_502/report/query.h"

namespace upstream_502 {

struct Reader;

// To be called before the header is sent. NGX_OK, NGX_BUSY when there are too
// many readers, or NGX_ERROR when memory is out. Throws when it is, too.
ngx_int_t AddReader(ngx_http_request_t* r, const Query& query, Format format,
                    Reader** reader);

// To be called when the header was sent: what the content handler returns.
ngx_int_t Serve(Reader* reader);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_READER_H_
