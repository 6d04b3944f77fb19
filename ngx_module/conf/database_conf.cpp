// The directive `pgevents_database`: name, connection string and parameters; see database_conf.hpp.
#include "ngx_module/conf/database_conf.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "core/shared/ring.hpp"
#include "ngx_module/conf/conninfo.hpp"
#include "ngx_module/zone/zone.hpp"
#include "postgres/conninfo.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_int_t kMinTimeMs = 100;
constexpr ngx_int_t kMaxTimeMs = 86'400'000;
constexpr std::size_t kMaxRingBytes = std::size_t{1} << 40;

char* conf_error() {
  return static_cast<char*>(NGX_CONF_ERROR);
}

template <ngx_uint_t DatabaseConf::*member, ngx_int_t least, ngx_int_t most>
bool read_count(ngx_str_t& text, DatabaseConf& database) {
  const ngx_int_t n = ngx_atoi(text.data, text.len);
  database.*member = static_cast<ngx_uint_t>(n);
  return n != NGX_ERROR && n >= least && n <= most;
}

template <ngx_msec_t DatabaseConf::*member>
bool read_time(ngx_str_t& text, DatabaseConf& database) {
  const ngx_int_t ms = ngx_parse_time(&text, 0);
  database.*member = static_cast<ngx_msec_t>(ms);
  return ms != NGX_ERROR && ms >= kMinTimeMs && ms <= kMaxTimeMs;
}

bool read_prune(ngx_str_t& text, DatabaseConf& database) {
  database.prune = 0;
  return view(text) == "off" || read_time<&DatabaseConf::prune>(text, database);
}

bool read_ring(ngx_str_t& text, DatabaseConf& database) {
  const ssize_t size = ngx_parse_size(&text);
  database.ring_size = static_cast<std::size_t>(size);
  return size != NGX_ERROR && database.ring_size >= Ring::kMinDataBytes && database.ring_size <= kMaxRingBytes;
}

bool read_presence(ngx_str_t& text, DatabaseConf& database) {
  database.presence = view(text) == "on" ? 1 : 0;
  return database.presence != 0 || view(text) == "off";
}

bool read_unresolved(ngx_str_t& text, DatabaseConf& database) {
  database.unresolved = view(text) == "warn" ? Unresolved::kWarn : Unresolved::kError;
  return database.unresolved == Unresolved::kWarn || view(text) == "error";
}

// nginx takes a quote as the beginning of a string only where a parameter begins.
bool read_primary(ngx_str_t& text, DatabaseConf& database) {
  database.primary_conninfo = text;
  return text.len != 0 && text.data[0] != '"' && text.data[0] != '\'';
}

struct Parameter {
  std::string_view name;
  bool (*read)(ngx_str_t& value, DatabaseConf& database);
  const char* values;  // for the operator
};

constexpr Parameter kParameters[] = {
    {"connections", read_count<&DatabaseConf::connections, 1, 1'000>, "a number from 1 to 1000"},
    {"ring", read_ring, "a size from 64k to 1048576m, in bytes or with the unit k or m"},
    {"preload", read_count<&DatabaseConf::preload, 0, 10'000'000>, "a number of events from 0 to 10000000"},
    {"sweep", read_time<&DatabaseConf::sweep>, "a time from 100ms to 1d, with the unit ms, s, m, h or d"},
    {"prune", read_prune, "a time from 100ms to 1d, with the unit ms, s, m, h or d, or off"},
    {"presence", read_presence, "on or off"},
    {"unresolved", read_unresolved, "error or warn"},
    {"primary", read_primary,
     "a connection string, with quotes around all of the parameter, as in \"primary=host=db1,db2 dbname=app\""},
};

std::string_view name_of(const ngx_str_t& text) noexcept {
  return view(text).substr(0, view(text).find('='));
}

// Whether a parameter before `args[i]` has the same name.
bool is_duplicate(const ngx_str_t* args, ngx_uint_t i) {
  return std::any_of(args + 3, args + i, [&](const ngx_str_t& other) { return name_of(other) == name_of(args[i]); });
}

std::string all_names() {
  std::string names;
  for (const Parameter& parameter : kParameters) {
    names.append(names.empty() ? "" : ", ").append(parameter.name);
  }
  return names;
}

// Without quotes nginx ends the connection string at its first space. The value may be a password, and is not repeated.
bool is_of_conninfo(ngx_conf_t* cf, const ngx_str_t& text) {
  const std::string keyword(name_of(text));
  if (!postgres::is_keyword(keyword)) {
    return false;
  }
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                     "pgevents: \"%s=\" belongs to the connection string; put quotes around all of it, as in "
                     "\"host=/run/postgresql dbname=app\"",
                     keyword.c_str());
  return true;
}

