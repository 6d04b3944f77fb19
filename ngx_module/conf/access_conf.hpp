// What nginx.conf says about access: the directives of identities, grants, tokens and origins. Part of LocConf, merged
// like it; keys and origins are made when their directives are read and shared by the levels that inherit them.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/jwt/jwt.hpp"
#include "core/request/origin.hpp"

namespace pgevents::nginx {

struct AccessConf {
  ngx_http_complex_value_t* user;
  ngx_http_complex_value_t* realm;
  ngx_http_complex_value_t* subscribe;
  ngx_http_complex_value_t* publish;
  ngx_http_complex_value_t* anonymous;
  JwtKeys* keys;         // null: tokens are not looked at
  OriginRules* origins;  // null: none
  ngx_str_t jwt_cookie;
  ngx_str_t jwt_audience;
  ngx_str_t jwt_issuer;
  ngx_msec_t jwt_leeway;
  ngx_flag_t jwt_query;
  ngx_flag_t jwt_require_exp;
};

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
