// POST {base}/events/{channel}: publishes an event through HTTP; or a message through a WebSocket does.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <memory>

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/question.hpp"
#include "ngx_module/http/request_context.hpp"

namespace pgevents::nginx {

// Asked with a body of at most publication_limit() bytes.
std::shared_ptr<Question> make_publication(Asker& asker, const RequestContext& context, const LocConf& conf,
                                           Publication&& publication);
inline std::size_t publication_limit(const LocConf& conf) noexcept {
  return conf.max_event_size;
}

// Reads the body, passes it to `pgevents.http_publish` and answers. Returns the phase handler's result.
ngx_int_t start_publication(ngx_http_request_t* r, const RequestContext& context, const LocConf& conf,
                            Publication&& publication);

}  // namespace pgevents::nginx
