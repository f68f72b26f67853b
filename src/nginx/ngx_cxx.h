// The one door to nginx's C headers: include it first in every file of the
// adapter and nowhere else.

#ifndef UPSTREAM_502_SRC_NGINX_NGX_CXX_H_
#define UPSTREAM_502_SRC_NGINX_NGX_CXX_H_

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-parameter"
extern "C" {
#include <ngx_config.h>
// ngx_config.h comes first.
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

extern ngx_module_t ngx_http_upstream_502_module;
}
#pragma GCC diagnostic pop

// A macro in lower case would hit our own names; the module's table, which
// needs it, pops it back.
#pragma push_macro("nginx_version")
#undef nginx_version

#endif  // UPSTREAM_502_SRC_NGINX_NGX_CXX_H_
