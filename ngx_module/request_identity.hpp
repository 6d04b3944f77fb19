// The user of any request, for the variables: also of one that the module has not seen, does not serve, or has
// rejected.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/session.hpp"

namespace pgevents::nginx {

// As whom the module has served the request, or else what its token and the web server say now, by the rules of the
// location: nothing about the request changes. Without a user and realm if the location has no `pgevents` and the
// module has not seen the request; without a user if its token is not valid, has expired or is known to be revoked.
Identity identity_of(ngx_http_request_t* r);

}  // namespace pgevents::nginx
