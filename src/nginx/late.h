// Lines that find fault with a response when the run that brought it is over,
// and was counted as one that went well.

#ifndef UPSTREAM_502_SRC_NGINX_LATE_H_
#define UPSTREAM_502_SRC_NGINX_LATE_H_

#include "ngx_cxx.h"

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/line.h"

namespace upstream_502 {

// Takes the line "auth request unexpected status: N" of `r`, which ends it in
// 500, for a failure of the subrequest that was answered so, unless that has
// one which explains it.
void NoteAuthStatus(ngx_http_request_t* r, absl::string_view message,
                    const Line& line);

// The same with a filter's line about the response of `r`, whose upstream is no
// more at work.
void NoteLateLine(ngx_http_request_t* r, absl::string_view message,
                  const Line& line);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_LATE_H_
