// HTTP/3: nginx's keepalive_timeout is the idle timeout of a QUIC connection, also while requests wait on it (RFC 9000,
// section 10.1). One that is not above the heartbeat of streams and the timeout of long polls cuts them off; nginx is
// asked to warn about it when it reads the configuration.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/conf/conf_structs.hpp"

namespace pgevents::nginx {

// What a server's locations need. Null if memory is refused.
void* create_srv_conf(ngx_conf_t* cf);

// Notes for the server how long a request of this location may wait without a byte. Called for each merged location.
void note_silence(ngx_conf_t* cf, const LocConf& conf) noexcept;

// Logs a warning for each address with `listen … quic` whose idle timeout is too short. Needs all directives.
void warn_about_quic_idle(ngx_conf_t* cf) noexcept;

}  // namespace pgevents::nginx
