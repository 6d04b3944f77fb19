// A connection that continues without its request: nginx keeps several times as much memory for a request as a waiting
// event stream needs.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

// Whether nginx can end the request now unnoticed by the client and by other modules: `own` and the request's
// record are the only cleanups that may be registered with the request's pool (limit_conn counts by a cleanup, for
// instance), and one with `on_end` the only one with the request. The response must be one that goes straight to the
// socket; see StreamWriter.
bool can_detach(const ngx_http_request_t* r, const ngx_pool_cleanup_t* own, ngx_http_cleanup_pt on_end) noexcept;

// Has nginx log the request and free it. The caller then sets the connection's data and handlers, and in the end closes
// it by ngx_http_close_connection().
void detach(ngx_http_request_t* r) noexcept;

}  // namespace pgevents::nginx
