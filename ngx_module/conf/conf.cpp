// Configuration: creation, merging and the directive `pgevents_database`; see conf.hpp.
#include "ngx_module/conf/conf.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "core/shared/ring.hpp"
#include "ngx_module/conf/access_conf.hpp"
#include "ngx_module/conf/conninfo.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_int_t kDayMs = 86'400'000;
constexpr ngx_uint_t kMaxConnections = 1'000;
constexpr ngx_uint_t kMaxPreload = 10'000'000;

char* conf_error() {
  return static_cast<char*>(NGX_CONF_ERROR);
}

bool starts_with(const ngx_str_t& text, std::string_view prefix, ngx_str_t& rest) {
  if (view(text).substr(0, prefix.size()) != prefix) {
    return false;
  }
  rest = {text.len - prefix.size(), text.data + prefix.size()};
  return true;
}

bool parse_count(ngx_str_t& text, ngx_uint_t least, ngx_uint_t most, ngx_uint_t& result) {
  const ngx_int_t n = ngx_atoi(text.data, text.len);
  if (n == NGX_ERROR || static_cast<ngx_uint_t>(n) < least || static_cast<ngx_uint_t>(n) > most) {
    return false;
  }
  result = static_cast<ngx_uint_t>(n);
  return true;
}

bool parse_time(ngx_str_t& text, ngx_msec_t& result) {
  const ngx_int_t ms = ngx_parse_time(&text, 0);
  if (ms == NGX_ERROR || ms < 100 || ms > kDayMs) {
    return false;
  }
  result = static_cast<ngx_msec_t>(ms);
  return true;
}

bool parse_ring(ngx_str_t& text, std::size_t& result) {
  const ssize_t size = ngx_parse_size(&text);
  if (size == NGX_ERROR || static_cast<std::size_t>(size) < Ring::kMinDataBytes) {
    return false;
  }
  result = static_cast<std::size_t>(size);
  return true;
}

bool parse_parameter(const ngx_str_t& text, DatabaseConf& database) {
  ngx_str_t rest;
  if (starts_with(text, "connections=", rest)) {
    return parse_count(rest, 1, kMaxConnections, database.connections);
  }
  if (starts_with(text, "ring=", rest)) {
    return parse_ring(rest, database.ring_size);
  }
  if (starts_with(text, "preload=", rest)) {
    return parse_count(rest, 0, kMaxPreload, database.preload);
  }
  if (starts_with(text, "sweep=", rest)) {
    return parse_time(rest, database.sweep);
  }
  if (starts_with(text, "prune=", rest)) {
    database.prune = 0;
    return view(rest) == "off" || parse_time(rest, database.prune);
  }
  if (starts_with(text, "presence=", rest)) {
    database.presence = view(rest) == "on";
    return database.presence != 0 || view(rest) == "off";
  }
  return false;
}

// Whether a parameter before `args[i]` has the same name.
bool is_duplicate(const ngx_str_t* args, ngx_uint_t i) {
  const auto name_of = [](const ngx_str_t& text) { return view(text).substr(0, view(text).find('=')); };
  return std::any_of(args + 3, args + i, [&](const ngx_str_t& other) { return name_of(other) == name_of(args[i]); });
}

template <typename Value>
char* check_bounds(ngx_conf_t* cf, void* post, void* data) {
  const auto& bounds = *static_cast<Bounds*>(post);
  const auto value = static_cast<ngx_uint_t>(*static_cast<Value*>(data));
  if (value >= bounds.least && value <= bounds.most) {
    return NGX_CONF_OK;
  }
  const auto* args = static_cast<ngx_str_t*>(cf->args->elts);
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: \"%V\" is out of range; give a value from %s", &args[1],
                     bounds.range);
  return conf_error();
}

}  // namespace

