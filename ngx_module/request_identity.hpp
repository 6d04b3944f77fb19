// The user of any request, for the variables: also of one that the module has not seen, does not serve, or has
// rejected.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/session.hpp"

namespace pgevents::nginx {

// As whom the module has served the request, or else what its token and the web server say now, by the rules of the
// location: nothing about the request changes. Without a user and realm if the location has no `pgevents` and the
// module has not seen the request; without a user if its token is not valid, has expired or is known to be revoked.
//
// A value that chooses the database must not depend on revocations, because only that database knows them: a revoked
// token would be sent to another one, which accepts it. So with `kAccepted`, and while the value of `pgevents` is
// evaluated, a revoked token counts as any other.
enum class Revoked : bool { kRejected, kAccepted };
Identity identity_of(ngx_http_request_t* r, Revoked revoked);

}  // namespace pgevents::nginx
