// Reads connection strings at configuration time, for the directive `pgevents_database`; see conninfo.hpp.
#include "ngx_module/conf/conninfo.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ngx_module/conf/password_files.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/conninfo_fault.hpp"
#include "postgres/hosts.hpp"

namespace pgevents::nginx {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Added unless the operator's string sets them. GSS negotiation blocks in libpq; with these keepalive values a
// half-open connection is detected within about half a minute.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"application_name", "pgevents"}, {"client_encoding", "UTF8"},  {"gssencmode", "disable"},
    {"keepalives_idle", "10"},        {"keepalives_interval", "5"}, {"keepalives_count", "3"},
    {"tcp_user_timeout", "20000"},
};

Pairs pairs_of(const PQconninfoOption* options) {
  Pairs pairs;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) {
      pairs.emplace_back(option->keyword, option->val);
    }
  }
  for (const auto& [keyword, value] : kDefaults) {
    if (std::none_of(pairs.begin(), pairs.end(),
                     [name = std::string_view(keyword)](const auto& pair) { return pair.first == name; })) {
      pairs.emplace_back(keyword, value);
    }
  }
  return pairs;
}

// A name that does not exist is most likely a mistake; one that cannot be looked up now may be found later, and the
// sites beside must start.
bool resolve_host(ngx_conf_t* cf, const DatabaseConf& database, const std::string& name) {
  const postgres::NameAddresses& found = database.hosts->found.emplace_back(postgres::resolve(name));
  if (found.error.empty()) {
    return true;
  }
  const bool is_fatal = database.unresolved == Unresolved::kError && !found.temporary;
  ngx_conf_log_error(
      is_fatal ? NGX_LOG_EMERG : NGX_LOG_WARN, cf, 0, "pgevents: host \"%s\" of database \"%V\" not found: %s; %s",
      Printable(name).c_str(), &database.name, Printable(found.error).c_str(),
      is_fatal ? "correct it, or start without it by unresolved=warn" : "each connection looks it up again");
  return !is_fatal;
}

bool resolve_hosts(ngx_conf_t* cf, const PQconninfoOption* options, DatabaseConf& database) {
  database.hosts = make_in_pool<HostsConf>(cf->pool);
  if (database.hosts == nullptr) {
    return false;
  }
  database.hosts->list =
      postgres::read_hosts(postgres::option_value(options, "host"), postgres::option_value(options, "hostaddr"),
                           postgres::option_value(options, "port"));
  const auto names = postgres::names_of(database.hosts->list);
  const bool good = std::all_of(names.begin(), names.end(),
                                [&](const std::string& name) { return resolve_host(cf, database, name); });
  ngx_time_update();  // a lookup may have taken long
  database.hosts->found_at = ngx_current_msec;
  return good;
}

const char* pool_text(ngx_conf_t* cf, const std::string& text) {
  return reinterpret_cast<const char*>(copy(cf->pool, text).data);
}

bool to_arrays(ngx_conf_t* cf, const Pairs& pairs, const char**& keywords, const char**& values) {
  const std::size_t bytes = (pairs.size() + 1) * sizeof(char*);
  keywords = static_cast<const char**>(ngx_pcalloc(cf->pool, bytes));
  values = static_cast<const char**>(ngx_pcalloc(cf->pool, bytes));
  if (keywords == nullptr || values == nullptr) {
    return false;
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    keywords[i] = pool_text(cf, pairs[i].first);
    values[i] = pool_text(cf, pairs[i].second);
    if (keywords[i] == nullptr || values[i] == nullptr) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool read_conninfo(ngx_conf_t* cf, const ngx_str_t& conninfo, DatabaseConf& database) {
  const std::string text(view(conninfo));
  if (const auto fault = postgres::conninfo_fault(text)) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: the connection string of database \"%V\" is not valid: %s",
                       &database.name, Printable(*fault).c_str());
    return false;
  }
  const auto options = postgres::parse_conninfo(text);
  if (options == nullptr) {
    return false;
  }
  warn_of_open_files(cf, database.name, options.get());
  return resolve_hosts(cf, options.get(), database) &&
         to_arrays(cf, pairs_of(options.get()), database.keywords, database.values);
}

}  // namespace pgevents::nginx
