// The directives: their table, their defaults, how they are inherited.

#ifndef UPSTREAM_502_SRC_NGINX_DIRECTIVES_H_
#define UPSTREAM_502_SRC_NGINX_DIRECTIVES_H_

#include "ngx_cxx.h"

namespace upstream_502 {

extern ngx_command_t commands[];

void* CreateMainConf(ngx_conf_t* cf);
char* InitMainConf(ngx_conf_t* cf, void* conf);
void* CreateLocConf(ngx_conf_t* cf);
char* MergeLocConf(ngx_conf_t* cf, void* parent, void* child);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_DIRECTIVES_H_
