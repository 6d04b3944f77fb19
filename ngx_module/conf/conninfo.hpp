// Turns a libpq connection string into keyword and value arrays for PQconnectStartParams(), and finds its hosts.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/conf/conf_structs.hpp"

namespace pgevents::nginx {

// Reads `conninfo` (both forms of the PostgreSQL manual, "Connection Strings") into `database`: keywords, values and
// hosts. Adds what an event loop needs (gssencmode=disable, keepalives), and looks the hosts up once. Everything lives
// in cf->pool. On failure logs to `cf` and returns false. Values never reach the log.
bool read_conninfo(ngx_conf_t* cf, const ngx_str_t& conninfo, DatabaseConf& database);

// When the `http` block has been read: finds its `resolver`, and reports the hosts that were not found. False if one of
// them is an error.
bool check_hosts(ngx_conf_t* cf, const DatabaseConf& database);

}  // namespace pgevents::nginx
