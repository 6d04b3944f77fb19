// Turns a libpq connection string into keyword and value arrays that PQconnectStartParams takes without blocking.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

// Parses `conninfo` (both forms of the PostgreSQL manual, "Connection Strings"), resolves host names to `hostaddr` now,
// and adds what an event loop needs (gssencmode=disable, keepalives). Arrays and strings live in cf->pool. On failure
// logs to `cf` and returns false. Passwords never reach the log.
bool parse_conninfo(ngx_conf_t* cf, const ngx_str_t& conninfo, const char**& keywords, const char**& values);

}  // namespace pgevents::nginx
