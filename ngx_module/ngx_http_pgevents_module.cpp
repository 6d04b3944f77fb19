// What nginx sees of the module: directives, contexts, the start and exit of a worker.
#include "ngx_module/nginx.hpp"

#include <new>

#include "ngx_module/conf/access_conf.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/conf/database_conf.hpp"
#include "ngx_module/conf/quic_idle.hpp"
#include "ngx_module/database_worker.hpp"
#include "ngx_module/handler.hpp"
#include "ngx_module/http/request_record.hpp"
#include "ngx_module/status/directives.hpp"
#include "ngx_module/variables.hpp"

using pgevents::nginx::DatabaseConf;
using pgevents::nginx::DatabaseWorker;
using pgevents::nginx::LocConf;
using pgevents::nginx::MainConf;

using pgevents::nginx::heartbeat_bounds;
using pgevents::nginx::jwt_leeway_bounds;
using pgevents::nginx::max_channels_bounds;
using pgevents::nginx::max_event_size_bounds;
using pgevents::nginx::poll_interval_bounds;
using pgevents::nginx::retry_bounds;
using pgevents::nginx::timeout_bounds;

namespace {

constexpr ngx_uint_t kEverywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;
constexpr ngx_uint_t kEverywhereAndIf = kEverywhere | NGX_HTTP_LIF_CONF;

ngx_command_t commands[] = {
    {ngx_string("pgevents_database"), NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE, pgevents::nginx::set_database,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, nullptr},
    {ngx_string("pgevents"), kEverywhereAndIf | NGX_CONF_TAKE1, pgevents::nginx::set_use, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, database), nullptr},
    {ngx_string("pgevents_user"), kEverywhere | NGX_CONF_TAKE1, ngx_http_set_complex_value_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, access.user), nullptr},
    {ngx_string("pgevents_realm"), kEverywhere | NGX_CONF_TAKE1, ngx_http_set_complex_value_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, access.realm), nullptr},
    {ngx_string("pgevents_subscribe"), kEverywhere | NGX_CONF_TAKE1, pgevents::nginx::set_patterns,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, access.subscribe), nullptr},
    {ngx_string("pgevents_publish"), kEverywhere | NGX_CONF_TAKE1, pgevents::nginx::set_patterns,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, access.publish), nullptr},
    {ngx_string("pgevents_anonymous"), kEverywhere | NGX_CONF_TAKE1, pgevents::nginx::set_patterns,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, access.anonymous), nullptr},
    {ngx_string("pgevents_jwt_key"), kEverywhere | NGX_CONF_TAKE123, pgevents::nginx::set_jwt_key,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("pgevents_jwt_cookie"), kEverywhere | NGX_CONF_TAKE1, pgevents::nginx::set_jwt_cookie,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, access.jwt_cookie), nullptr},
    {ngx_string("pgevents_jwt_query"), kEverywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, access.jwt_query), nullptr},
    {ngx_string("pgevents_jwt_audience"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_str_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, access.jwt_audience), nullptr},
    {ngx_string("pgevents_jwt_issuer"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_str_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, access.jwt_issuer), nullptr},
    {ngx_string("pgevents_jwt_leeway"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_msec_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, access.jwt_leeway), &jwt_leeway_bounds},
    {ngx_string("pgevents_jwt_require_exp"), kEverywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, access.jwt_require_exp), nullptr},
    {ngx_string("pgevents_allow_origin"), kEverywhere | NGX_CONF_1MORE, pgevents::nginx::set_allow_origin,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("pgevents_timeout"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_msec_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, timeout), &timeout_bounds},
    {ngx_string("pgevents_heartbeat"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_msec_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, heartbeat), &heartbeat_bounds},
    {ngx_string("pgevents_retry"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_msec_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, retry), &retry_bounds},
    {ngx_string("pgevents_poll_interval"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, poll_interval), &poll_interval_bounds},
    {ngx_string("pgevents_max_channels"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_num_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(LocConf, max_channels), &max_channels_bounds},
    {ngx_string("pgevents_channel_pattern"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, channel_pattern), nullptr},
    {ngx_string("pgevents_max_event_size"), kEverywhere | NGX_CONF_TAKE1, ngx_conf_set_size_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, max_event_size), &max_event_size_bounds},
    {ngx_string("pgevents_release_request"), kEverywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(LocConf, release_request), nullptr},
    {ngx_string("pgevents_status"), NGX_HTTP_LOC_CONF | NGX_CONF_ANY, pgevents::nginx::set_status,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_string("pgevents_ready"), NGX_HTTP_LOC_CONF | NGX_CONF_ANY, pgevents::nginx::set_ready,
     NGX_HTTP_LOC_CONF_OFFSET, 0, nullptr},
    {ngx_null_string, 0, nullptr, 0, 0, nullptr},
};

