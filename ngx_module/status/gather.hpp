// Gathers the status: what all processes of this nginx have counted, and what the shared memory says.
#pragma once

#include "ngx_module/nginx.hpp"

#include <vector>

#include "core/status/status_view.hpp"
#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {

// The databases that a location is about: the one of this name, or all if it is empty.
std::vector<DatabaseWorker*> databases_of(ngx_http_request_t* r, const ngx_str_t& name);

// The views in it live as long as the worker.
StatusView gather_status(const std::vector<DatabaseWorker*>& databases);

}  // namespace pgevents::nginx
