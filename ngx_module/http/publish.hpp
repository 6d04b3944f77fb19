// POST {base}/events/{channel}: an event published through HTTP.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {

// Reads the body, hands it to `pgevents.http_publish` and answers. The result is the phase handler's.
ngx_int_t start_publication(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf,
                            Publication&& publication);

}  // namespace pgevents::nginx
