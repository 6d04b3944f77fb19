// What nginx.conf contains: plain structs that nginx allocates and merges. One DatabaseConf for each
// `pgevents_database`.
#pragma once

#include "ngx_module/nginx.hpp"

#include <vector>

#include "core/jwt/jwt.hpp"
#include "core/request/origin.hpp"
#include "core/text/name_pattern.hpp"
#include "postgres/hosts.hpp"

namespace pgevents::nginx {

class DatabaseWorker;

// The hosts of a connection string, as found when the configuration was read.
struct HostsConf {
  std::vector<postgres::Host> list;
  postgres::Addresses found;           // an entry for each name
  ngx_msec_t found_at = 0;             // by nginx's monotonic clock
  ngx_resolver_t* resolver = nullptr;  // that of the `http` block; null: there is none
  ngx_str_t file{};                    // where the directive is
  ngx_uint_t line = 0;
};

// What to do at the start if a host does not exist.
enum class Unresolved { kError, kWarn };

// `pgevents_database`. The conninfo is kept in libpq's keyword form. `primary=` names a second database that is one of
// these too: of it only the name, for log lines, and what belongs to connections are used.
struct DatabaseConf {
  ngx_str_t name;
  const char** keywords;
  const char** values;
  HostsConf* hosts;
  Unresolved unresolved;
  ngx_uint_t connections;
  size_t ring_size;
  ngx_uint_t preload;
  ngx_msec_t sweep;
  ngx_msec_t prune;            // 0: off
  ngx_flag_t presence;         // connections count as contact
  ngx_str_t primary_conninfo;  // empty: none
  DatabaseConf* primary;       // what writes goes there, because the database is a copy; null: it is not
  ngx_shm_zone_t* zone;
  DatabaseWorker* worker;  // this process's object, null outside workers
};

// A directive that names a database without variables (`pgevents`, `pgevents_status`, `pgevents_ready`), and its place.
struct DatabaseUse {
  ngx_str_t name;
  ngx_str_t file;
  ngx_uint_t line;
};

struct MainConf {
  ngx_array_t databases;  // of DatabaseConf*
  ngx_array_t uses;       // of DatabaseUse
};

// The directives of identities, grants, tokens and origins. Keys and origins are made when their directives are read;
// the levels that inherit them share them.
struct AccessConf {
  ngx_http_complex_value_t* user;
  ngx_http_complex_value_t* realm;
  ngx_http_complex_value_t* subscribe;
  ngx_http_complex_value_t* publish;
  ngx_http_complex_value_t* anonymous;
  JwtKeys* keys;         // null: tokens are not looked at
  OriginRules* origins;  // null: none
  ngx_str_t jwt_cookie;
  ngx_str_t jwt_audience;
  ngx_str_t jwt_issuer;
  ngx_msec_t jwt_leeway;
  ngx_flag_t jwt_query;
  ngx_flag_t jwt_require_exp;
};

// `pgevents_status`.
struct StatusConf {
  enum class Format { kAuto, kHtml, kJson, kPrometheus };
  ngx_str_t database;  // empty: all
  Format format;
  ngx_flag_t channels;  // `?channel=` is answered
};

// `pgevents_ready`.
struct ReadyConf {
  ngx_str_t database;  // empty: all
  ngx_msec_t max_lag;  // 0: the database's default
  ngx_str_t drain;     // a file: while it exists, nothing is ready; empty: none
};

struct LocConf {
  ngx_http_complex_value_t* database;
  StatusConf* status;  // null: another kind of location
  ReadyConf* ready;    // likewise
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

}  // namespace pgevents::nginx
