// The border to nginx: makes core's requests of nginx requests, and nginx responses of core's replies.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/request.hpp"
#include "core/wire/reply.hpp"

namespace pgevents::nginx {

// Has the connection's events call these two handlers. A handler that answers a request later calls this when it takes
// the request, and again when nginx has read its body: nginx's own write handler would run the phases, and with them
// the module's handler, a second time.
void keep_request(ngx_http_request_t* r, ngx_http_event_handler_pt on_read,
                  ngx_http_event_handler_pt on_write) noexcept;

// The read handler of kept requests: ends a request whose client has left, and reads the rest of a discarded body.
void watch_client(ngx_http_request_t* r);

// Sends status, headers and body. Returns what ngx_http_finalize_request() takes.
ngx_int_t send_reply(ngx_http_request_t* r, const Reply& reply);

// Sends the header of an event stream.
ngx_int_t send_stream_header(ngx_http_request_t* r);

// Sends the header that makes the connection a WebSocket: the answer to the request's good handshake.
ngx_int_t send_web_socket_header(ngx_http_request_t* r);

// What core needs of the request; the views are valid as long as the request lives.
Request read_request(ngx_http_request_t* r);

}  // namespace pgevents::nginx
