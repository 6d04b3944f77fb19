// Reads the directive `pgevents_database`.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {

// Directive `pgevents_database name conninfo [connections=N] [ring=SIZE] [preload=N] [sweep=TIME] [prune=TIME|off]
// [presence=on|off] [unresolved=error|warn]`.
char* set_database(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);

}  // namespace pgevents::nginx
