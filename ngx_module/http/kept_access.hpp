// The location's rules and the caller of a request, kept for what the connection brings when the request itself is
// gone: the messages of a WebSocket.
#pragma once

#include "ngx_module/nginx.hpp"

#include <array>
#include <cstdint>
#include <string>

#include "core/request/request.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/http/service_state.hpp"

namespace pgevents::nginx {

struct RequestRecord;

class KeptAccess {
 public:
  KeptAccess(const LocConf& conf, const ServiceState& service) noexcept : conf_(conf), service_(service) {}
  KeptAccess(KeptAccess&&) = default;

  // False when a variable of the rules could not be evaluated.
  bool keep(ngx_http_request_t* r, RequestRecord& record);

  // For paths without a base. Valid as long as this object is.
  RouteRules rules() const;

  // The caller may publish, on whichever channel.
  bool may_publish() const;

  Caller caller;
  bool may_write = false;  // the page that opened the connection may publish

 private:
  const LocConf& conf_;
  const ServiceState& service_;
  // User, realm, subscribe, publish, anonymous, one behind the other: a connection that waits shall cost little.
  std::string values_;
  std::array<std::uint32_t, 5> ends_{};
};

}  // namespace pgevents::nginx
