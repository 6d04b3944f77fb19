// See handler.hpp.
#include "handler.hpp"

#include "conf.hpp"
#include "database.hpp"
#include "publish.hpp"
#include "respond.hpp"
#include "subscriber.hpp"

namespace pgevents::nginx {
namespace {

bool evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value, ngx_str_t& result) {
  result = ngx_null_string;
  return value == nullptr || ngx_http_complex_value(r, value, &result) == NGX_OK;
}

// A prefix location's name is the base of the paths in it. Regular expressions and named locations have none.
std::string_view base_of(ngx_http_request_t* r) {
  const auto* clcf = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
#if (NGX_PCRE)
  if (clcf->regex != nullptr) {
    return {};
  }
#endif
  constexpr std::string_view kSegment = "events/";
  std::string_view name = view(clcf->name);
  if (clcf->exact_match || clcf->named || name.empty() || name.back() != '/') {
    return {};
  }
  // `location /rt/events/` names the route already.
  if (name.size() > kSegment.size() && name.substr(name.size() - kSegment.size() - 1) == "/events/") {
    name.remove_suffix(kSegment.size());
  }
  return name;
}

bool has_content_handler(ngx_http_request_t* r) {
  return r->content_handler != nullptr;
}

ngx_int_t reply_now(ngx_http_request_t* r, const Reply& reply) {
  const ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) {
    return rc;
  }
  return send_reply(r, reply);
}

ngx_int_t start_subscription(ngx_http_request_t* r, Database& database, const LocConf& conf,
                             const Subscription& wanted) {
  const ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) {
    return rc;
  }
  auto* subscriber = make_in_pool<Subscriber>(r->pool, r, database, conf, wanted);
  if (subscriber == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  subscriber->start(wanted);
  return NGX_DONE;
}

// Finds the database named by `pgevents`. Null: not served here.
Database* find_serving(ngx_http_request_t* r, const LocConf& conf) {
  ngx_str_t name;
  if (!evaluate(r, conf.database, name) || name.len == 0 || view(name) == "off") {
    return nullptr;
  }
  auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_pgevents_module));
  const DatabaseConf* database = find_database(main, name);
  if (database == nullptr) {
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "pgevents: there is no database \"%V\"", &name);
    return nullptr;
  }
  return database->worker;
}

ngx_int_t serve(ngx_http_request_t* r, Database& database, const LocConf& conf) {
  ngx_str_t subscribe;
  ngx_str_t publish;
  if (!evaluate(r, conf.subscribe, subscribe) || !evaluate(r, conf.publish, publish)) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  Settings settings;
  settings.base = base_of(r);
  settings.names = conf.names;
  settings.max_channels = conf.max_channels;
  settings.subscribe = view(subscribe);
  settings.publish = view(publish);
  Route wanted = route(read_request(r), settings);
  if (auto* error = std::get_if<Error>(&wanted)) {
    return reply_now(r, error_reply(*error));
  }
  if (std::holds_alternative<Options>(wanted)) {
    return reply_now(r, options_reply());
  }
  if (auto* publication = std::get_if<Publication>(&wanted)) {
    return start_publication(r, database, conf, std::move(*publication));
  }
  if (!database.serving() && !database.leaving()) {
    return reply_now(r, error_reply(database_away(static_cast<unsigned>(conf.poll_interval))));
  }
  return start_subscription(r, database, conf, std::get<Subscription>(wanted));
}

ngx_int_t handle(ngx_http_request_t* r) {
  const auto& conf = *static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_pgevents_module));
  if (conf.database == nullptr || r != r->main) {
    return NGX_DECLINED;
  }
  Database* database = find_serving(r, conf);
  if (database == nullptr || (!database->serving() && has_content_handler(r))) {
    return NGX_DECLINED;
  }
  const ngx_int_t rc = serve(r, *database, conf);
  if (rc == NGX_DONE) {
    return NGX_DONE;
  }
  // As a content handler: what was sent ends the request, and no later phase runs.
  ngx_http_finalize_request(r, rc);
  return NGX_DONE;
}

}  // namespace
}  // namespace pgevents::nginx

extern "C" ngx_int_t ngx_http_pgevents_handler(ngx_http_request_t* r) {
  return pgevents::nginx::guarded(r->connection->log, static_cast<ngx_int_t>(NGX_HTTP_INTERNAL_SERVER_ERROR),
                                  [r] { return pgevents::nginx::handle(r); });
}
