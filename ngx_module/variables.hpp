// The module's variables, for log_format, map, limit_conn_zone and wherever else nginx takes one.
// docs/directives.md describes them.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

// nginx calls this before it reads the configuration.
ngx_int_t add_variables(ngx_conf_t* cf);

}  // namespace pgevents::nginx
