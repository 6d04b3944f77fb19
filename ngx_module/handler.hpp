// The PRECONTENT phase handler: takes the requests that pgevents serves and declines the others, so that the content
// handler of the same location (fastcgi_pass to the fallback) gets them.
#pragma once

#include "ngx_module/nginx.hpp"

extern "C" ngx_int_t ngx_http_pgevents_handler(ngx_http_request_t* r);
