// Access at the border to nginx: reads the location's rules for one request, and keeps its token out of nginx's logs.
#pragma once

#include "ngx_module/nginx.hpp"

#include "core/request/access.hpp"
#include "ngx_module/conf/conf.hpp"

namespace pgevents::nginx {

class ServiceState;
struct RequestRecord;

// These functions set what the location's directives say. The views in `rules` live as long as the request does. False
// when a variable could not be evaluated.

// The value of `pgevents`: a database's name, `off`, or empty. Variables in it may ask for the request's identity,
// which then does not depend on the database's revocations.
bool read_database_name(ngx_http_request_t* r, const LocConf& conf, RequestRecord& record, ngx_str_t& name);
// Whom a request is from: all that identify() looks at but `revoked`.
bool read_identity_rules(ngx_http_request_t* r, const LocConf& conf, RequestRecord& record, AccessRules& rules);
// All rules.
bool read_rules(ngx_http_request_t* r, const ServiceState& service, const LocConf& conf, RequestRecord& record,
                AccessRules& rules);

// What the location's directives say about tokens.
TokenRules token_rules(const AccessConf& conf);

// Overwrites the value of `access_token` wherever nginx keeps the query, so that $request, $request_uri, $args and the
// error log's lines show the mask. Called when the token is no longer needed.
void mask_token(ngx_http_request_t* r) noexcept;

}  // namespace pgevents::nginx
