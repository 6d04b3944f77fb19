// Creates and merges the configuration of conf_structs.hpp, and reads the directive `pgevents_database`.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/conf/conf_structs.hpp"

namespace pgevents::nginx {

class DatabaseWorker;

// `pgevents_database`. The conninfo is kept in libpq's keyword form, with host names already resolved, so that
// connecting never blocks a worker.
struct DatabaseConf {
  ngx_str_t name;
  const char** keywords;
  const char** values;
  ngx_uint_t connections;
  size_t ring_size;
  ngx_uint_t preload;
  ngx_msec_t sweep;
  ngx_msec_t prune;     // 0: off
  ngx_flag_t presence;  // connections count as contact
  ngx_shm_zone_t* zone;
  DatabaseWorker* worker;  // this process's object, null outside workers
};

struct MainConf {
  ngx_array_t databases;  // of DatabaseConf*
};

struct LocConf {
  ngx_http_complex_value_t* database;
  AccessConf access;
  ngx_msec_t timeout;
  ngx_msec_t heartbeat;
  ngx_msec_t retry;
  time_t poll_interval;
  ngx_uint_t max_channels;
  size_t max_event_size;
  ngx_flag_t release_request;
  ngx_str_t channel_pattern;
  NamePattern* names;
};

// What a number or time of a directive may be; stands in the command's `post`, where nginx's setters look for a function first.
struct Bounds {
  ngx_conf_post_handler_pt check = nullptr;
  ngx_uint_t least = 0;
  ngx_uint_t most = 0;  // in the unit of the stored value
  const char* range = nullptr;
};

extern Bounds timeout_bounds;
extern Bounds heartbeat_bounds;
extern Bounds retry_bounds;
extern Bounds poll_interval_bounds;
extern Bounds max_channels_bounds;
extern Bounds max_event_size_bounds;
extern Bounds jwt_leeway_bounds;

void* create_main_conf(ngx_conf_t* cf);
void* create_loc_conf(ngx_conf_t* cf);
char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child);

// Directive `pgevents_database name conninfo [connections=N] [ring=SIZE] [preload=N] [sweep=TIME] [prune=TIME|off]
// [presence=on|off]`.
char* set_database(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);

DatabaseConf* find_database(MainConf* main, const ngx_str_t& name);

}  // namespace pgevents::nginx
