// See handler.hpp.
#include "ngx_module/handler.hpp"

#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "core/metrics/reasons.hpp"
#include "core/request/admission.hpp"
#include "core/request/request_kind.hpp"
#include "ngx_module/conf/conf.hpp"
#include "ngx_module/database_worker.hpp"
#include "ngx_module/delivery/subscriber.hpp"
#include "ngx_module/http/call.hpp"
#include "ngx_module/http/http_io.hpp"
#include "ngx_module/http/publish.hpp"
#include "ngx_module/http/request_access.hpp"
#include "ngx_module/http/request_record.hpp"

namespace pgevents::nginx {
namespace {

// A prefix location's name is the base of the paths in it. Regular expressions and named locations have no base.
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
  // `location /rt/events/` already includes the route's first segment.
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

[[maybe_unused]] const char* name_of(Flavor flavor) noexcept {
  switch (flavor) {
    case Flavor::kLongPoll:
      return "long poll";
    case Flavor::kEventSource:
      return "stream";
    case Flavor::kWebSocket:
      return "WebSocket";
    case Flavor::kPoll:
      break;
  }
  return "poll";
}

ngx_int_t start_subscription(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf,
                             RequestRecord& record, const Subscription& wanted, Admission admission) {
  const ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) {
    return rc;
  }
  ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                 "pgevents: %s of %uz channels, the first is \"%s\", behind cursor \"%s\"", name_of(wanted.flavor),
                 wanted.channels.size(), Printable(wanted.channels.front()).c_str(),
                 cursor_text(wanted.cursor).c_str());
  KeptAccess access(conf, database.service());
  if (wanted.web_socket && !access.keep(r, record)) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  Subscriber* subscriber = Subscriber::make(r, database.subscriber_context(), conf, wanted);
  if (subscriber == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  if (wanted.web_socket) {
    subscriber->speak(database.request_context(), std::move(access), *wanted.web_socket);
  }
  subscriber->start(wanted, admission);
  return NGX_DONE;
}

// The database that serves a request, or why the module declines it.
using Choice = std::variant<DatabaseWorker*, Declined>;

// `name`: the value of `pgevents`.
Choice choose_database(ngx_http_request_t* r, const ngx_str_t& name) {
  if (name.len == 0 || view(name) == "off") {
    return Declined::kOff;
  }
  auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_pgevents_module));
  const DatabaseConf* database = find_database(main, name);
  if (database == nullptr) {
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "pgevents: database \"%s\" not found",
                  Printable(view(name)).c_str());
    return Declined::kUnknownDatabase;
  }
  if (!database->worker->service().serving() && has_content_handler(r)) {
    return Declined::kDatabaseAway;
  }
  return database->worker;
}

// Requests without a database count for the first one.
void count_declined(ngx_http_request_t* r, const ngx_str_t& name, Declined reason) noexcept {
  auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_pgevents_module));
  const DatabaseConf* database = find_database(main, name);
  if (database == nullptr && main->databases.nelts > 0) {
    database = *static_cast<DatabaseConf**>(main->databases.elts);
  }
  if (database != nullptr) {
    database->worker->metrics().add(Metric::kDeclined, reason);
  }
}

// Every request that the module declines goes through here. A subrequest leaves the record to its main request.
ngx_int_t decline(ngx_http_request_t* r, const ngx_str_t& name, Declined reason) noexcept {
  count_declined(r, name, reason);
  if (RequestRecord* const record = r == r->main ? find_record(r) : nullptr) {
    record->served = RequestRecord::Served::kDeclined;
    record->metrics = nullptr;
  }
  ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0, "pgevents: declined: %s", word_of(reason));
  return NGX_DECLINED;
}

// Counts and logs why a request was rejected for its token, user, rights or origin; the log has also what the client
// does not get to know about a bad token.
void note_rejection(ngx_http_request_t* r, const Error& error, Metrics& metrics) {
  if (error.fault != AuthFault::kNone) {
    metrics.add(Metric::kAuthFailures, error.fault);
  }
  if (error.fault != AuthFault::kNone || !error.log.empty()) {
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "pgevents: %s%s%s", Printable(error.msg).c_str(),
                  error.log.empty() ? "" : ": ", Printable(error.log).c_str());
  }
}

std::uint64_t cache_hits(const LocConf& conf) noexcept {
  return conf.access.keys == nullptr ? 0 : conf.access.keys->cache_hits();
}

