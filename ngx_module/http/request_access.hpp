// Access at the border to nginx: what the location says of one request, and keeping its token out of nginx's logs.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/access.hpp"
#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {

class DatabaseWorker;

// The views in `rules` live as long as the request does. False when a variable could not be evaluated.
bool read_rules(ngx_http_request_t* r, const DatabaseWorker& database, const LocConf& conf, AccessRules& rules);

// Writes over the value of `access_token` wherever nginx keeps the query: $request, $request_uri, $args and the error log's lines show
// what stands there then. To be called when nobody needs the token any more.
void mask_token(ngx_http_request_t* r) noexcept;

}  // namespace pgevents::nginx
