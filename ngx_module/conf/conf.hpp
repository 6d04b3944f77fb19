// Creates, merges and checks the configuration of conf_structs.hpp.
#pragma once

#include "ngx_module/nginx.hpp"

#include "ngx_module/conf/conf_structs.hpp"

namespace pgevents::nginx {

// The bounds of a directive's number or time; the command's `post` points to it, because nginx's setters expect a
// function there first.
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

// When the whole block `http` has been read: each constant name of a database must be known.
char* init_main_conf(ngx_conf_t* cf, void* conf);

// Directive `pgevents name`.
char* set_use(ngx_conf_t* cf, ngx_command_t* cmd, void* conf);

DatabaseConf* find_database(MainConf* main, const ngx_str_t& name);
// Keeps the name and its place in the configuration, to check it when all databases are known; empty: none. False: no
// memory.
bool note_use(ngx_conf_t* cf, const ngx_str_t& name);

}  // namespace pgevents::nginx
