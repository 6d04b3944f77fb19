// The content handler of `pgevents_ready`: 200 when this process serves its databases, else 503 with the reason.
#pragma once

#include "ngx_module/nginx.hpp"

namespace pgevents::nginx {

ngx_int_t handle_ready(ngx_http_request_t* r);

}  // namespace pgevents::nginx
