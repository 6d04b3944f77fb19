// From core's replies to nginx responses, and from nginx requests to core's.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/request.hpp"
#include "core/wire/reply.hpp"

namespace pgevents::nginx {

// A handler that answers a request later calls this when it takes the request, and again when nginx has read a body for
// it. From then on the connection's events call these two handlers. nginx's own write handler would run the phases, and
// with them the module's handler, a second time.
void keep_request(ngx_http_request_t* r, ngx_http_event_handler_pt on_read,
                  ngx_http_event_handler_pt on_write) noexcept;

// The read handler of kept requests: ends a request whose client has left, and reads the rest of a discarded body.
void watch_client(ngx_http_request_t* r);

// Sends status, headers and body. The result goes to ngx_http_finalize_request().
ngx_int_t send_reply(ngx_http_request_t* r, const Reply& reply);

// Sends the header of an event stream.
ngx_int_t send_stream_header(ngx_http_request_t* r);

// What core needs of the request; the views live as long as the request does.
Request read_request(ngx_http_request_t* r);

}  // namespace pgevents::nginx
