// Requests about presence, typing and settings: each calls one SQL function.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/request_context.hpp"

namespace pgevents::nginx {

// Reads the parameters, calls the function and answers. Returns the phase handler's result.
ngx_int_t start_call(ngx_http_request_t* r, const RequestContext& context, const LocConf& conf, Call&& call);

}  // namespace pgevents::nginx
