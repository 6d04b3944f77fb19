// See kept_access.hpp.
#include "ngx_module/http/kept_access.hpp"

#include <string_view>

#include "core/request/client_message.hpp"
#include "ngx_module/http/request_access.hpp"

namespace pgevents::nginx {

bool KeptAccess::keep(ngx_http_request_t* r, RequestRecord& record) {
  AccessRules rules;
  if (!read_rules(r, service_, conf_, record, rules)) {
    return false;
  }
  const std::array<std::string_view, 5> values = {rules.user, rules.realm, rules.subscribe, rules.publish,
                                                  rules.anonymous};
  for (std::size_t at = 0; at < values.size(); ++at) {
    values_ += values[at];
    ends_[at] = static_cast<std::uint32_t>(values_.size());
  }
  values_.shrink_to_fit();
  return true;
}

bool KeptAccess::may_publish() const {
  return (may_write || !caller.ambient) && (!caller.publish.empty() || !rules().access.publish.empty());
}

RouteRules KeptAccess::rules() const {
  const auto value = [this](std::size_t at) {
    const std::size_t start = at == 0 ? 0 : ends_[at - 1];
    return std::string_view(values_).substr(start, ends_[at] - start);
  };
  RouteRules rules;
  rules.base = kMessageBase;
  rules.names = conf_.names;
  rules.max_channels = conf_.max_channels;
  rules.checks_later = service_.has_primary();
  rules.access.token = token_rules(conf_.access);
  rules.access.origins = conf_.access.origins;
  rules.access.user = value(0);
  rules.access.realm = value(1);
  rules.access.subscribe = value(2);
  rules.access.publish = value(3);
  rules.access.anonymous = value(4);
  rules.access.revoked = [this](std::string_view user, std::int64_t issued_us) {
    return service_.rejection(user, issued_us, static_cast<unsigned>(conf_.poll_interval));
  };
  return rules;
}

}  // namespace pgevents::nginx