// No interval of 0: clients would poll without a pause.
Bounds timeout_bounds = {check_bounds<ngx_msec_t>, 0, kDayMs, "0 to 1d"};
Bounds heartbeat_bounds = {check_bounds<ngx_msec_t>, 1'000, kDayMs, "1s to 1d"};
Bounds retry_bounds = {check_bounds<ngx_msec_t>, 10, kDayMs, "10ms to 1d"};
Bounds poll_interval_bounds = {check_bounds<time_t>, 1, 86'400, "1s to 1d"};
Bounds max_channels_bounds = {check_bounds<ngx_int_t>, 1, 10'000, "1 to 10000"};
Bounds max_event_size_bounds = {check_bounds<std::size_t>, 1, 1'073'741'824, "1 to 1024m"};
Bounds jwt_leeway_bounds = {check_bounds<ngx_msec_t>, 0, kDayMs, "0 to 1d"};

void* create_main_conf(ngx_conf_t* cf) {
  auto* conf = static_cast<MainConf*>(ngx_pcalloc(cf->pool, sizeof(MainConf)));
  if (conf == nullptr || ngx_array_init(&conf->databases, cf->pool, 2, sizeof(void*)) != NGX_OK) {
    return nullptr;
  }
  return conf;
}

void* create_loc_conf(ngx_conf_t* cf) {
  auto* conf = static_cast<LocConf*>(ngx_pcalloc(cf->pool, sizeof(LocConf)));
  if (conf == nullptr) {
    return nullptr;
  }
  conf->database = static_cast<ngx_http_complex_value_t*>(NGX_CONF_UNSET_PTR);
  init_access_conf(conf->access);
  conf->timeout = NGX_CONF_UNSET_MSEC;
  conf->heartbeat = NGX_CONF_UNSET_MSEC;
  conf->retry = NGX_CONF_UNSET_MSEC;
  conf->poll_interval = NGX_CONF_UNSET;
  conf->max_channels = NGX_CONF_UNSET_UINT;
  conf->max_event_size = NGX_CONF_UNSET_SIZE;
  conf->release_request = NGX_CONF_UNSET;
  return conf;
}

namespace {

// Compiles a pattern once for each configuration level that sets one.
bool compile_pattern(ngx_conf_t* cf, const LocConf& parent, LocConf& conf) {
  if (conf.names != nullptr) {
    return true;
  }
  if (parent.names != nullptr && view(parent.channel_pattern) == view(conf.channel_pattern)) {
    conf.names = parent.names;
    return true;
  }
  std::string error;
  std::unique_ptr<NamePattern> names = NamePattern::compile(view(conf.channel_pattern), error);
  if (names == nullptr) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: channel pattern \"%V\": %s", &conf.channel_pattern,
                       Printable(error).c_str());
    return false;
  }
  auto* owner = make_in_pool<std::unique_ptr<NamePattern>>(cf->pool, std::move(names));
  if (owner == nullptr) {
    return false;
  }
  conf.names = owner->get();
  return true;
}

}  // namespace

char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) {
  auto* prev = static_cast<LocConf*>(parent);
  auto* conf = static_cast<LocConf*>(child);
  ngx_conf_merge_ptr_value(conf->database, prev->database, nullptr);
  merge_access_conf(prev->access, conf->access);
  ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 30'000);
  ngx_conf_merge_msec_value(conf->heartbeat, prev->heartbeat, 15'000);
  ngx_conf_merge_msec_value(conf->retry, prev->retry, 2'000);
  ngx_conf_merge_sec_value(conf->poll_interval, prev->poll_interval, 5);
  ngx_conf_merge_uint_value(conf->max_channels, prev->max_channels, 64);
  ngx_conf_merge_size_value(conf->max_event_size, prev->max_event_size, 2 * 1024 * 1024);
  ngx_conf_merge_value(conf->release_request, prev->release_request, 0);
  ngx_conf_merge_str_value(conf->channel_pattern, prev->channel_pattern, kDefaultNamePattern);
  return guarded(cf->log, conf_error(), [&] {
    return conf->database == nullptr || compile_pattern(cf, *prev, *conf) ? NGX_CONF_OK : conf_error();
  });
}

DatabaseConf* find_database(MainConf* main, const ngx_str_t& name) {
  auto** databases = static_cast<DatabaseConf**>(main->databases.elts);
  for (ngx_uint_t i = 0; i < main->databases.nelts; ++i) {
    if (view(databases[i]->name) == view(name)) {
      return databases[i];
    }
  }
  return nullptr;
}

namespace {

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
    if (!parse_parameter(args[i], database)) {
      ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                         "pgevents: invalid parameter \"%V\"; docs/directives.md lists the parameters and their values",
                         &args[i]);
      return false;
    }
  }
  return true;
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
  if (!read_parameters(cf, *database)) {
    return conf_error();
  }
  return guarded(cf->log, conf_error(), [&] {
    if (!parse_conninfo(cf, args[2], database->keywords, database->values)) {
      return conf_error();
    }
    database->zone = add_zone(cf, database->name, database->keywords, database->values, database->ring_size);
    return database->zone == nullptr ? conf_error() : static_cast<char*>(NGX_CONF_OK);
  });
}

}  // namespace pgevents::nginx
