// See plain_reply.hpp.
#include "ngx_module/status/plain_reply.hpp"

#include <utility>

#include "ngx_module/http/http_io.hpp"

namespace pgevents::nginx {

Reply uncached_reply(int status, const char* type, std::string body) {
  Reply reply;
  reply.status = status;
  reply.headers = {{"Content-Type", type}, {"Cache-Control", "no-store"}};
  reply.body = std::move(body);
  return reply;
}

Reply plain_reply(int status, std::string body) {
  return uncached_reply(status, "text/plain; charset=utf-8", std::move(body));
}

ngx_int_t send_plain(ngx_http_request_t* r, const Reply& reply) {
  const ngx_int_t rc = ngx_http_discard_request_body(r);
  return rc != NGX_OK ? rc : send_reply(r, reply);
}

bool only_reads(const ngx_http_request_t* r) noexcept {
  return (r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) != 0;
}

ngx_int_t reject_method(ngx_http_request_t* r) {
  Reply reply = plain_reply(405, "Only GET and HEAD are allowed here\n");
  reply.headers.push_back({"Allow", "GET, HEAD"});
  return send_plain(r, reply);
}

}  // namespace pgevents::nginx
