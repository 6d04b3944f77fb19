// Warnings about the files that hold a database's password or key.
#pragma once

#include "ngx_module/nginx.hpp"

#include <libpq-fe.h>

namespace pgevents::nginx {

// Warns if others can read a password in this configuration file, and if libpq will ignore or reject a password file or
// key because of its mode or owner. `options` is what the connection string of `database` contains.
void warn_of_open_files(ngx_conf_t* cf, const ngx_str_t& database, const PQconninfoOption* options);

}  // namespace pgevents::nginx
