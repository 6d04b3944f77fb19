// The content handler of `pgevents_status`: the metrics of all processes, for Prometheus, as JSON or as a page.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

ngx_int_t handle_status(ngx_http_request_t* r);

}  // namespace pgevents::nginx
