// Requests about presence, typing and settings: each calls one SQL function.
#pragma once

#include "ngx_module/nginx.hpp"

#include <memory>

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/question.hpp"
#include "ngx_module/http/request_context.hpp"

namespace pgevents::nginx {

// Asked with a body of at most call_body_limit() bytes.
std::shared_ptr<Question> make_call(Asker& asker, const RequestContext& context, const LocConf& conf, Call&& call);

// Reads the parameters, calls the function and answers. Returns the phase handler's result.
ngx_int_t start_call(ngx_http_request_t* r, const RequestContext& context, const LocConf& conf, Call&& call);

}  // namespace pgevents::nginx
