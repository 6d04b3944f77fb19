// Configuration: creation, merging and checks; see conf.hpp. The directive `pgevents_database` is in database_conf.cpp.
#include "ngx_module/conf/conf.hpp"

#include <memory>
#include <string>
#include <utility>

#include "ngx_module/conf/access_conf.hpp"
#include "ngx_module/conf/conninfo.hpp"
#include "ngx_module/conf/quic_idle.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_int_t kDayMs = 86'400'000;

char* conf_error() {
  return static_cast<char*>(NGX_CONF_ERROR);
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
  if (conf == nullptr || ngx_array_init(&conf->databases, cf->pool, 2, sizeof(void*)) != NGX_OK ||
      ngx_array_init(&conf->uses, cf->pool, 4, sizeof(DatabaseUse)) != NGX_OK) {
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

bool has_database(ngx_conf_t* cf, const char* directive) {
  auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_pgevents_module));
  if (main->databases.nelts != 0) {
    return true;
  }
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "pgevents: %s needs a database; add a pgevents_database", directive);
  return false;
}

// Only here are all databases known. Such a location serves nothing else, and no page of another origin.
bool merge_status(ngx_conf_t* cf, const LocConf& parent, LocConf& conf) {
  const auto* clcf =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  if (clcf->noname) {  // the block of an `if`: nginx keeps the handler of the location around it
    conf.status = parent.status;
    conf.ready = parent.ready;
  }
  if (conf.status == nullptr && conf.ready == nullptr) {
    return true;
  }
  conf.database = nullptr;
  conf.access.origins = nullptr;
  return has_database(cf, conf.status != nullptr ? "pgevents_status" : "pgevents_ready");
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
  if (!merge_status(cf, *prev, *conf)) {
    return conf_error();
  }
  note_silence(cf, *conf);
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

// A name with variables is only known when a request comes.
char* set_use(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) {
  char* const result = ngx_http_set_complex_value_slot(cf, cmd, conf);
  const auto* args = static_cast<ngx_str_t*>(cf->args->elts);
  if (result != NGX_CONF_OK || static_cast<LocConf*>(conf)->database->lengths != nullptr) {
    return result;
  }
  return view(args[1]) == "off" || note_use(cf, args[1]) ? NGX_CONF_OK : conf_error();
}

bool note_use(ngx_conf_t* cf, const ngx_str_t& name) {
  auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_pgevents_module));
  auto* use = static_cast<DatabaseUse*>(ngx_array_push(&main->uses));
  if (use == nullptr) {
    return false;
  }
  *use = {name, cf->conf_file->file.name, cf->conf_file->line};
  return true;
}

char* init_main_conf(ngx_conf_t* cf, void* conf) {
  auto* main = static_cast<MainConf*>(conf);
  const auto* uses = static_cast<DatabaseUse*>(main->uses.elts);
  char* result = NGX_CONF_OK;
  for (ngx_uint_t i = 0; i < main->uses.nelts; ++i) {
    const DatabaseUse& use = uses[i];
    if (use.name.len != 0 && find_database(main, use.name) == nullptr) {
      ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                    "pgevents: unknown database \"%s\" in %V:%ui; define it by pgevents_database, or correct the name",
                    Printable(view(use.name)).c_str(), &use.file, use.line);
      result = conf_error();
    }
  }
  auto** databases = static_cast<DatabaseConf**>(main->databases.elts);
  for (ngx_uint_t i = 0; i < main->databases.nelts; ++i) {
    if (!guarded(cf->log, false, [&] { return check_hosts(cf, *databases[i]); })) {
      result = conf_error();
    }
  }
  return result;
}

}  // namespace pgevents::nginx
