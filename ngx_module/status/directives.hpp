// The directives of the status and of readiness: each makes its location's content handler.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

// Directive `pgevents_status [database] [format=auto|html|json|prometheus] [channels=on|off]`.
char* set_status(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);
// Directive `pgevents_ready [database] [max_lag=time] [drain=file]`.
char* set_ready(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);

}  // namespace pgevents::nginx
