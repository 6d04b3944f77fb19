// Requests about presence, typing and settings: each a call of an SQL function.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {

class DatabaseWorker;

// Reads the parameters, calls the function and answers. The result is the phase handler's.
ngx_int_t start_call(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf, Call&& call);

}  // namespace pgevents::nginx
