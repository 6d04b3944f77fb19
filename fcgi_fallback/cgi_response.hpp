// CGI's form of responses (RFC 3875, section 6), which FastCGI uses as well, and the request's body.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/wire/reply.hpp"
#include "fcgi_fallback/cgi_request.hpp"

namespace pgevents::fallback {

// Sends status line and headers. False: the client has gone.
bool send_head(CgiRequest& cgi, int status, const std::vector<Header>& headers);

// Sends a whole response; without its body for HEAD.
void send_reply(CgiRequest& cgi, const Reply& reply, bool head_only);

// The core's stream headers without the one that turns nginx's buffering off. A stream that ends at once may be
// buffered; a slow client then occupies nginx, instead of a process of the fallback.
std::vector<Header> buffered_stream_headers();

// Reads the whole body. Returns an error if it is larger than `max_size` or ends too early.
std::optional<Error> read_body(CgiRequest& cgi, std::size_t max_size, std::string& body);

}  // namespace pgevents::fallback
