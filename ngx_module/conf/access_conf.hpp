// Reads and merges the directives of access.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/conf/conf_structs.hpp"

namespace pgevents::nginx {

// `conf` is zeroed.
void init_access_conf(AccessConf& conf) noexcept;
void merge_access_conf(const AccessConf& parent, AccessConf& conf) noexcept;

// Directives `pgevents_subscribe`, `pgevents_publish` and `pgevents_anonymous`: patterns.
char* set_patterns(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);
// Directive `pgevents_jwt_key file [kid=id] [alg=algorithm]`: reads the file.
char* set_jwt_key(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);
// Directive `pgevents_jwt_cookie name`.
char* set_jwt_cookie(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);
// Directive `pgevents_allow_origin rule …`.
char* set_allow_origin(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);

}  // namespace pgevents::nginx
