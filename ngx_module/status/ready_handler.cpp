// See ready_handler.hpp.
#include "ngx_module/status/ready_handler.hpp"

#include <string>

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/status/gather.hpp"
#include "ngx_module/status/plain_reply.hpp"
#include "ngx_module/status/readiness.hpp"

namespace pgevents::nginx {
namespace {

// Whether the operator is taking this nginx out of service. As with nginx's `if (-f …)`, a file that cannot be looked
// at does not exist, and the error log says why.
bool is_drained(ngx_http_request_t* r, const ngx_str_t& file) {
  ngx_file_info_t info;
  if (file.len == 0) {
    return false;
  }
  if (ngx_file_info(file.data, &info) != NGX_FILE_ERROR) {
    return true;
  }
  if (const ngx_err_t error = ngx_errno; error != NGX_ENOENT && error != NGX_ENOTDIR) {
    ngx_log_error(NGX_LOG_ERR, r->connection->log, error, "pgevents: cannot look at the file \"%V\" of drain=", &file);
  }
  return false;
}

ngx_int_t answer(ngx_http_request_t* r) {
  const ReadyConf& conf = *static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_pgevents_module))->ready;
  const bool drained = is_drained(r, conf.drain);
  std::string text;
  for (const DatabaseWorker* database : databases_of(r, conf.database)) {
    const std::string why = drained ? "this nginx is being drained" : why_not_ready(*database, conf.max_lag);
    if (!why.empty()) {
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
