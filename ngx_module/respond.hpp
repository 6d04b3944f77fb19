// From core's replies to nginx responses, and from nginx requests to core's.
#pragma once

#include "nginx.hpp"

#include "../core/reply.hpp"
#include "../core/request.hpp"

namespace pgevents::nginx {

// Sends status, headers and body. The result goes to ngx_http_finalize_request().
ngx_int_t send_reply(ngx_http_request_t* r, const Reply& reply);

// Sends the header of an event stream.
ngx_int_t send_stream_header(ngx_http_request_t* r);

// What core needs of the request; the views live as long as the request does.
Request read_request(ngx_http_request_t* r);

}  // namespace pgevents::nginx
