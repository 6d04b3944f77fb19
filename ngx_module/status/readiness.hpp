// Whether this nginx follows the log of a database, and whether this process can serve it.
#pragma once

#include "ngx_module/nginx.hpp"

#include <string>

#include "ngx_module/database_worker.hpp"

namespace pgevents::nginx {

// Why it does not; empty: it does. `max_lag`: milliseconds since the log was last read to its end; 0: the default,
// twice the interval `sweep=`, but at least 5 seconds.
std::string why_not_following(const DatabaseWorker& database, ngx_msec_t max_lag);

// The same for this process: one that leaves takes no new work, although the others do.
std::string why_not_ready(const DatabaseWorker& database, ngx_msec_t max_lag);

}  // namespace pgevents::nginx
