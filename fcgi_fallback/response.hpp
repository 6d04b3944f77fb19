// CGI's form of answers (RFC 3875, section 6), which FastCGI uses as well, and the request's body.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/wire/reply.hpp"
#include "fcgi_fallback/exchange.hpp"

namespace pgevents::fallback {

// The status line and headers. False: the client is gone.
bool send_head(Exchange& exchange, int status, const std::vector<Header>& headers);

// A whole answer; without its body for HEAD.
void send_reply(Exchange& exchange, const Reply& reply, bool head_only);

// The core's stream headers, but for the one that keeps nginx from buffering: a stream that ends at once may be
// buffered, and then a slow client occupies nginx, not one of our few processes.
std::vector<Header> stream_headers_here();

// Reads the whole body. An error when it is larger than `max_size` or ends too early.
std::optional<Error> read_body(Exchange& exchange, std::size_t max_size, std::string& body);

}  // namespace pgevents::fallback
