// See request_identity.hpp. limit_conn asks before the access phase, a log line when the request is over, a proxied
// header in between: so the token is checked whenever it is asked for (a good one's claims come from the token cache,
// and the record keeps a bad one), until the module's handler has settled the matter and masked the token.
#include "ngx_module/request_identity.hpp"

#include <cstdint>
#include <new>
#include <string_view>
#include <variant>

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/database_worker.hpp"
#include "ngx_module/http/http_io.hpp"
#include "ngx_module/http/request_access.hpp"
#include "ngx_module/http/request_record.hpp"

namespace pgevents::nginx {
namespace {

// After an internal redirect, to the error page of limit_conn for example, the location may know nothing of pgevents.
const LocConf* rules_for(ngx_http_request_t* r, const RequestRecord* record) noexcept {
  const auto* here = static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_pgevents_module));
  if (here->database != nullptr) {
    return here;
  }
  return record == nullptr ? nullptr : record->conf;
}

// Whether `database` has revoked the user's tokens of that time; null: any database, because `pgevents` names none.
bool is_revoked(const MainConf& main, const DatabaseConf* database, std::string_view user, std::int64_t issued_us) {
  auto** databases = static_cast<DatabaseConf**>(main.databases.elts);
  for (ngx_uint_t i = 0; i < main.databases.nelts; ++i) {
    const DatabaseConf& one = *databases[i];
    if ((database == nullptr || database == &one) && one.worker->service().revoked(user, issued_us)) {
      return true;
    }
  }
  return false;
}

// Sets the rules' check by the database that serves the request. False: the value of `pgevents` cannot be evaluated.
bool check_revocations(ngx_http_request_t* r, const LocConf& conf, RequestRecord& record, AccessRules& rules) {
  auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_pgevents_module));
  ngx_str_t name = ngx_null_string;
  if (!read_database_name(r, conf, record, name)) {
    return false;
  }
  const DatabaseConf* database = find_database(main, name);
  rules.revoked = [main, database](std::string_view user, std::int64_t issued_us) {
    return is_revoked(*main, database, user, issued_us) ? std::optional(token_revoked()) : std::nullopt;
  };
  return true;
}

Identity look_up(ngx_http_request_t* r, const LocConf& conf, RequestRecord& record, Revoked revoked) {
  AccessRules rules;
  if (revoked == Revoked::kRejected && !record.choosing && !check_revocations(r, conf, record, rules)) {
    return {};
  }
  if (!read_identity_rules(r, conf, record, rules)) {
    return {};
  }
  // Before the access phase of this very location nothing has been checked: $remote_user, for example, is what the
  // client claims. An internal redirect may come from a location with other checks.
  if (!rules.user.empty() && record.admitted != &conf) {
    return {};
  }
  const auto caller = identify(read_request(r), rules, now_seconds());
  const auto* known = std::get_if<Caller>(&caller);
  return known == nullptr ? Identity{} : known->session.identity;
}

}  // namespace

Identity identity_of(ngx_http_request_t* r, Revoked revoked) {
  RequestRecord* record = find_record(r);
  if (record != nullptr && record->identified) {
    return {std::string(view(record->user)), std::string(view(record->realm))};
  }
  const LocConf* const conf = rules_for(r, record);
  if (conf == nullptr) {
    return {};
  }
  record = make_record(r);
  if (record == nullptr) {
    throw std::bad_alloc();
  }
  if (record->identifying) {
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "pgevents: the value of \"pgevents_user\" or \"pgevents_realm\" depends on itself");
    return {};
  }
  record->conf = conf;
  return look_up(r, *conf, *record, revoked);
}

}  // namespace pgevents::nginx
