// Whether this process can serve a database now.
#pragma once

#include "ngx_module/nginx.hpp"

#include <string>

#include "ngx_module/database_worker.hpp"

namespace pgevents::nginx {

// Why it cannot; empty: it can. `max_lag`: milliseconds since the log was last read to its end; 0: the default, twice
// the interval `sweep=`, but at least 5 seconds.
std::string why_not_ready(const DatabaseWorker& database, ngx_msec_t max_lag);

}  // namespace pgevents::nginx
