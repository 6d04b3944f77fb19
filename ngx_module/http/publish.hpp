// POST {base}/events/{channel}: publishes an event through HTTP.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/request_context.hpp"

namespace pgevents::nginx {

// Reads the body, passes it to `pgevents.http_publish` and answers. Returns the phase handler's result.
ngx_int_t start_publication(ngx_http_request_t* r, const RequestContext& context, const LocConf& conf,
                            Publication&& publication);

}  // namespace pgevents::nginx