ngx_int_t add_handlers(ngx_conf_t* cf) {
  auto* cmcf = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  auto* handler = static_cast<ngx_http_handler_pt*>(ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers));
  if (handler == nullptr) {
    return NGX_ERROR;
  }
  *handler = ngx_http_pgevents_handler;
  auto* log_handler = static_cast<ngx_http_handler_pt*>(ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers));
  if (log_handler == nullptr) {
    return NGX_ERROR;
  }
  *log_handler = pgevents::nginx::count_request;
  pgevents::nginx::warn_about_quic_idle(cf);
  return NGX_OK;
}

template <typename Visit>
void each_database(ngx_cycle_t* cycle, Visit&& visit) {
  auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_pgevents_module));
  if (main == nullptr) {
    return;
  }
  auto** databases = static_cast<DatabaseConf**>(main->databases.elts);
  for (ngx_uint_t i = 0; i < main->databases.nelts; ++i) {
    visit(*databases[i]);
  }
}

// False when this process can never serve a database. Throws when memory is refused.
bool start_databases(ngx_cycle_t* cycle) {
  bool started = true;
  each_database(cycle, [&](DatabaseConf& conf) {
    conf.worker = pgevents::nginx::make_in_pool<DatabaseWorker>(cycle->pool, conf, cycle);
    if (conf.worker == nullptr) {
      throw std::bad_alloc();
    }
    started = started && conf.worker->start();
  });
  return started;
}

// nginx does not restart a worker that exits with status 2, as it does when this module reports an error. Memory may be
// short for a moment only: so the worker exits with another status, after a pause, because memory may be refused to the
// next worker as well.
[[noreturn]] void start_another_worker(ngx_cycle_t* cycle) {
  constexpr ngx_msec_t kPause = 1'000;
  constexpr int kStatus = 1;
  ngx_log_error(NGX_LOG_CRIT, cycle->log, 0, "pgevents: out of memory at the start, another worker will try again");
  ngx_msleep(kPause);
  _exit(kStatus);
}

// The cache manager and the cache loader run this too: they serve no requests.
ngx_int_t worker_starts(ngx_cycle_t* cycle) {
  if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) {
    return NGX_OK;
  }
  bool started = false;
  if (!pgevents::nginx::guarded(cycle->log, [&] { started = start_databases(cycle); })) {
    if (ngx_process == NGX_PROCESS_WORKER) {
      start_another_worker(cycle);
    }
  }
  return started ? NGX_OK : NGX_ERROR;
}

void worker_leaves(ngx_cycle_t* cycle) {
  each_database(cycle, [cycle](DatabaseConf& conf) {
    if (conf.worker != nullptr) {
      pgevents::nginx::guarded(cycle->log, [&conf] { conf.worker->exit(); });
    }
  });
}

ngx_http_module_t context = {
    pgevents::nginx::add_variables,     // preconfiguration
    add_handlers,                       // postconfiguration
    pgevents::nginx::create_main_conf,  // create main configuration
    pgevents::nginx::init_main_conf,    // init main configuration
    pgevents::nginx::create_srv_conf,   // create server configuration
    nullptr,                            // merge server configuration
    pgevents::nginx::create_loc_conf,   // create location configuration
    pgevents::nginx::merge_loc_conf,    // merge location configuration
};

}  // namespace

ngx_module_t ngx_http_pgevents_module = {
    NGX_MODULE_V1,
    &context,         // module context
    commands,         // module directives
    NGX_HTTP_MODULE,  // module type
    nullptr,          // init master
    nullptr,          // init module
    worker_starts,    // init process
    nullptr,          // init thread
    nullptr,          // exit thread
    worker_leaves,    // exit process
    nullptr,          // exit master
    NGX_MODULE_V1_PADDING,
};
