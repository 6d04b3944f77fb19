// The answers of status and readiness that are a line of text.
#pragma once

#include "ngx_module/nginx.hpp"

#include <string>

#include "core/wire/reply.hpp"

namespace pgevents::nginx {

// A reply that no cache keeps.
Reply uncached_reply(int status, const char* type, std::string body);
Reply plain_reply(int status, std::string body);

// Sends a reply to a request whose body, if it has one, is not read. Returns the content handler's result.
ngx_int_t send_plain(ngx_http_request_t* r, const Reply& reply);

// Whether the method is GET or HEAD, and the answer if it is not.
bool only_reads(const ngx_http_request_t* r) noexcept;
ngx_int_t reject_method(ngx_http_request_t* r);

}  // namespace pgevents::nginx