bool read_parameter(ngx_conf_t* cf, ngx_str_t& text, DatabaseConf& database) {
  const auto* const known = std::find_if(std::begin(kParameters), std::end(kParameters),
                                         [&](const Parameter& one) { return one.name == name_of(text); });
  if (known == std::end(kParameters)) {
    if (is_of_conninfo(cf, text)) {
      return false;
    }
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: invalid parameter \"%V\"; the parameters are %s", &text,
                       all_names().c_str());
    return false;
  }
  const std::size_t skipped = std::min(known->name.size() + 1, text.len);
  ngx_str_t value{text.len - skipped, text.data + skipped};
  if (view(text).find('=') == std::string_view::npos || !known->read(value, database)) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: invalid parameter \"%V\"; %s= takes %s", &text,
                       std::string(known->name).c_str(), known->values);
    return false;
  }
  return true;
}

// Sets the defaults, then the parameters that follow name and connection string.
bool read_parameters(ngx_conf_t* cf, DatabaseConf& database) {
  database.connections = 2;
  database.ring_size = 32 * 1024 * 1024;
  database.preload = 10'000;
  database.sweep = 10'000;
  database.prune = 60'000;
  database.presence = 1;
  auto* args = static_cast<ngx_str_t*>(cf->args->elts);
  for (ngx_uint_t i = 3; i < cf->args->nelts; ++i) {
    if (is_duplicate(args, i)) {
      ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: duplicate parameter \"%V\"; give it once", &args[i]);
      return false;
    }
    if (!read_parameter(cf, args[i], database)) {
      return false;
    }
  }
  return true;
}

// The primary of a copy has the parameters of the copy, and its zone. Without `primary=` there is none.
bool read_primary_conninfo(ngx_conf_t* cf, DatabaseConf& database) {
  if (database.primary_conninfo.len == 0) {
    return true;
  }
  database.primary = static_cast<DatabaseConf*>(ngx_palloc(cf->pool, sizeof(DatabaseConf)));
  if (database.primary == nullptr) {
    return false;
  }
  *database.primary = database;
  database.primary->primary = nullptr;
  database.primary->name = copy(cf->pool, std::string(view(database.name)) + " (primary)");
  return database.primary->name.data != nullptr && read_conninfo(cf, database.primary_conninfo, *database.primary);
}

}  // namespace

char* set_database(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto* main = static_cast<MainConf*>(conf);
  auto* args = static_cast<ngx_str_t*>(cf->args->elts);
  if (view(args[1]) == "off" || find_database(main, args[1]) != nullptr) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: database name \"%V\" is %s; choose another name", &args[1],
                       view(args[1]) == "off" ? "reserved" : "already used");
    return conf_error();
  }
  auto* database = static_cast<DatabaseConf*>(ngx_pcalloc(cf->pool, sizeof(DatabaseConf)));
  auto** slot = static_cast<DatabaseConf**>(ngx_array_push(&main->databases));
  if (database == nullptr || slot == nullptr) {
    return conf_error();
  }
  *slot = database;
  database->name = args[1];
  return guarded(cf->log, conf_error(), [&] {
    if (!read_parameters(cf, *database) || !read_conninfo(cf, args[2], *database)) {
      return conf_error();
    }
    database->zone = add_zone(cf, database->name, database->keywords, database->values, database->ring_size);
    const bool good = database->zone != nullptr && read_primary_conninfo(cf, *database);
    return good ? static_cast<char*>(NGX_CONF_OK) : conf_error();
  });
}

}  // namespace pgevents::nginx
