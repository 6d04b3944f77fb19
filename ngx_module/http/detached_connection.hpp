// A connection that goes on without its request. What nginx keeps for a request is several times what a waiting event stream needs.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

// Whether nginx can end the request now without the client's noticing, and nobody else notices either: `own` is the one cleanup that
// may hang on it (limit_conn counts by one, for instance). Its answer must be one that goes straight to the socket; see StreamWriter.
bool can_detach(const ngx_http_request_t* r, const ngx_pool_cleanup_t* own) noexcept;

// nginx logs the request and frees it. Who calls sets data and handlers of the connection, and closes it by
// ngx_http_close_connection().
void detach(ngx_http_request_t* r) noexcept;

}  // namespace pgevents::nginx
