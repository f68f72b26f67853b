// Whether the module was built for the nginx that loads it.

#ifndef UPSTREAM_502_SRC_NGINX_ABI_H_
#define UPSTREAM_502_SRC_NGINX_ABI_H_

#include "ngx_cxx.h"

namespace upstream_502 {

// nginx compares version and signature, and those say nothing of fields that
// add-ons and patches put into its structures. What the running binary shows of
// its layouts is compared here; false after an error was logged. Call it before
// anything else of the configuration is touched.
bool FitsServer(ngx_conf_t* cf);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ABI_H_
