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

// Added unless the operator's string sets them. GSS negotiation blocks in libpq.
constexpr std::pair<const char*, const char*> kDefaults[] = {{"application_name", "pgevents"},
                                                             {"gssencmode", "disable"}};

// Whatever the string says: clients get what the server sends, and send what the server gets.
constexpr std::pair<std::string_view, const char*> kEncoding{"client_encoding", "UTF8"};

template <std::size_t size>
void add_defaults(const std::pair<const char*, const char*> (&defaults)[size], Pairs& pairs) {
  for (const auto& [keyword, value] : defaults) {
    if (std::none_of(pairs.begin(), pairs.end(),
                     [name = std::string_view(keyword)](const auto& pair) { return pair.first == name; })) {
      pairs.emplace_back(keyword, value);
    }
  }
}

Pairs pairs_of(const PQconninfoOption* options) {
  Pairs pairs;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr && option->keyword != kEncoding.first) {
      pairs.emplace_back(option->keyword, option->val);
    }
  }
  pairs.emplace_back(kEncoding);
  add_defaults(kDefaults, pairs);
  add_defaults(postgres::kNetworkDefaults, pairs);
  return pairs;
}

// Whether the cycle before this one has the same zone: its workers have served this database, and have left its last
// addresses there.
bool is_served_already(const ngx_cycle_t* before, const ngx_str_t& zone) {
  if (ngx_is_init_cycle(before)) {
    return false;
  }
  for (const ngx_list_part_t* part = &before->shared_memory.part; part != nullptr; part = part->next) {
    const auto* const zones = static_cast<const ngx_shm_zone_t*>(part->elts);
    if (std::any_of(zones, zones + part->nelts, [&](const auto& one) { return view(one.shm.name) == view(zone); })) {
      return true;
    }
  }
  return false;
}

bool resolve_hosts(ngx_conf_t* cf, const PQconninfoOption* options, DatabaseConf& database) {
  database.hosts = make_in_pool<HostsConf>(cf->pool);
  if (database.hosts == nullptr) {
    return false;
  }
  database.hosts->list =
      postgres::read_hosts(postgres::option_value(options, "host"), postgres::option_value(options, "hostaddr"),
                           postgres::option_value(options, "port"));
  for (const std::string& name : postgres::names_of(database.hosts->list)) {
    database.hosts->found.push_back(postgres::resolve(name));
  }
  ngx_time_update();  // a lookup may have taken long
  database.hosts->found_at = ngx_current_msec;
  database.hosts->file = cf->conf_file->file.name;
  database.hosts->line = cf->conf_file->line;
  return true;
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

void report(ngx_conf_t* cf, const DatabaseConf& database, const postgres::NameAddresses& name, bool is_fatal) {
  const Printable host(name.name);
  const Printable error(name.error);
  if (is_fatal) {
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "pgevents: host \"%s\" of database \"%V\" not found: %s; correct it, or start without it by "
                  "unresolved=warn in %V:%ui",
                  host.c_str(), &database.name, error.c_str(), &database.hosts->file, database.hosts->line);
  } else {
    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "pgevents: host \"%s\" of database \"%V\" not found: %s; each connection looks it up again in %V:%ui",
                  host.c_str(), &database.name, error.c_str(), &database.hosts->file, database.hosts->line);
  }
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

// A name that does not exist is most likely a mistake. One that cannot be looked up now, or that nginx's resolver may
// know, may be found later, and the sites beside must start; a reload must not fail while an address is known.
bool check_hosts(ngx_conf_t* cf, const DatabaseConf& database) {
  const auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  HostsConf& hosts = *database.hosts;
  hosts.resolver = core->resolver != nullptr && core->resolver->connections.nelts > 0 ? core->resolver : nullptr;
  bool good = true;
  for (const postgres::NameAddresses& name : hosts.found) {
    if (name.error.empty()) {
      continue;
    }
    const bool is_fatal = database.unresolved == Unresolved::kError && !name.temporary && hosts.resolver == nullptr &&
                          !is_served_already(cf->cycle->old_cycle, database.zone->shm.name);
    report(cf, database, name, is_fatal);
    good = good && !is_fatal;
  }
  return (database.primary == nullptr || check_hosts(cf, *database.primary)) && good;
}

}  // namespace pgevents::nginx
