// See handler.hpp.
#include "ngx_module/handler.hpp"

#include "ngx_module/conf/conf.hpp"
#include "ngx_module/database_worker.hpp"
#include "ngx_module/delivery/subscriber.hpp"
#include "ngx_module/http/call.hpp"
#include "ngx_module/http/http_io.hpp"
#include "ngx_module/http/publish.hpp"
#include "ngx_module/http/request_access.hpp"

namespace pgevents::nginx {
namespace {

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

ngx_int_t start_subscription(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf,
                             const Subscription& wanted) {
  const ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) {
    return rc;
  }
  Subscriber* subscriber = Subscriber::make(r, database, conf, wanted);
  if (subscriber == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  subscriber->start(wanted);
  return NGX_DONE;
}

// Finds the database named by `pgevents`. Null: not served here.
DatabaseWorker* find_serving(ngx_http_request_t* r, const LocConf& conf) {
  ngx_str_t name = ngx_null_string;
  if (ngx_http_complex_value(r, conf.database, &name) != NGX_OK || name.len == 0 || view(name) == "off") {
    return nullptr;
  }
  auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_pgevents_module));
  const DatabaseConf* database = find_database(main, name);
  if (database == nullptr) {
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "pgevents: there is no database \"%s\"",
                  Printable(view(name)).c_str());
    return nullptr;
  }
  return database->worker;
}

// What a client is not told about a bad token.
void log_refusal(ngx_http_request_t* r, const Error& error) {
  if (!error.log.empty()) {
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "pgevents: %s: %s", Printable(error.msg).c_str(),
                  Printable(error.log).c_str());
  }
}

// Nothing when a variable could not be evaluated. Nobody needs the token afterwards, and a log must not show it, also not that of
// an exception.
std::optional<Route> find_route(ngx_http_request_t* r, const DatabaseWorker& database, const LocConf& conf) {
  struct Mask {
    ngx_http_request_t* r;
    ~Mask() { mask_token(r); }
  } const mask{r};
  RouteRules settings;
  if (!read_rules(r, database, conf, settings.access)) {
    return std::nullopt;
  }
  settings.base = base_of(r);
  settings.names = conf.names;
  settings.max_channels = conf.max_channels;
  return route(read_request(r), settings, now_seconds());
}

ngx_int_t serve(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf) {
  std::optional<Route> found = find_route(r, database, conf);
  if (!found) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  Route& wanted = *found;
  if (auto* error = std::get_if<Error>(&wanted)) {
    log_refusal(r, *error);
    return reply_now(r, error_reply(*error));
  }
  if (auto* options = std::get_if<PreflightAnswer>(&wanted)) {
    return reply_now(r, options_reply(options->methods, options->headers));
  }
  if (auto* publication = std::get_if<Publication>(&wanted)) {
    return start_publication(r, database, conf, std::move(*publication));
  }
  if (auto* call = std::get_if<Call>(&wanted)) {
    return start_call(r, database, conf, std::move(*call));
  }
  const auto& subscription = std::get<Subscription>(wanted);
  // A browser's EventSource gives up for good after an error: a stream waits instead.
  if (!database.serving() && !database.leaving() && subscription.flavor != Flavor::kEventSource) {
    return reply_now(r, error_reply(database_away(static_cast<unsigned>(conf.poll_interval))));
  }
  return start_subscription(r, database, conf, subscription);
}

// To the connections of HTTP/2 that are there when a worker is told to leave nginx says GOAWAY, and to no later ones: whoever is
// answered and comes back at once would come back to this worker, again and again, and keep it. So they are told in nginx's own
// way (ngx_close_idle_connections), behind what is being read at present.
void tell_to_go([[maybe_unused]] ngx_http_request_t* r) noexcept {
#if (NGX_HTTP_V2)
  if (ngx_exiting && r->stream != nullptr && !r->stream->connection->goaway) {
    ngx_connection_t* c = r->stream->connection->connection;
    c->close = 1;
    ngx_post_event(c->read, &ngx_posted_events);
  }
#endif
}

ngx_int_t handle(ngx_http_request_t* r) {
  const auto& conf = *static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_pgevents_module));
  if (conf.database == nullptr || r != r->main) {
    return NGX_DECLINED;
  }
  tell_to_go(r);
  DatabaseWorker* database = find_serving(r, conf);
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
