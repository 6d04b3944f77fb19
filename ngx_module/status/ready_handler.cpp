// See ready_handler.hpp.
#include "ngx_module/status/ready_handler.hpp"

#include <string>

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/status/gather.hpp"
#include "ngx_module/status/plain_reply.hpp"
#include "ngx_module/status/readiness.hpp"

namespace pgevents::nginx {
namespace {

ngx_int_t answer(ngx_http_request_t* r) {
  const auto& conf = *static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_pgevents_module));
  std::string text;
  for (const DatabaseWorker* database : databases_of(r, conf.ready->database)) {
    if (const std::string why = why_not_ready(*database, conf.ready->max_lag); !why.empty()) {
      text.append(view(database->conf().name)).append(": ").append(why).append("\n");
    }
  }
  if (text.empty()) {
    return send_plain(r, plain_reply(200, "ready\n"));
  }
  Reply reply = plain_reply(503, std::move(text));
  reply.headers.push_back({"Retry-After", "1"});
  return send_plain(r, reply);
}

}  // namespace

ngx_int_t handle_ready(ngx_http_request_t* r) {
  return guarded(r->connection->log, static_cast<ngx_int_t>(NGX_HTTP_INTERNAL_SERVER_ERROR),
                 [r] { return only_reads(r) ? answer(r) : reject_method(r); });
}

}  // namespace pgevents::nginx