// Nothing when a variable could not be evaluated. The token is masked in any case, because no log line may show it, not
// even that of an exception. So a request that was rejected before its token was looked at is identified here, for the
// variables.
std::optional<Route> find_route(ngx_http_request_t* r, const ServiceState& service, const LocConf& conf,
                                RequestRecord& record) {
  struct Mask {
    ngx_http_request_t* r;
    ~Mask() { mask_token(r); }
  } const mask{r};
  RouteRules rules;
  if (!read_rules(r, service, conf, record, rules.access)) {
    return std::nullopt;
  }
  rules.base = base_of(r);
  rules.names = conf.names;
  rules.max_channels = conf.max_channels;
  rules.checks_later = service.has_primary();
  const Request request = read_request(r);
  std::optional<Identity> who;
  Route found = route(request, rules, now_seconds(), &who);
  if (!who && rules.access.token.query) {
    const auto caller = identify(request, rules.access, now_seconds());
    const auto* known = std::get_if<Caller>(&caller);
    who = known == nullptr ? Identity{} : known->session.identity;
  }
  if (who) {
    keep_identity(r, record, *who);
  }
  return found;
}

ngx_int_t serve(ngx_http_request_t* r, DatabaseWorker& database, const LocConf& conf, RequestRecord& record) {
  const std::uint64_t hits = cache_hits(conf);
  std::optional<Route> found = find_route(r, database.service(), conf, record);
  database.metrics().add_many(cache_hits(conf) - hits, Metric::kTokenCacheHits);
  if (!found) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  Route& wanted = *found;
  record.kind = kind_of(wanted);
  if (auto* error = std::get_if<Error>(&wanted)) {
    note_rejection(r, *error, database.metrics());
    return reply_now(r, error_reply(*error));
  }
  if (auto* options = std::get_if<PreflightAnswer>(&wanted)) {
    return reply_now(r, options_reply(options->methods, options->headers));
  }
  if (auto* publication = std::get_if<Publication>(&wanted)) {
    keep_channels(r, record, {publication->channel});
    return start_publication(r, database.request_context(), conf, std::move(*publication));
  }
  if (auto* call = std::get_if<Call>(&wanted)) {
    return start_call(r, database.request_context(), conf, std::move(*call));
  }
  const auto& subscription = std::get<Subscription>(wanted);
  keep_channels(r, record, subscription.channels);
  const ServiceState& service = database.service();
  const Admission admission =
      admit(subscription.session.unchecked, place_of(subscription.cursor, database.ring().snapshot()),
            subscription.flavor, service.log());
  if (admission == Admission::kReject && !service.leaving()) {
    return reply_now(r, error_reply(database_away(static_cast<unsigned>(conf.poll_interval))));
  }
  return start_subscription(r, database, conf, record, subscription, admission);
}

// Has nginx send GOAWAY on an HTTP/2 connection. nginx does so only on those that are open when a worker has to leave:
// a client on a later one would reconnect to this worker, again and again, and keep it. Done in nginx's own way
// (ngx_close_idle_connections), after what is being read at present.
void send_goaway([[maybe_unused]] ngx_http_request_t* r) noexcept {
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
  if (conf.database == nullptr) {
    return NGX_DECLINED;
  }
  ngx_str_t name = ngx_null_string;
  if (r != r->main) {
    return decline(r, name, Declined::kSubrequest);
  }
  send_goaway(r);
  RequestRecord* const record = make_record(r);
  if (record == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  record->conf = &conf;
  record->admitted = &conf;
  record->served = RequestRecord::Served::kModule;
  if (!read_database_name(r, conf, *record, name)) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  const Choice choice = choose_database(r, name);
  if (const auto* reason = std::get_if<Declined>(&choice)) {
    return decline(r, name, *reason);
  }
  DatabaseWorker& database = *std::get<DatabaseWorker*>(choice);
  record->metrics = &database.metrics();
  const ngx_int_t rc = serve(r, database, conf, *record);
  if (rc == NGX_DONE) {
    return NGX_DONE;
  }
  // As after a content handler: the request is finished, and no later phase runs.
  ngx_http_finalize_request(r, rc);
  return NGX_DONE;
}

}  // namespace
}  // namespace pgevents::nginx

extern "C" ngx_int_t ngx_http_pgevents_handler(ngx_http_request_t* r) {
  return pgevents::nginx::guarded(r->connection->log, static_cast<ngx_int_t>(NGX_HTTP_INTERNAL_SERVER_ERROR),
                                  [r] { return pgevents::nginx::handle(r); });
}
