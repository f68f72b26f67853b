// The $upstream_502_* variables.

#ifndef UPSTREAM_502_SRC_NGINX_VARIABLES_H_
#define UPSTREAM_502_SRC_NGINX_VARIABLES_H_

#include "ngx_cxx.h"

namespace upstream_502 {

// Declares the variables to nginx. False when memory is out.
bool AddVariables(ngx_conf_t* cf);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_VARIABLES_H_
