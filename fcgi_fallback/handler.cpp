// Requests and their responses; see handler.hpp. Those of subscriptions are in handler_events.cpp.
#include "fcgi_fallback/handler.hpp"

#include <algorithm>
#include <exception>

#include "core/request/request_kind.hpp"
#include "core/status/prometheus.hpp"
#include "core/text/url.hpp"
#include "core/wire/reply.hpp"
#include "fcgi_fallback/cgi_response.hpp"
#include "postgres/statements.hpp"

namespace pgevents::fallback {

namespace {

constexpr char kPruneRows[] = "5000";
constexpr std::chrono::seconds kPruneInterval{60};

// Which variable holds the path depends on the web server. PATH_INFO if the URL names a script, whose name stands
// before it and is the mount; DOCUMENT_URI with nginx's usual parameters.
void take_path(const CgiRequest& cgi, Request& request) {
  request.target = cgi.variable_or_empty("REQUEST_URI");
  request.path = cgi.variable_or_empty("PATH_INFO");
  if (!request.path.empty()) {
    request.mount = cgi.variable_or_empty("SCRIPT_NAME");
    return;
  }
  request.path = cgi.variable_or_empty("DOCUMENT_URI");
  if (request.path.empty()) {
    request.path = cgi.variable_or_empty("SCRIPT_NAME");
  }
}

// `cookies` must outlive the request.
Request request_of(const CgiRequest& cgi, const std::string& cookies) {
  Request request;
  request.method = cgi.variable_or_empty("REQUEST_METHOD");
  take_path(cgi, request);
  request.query = cgi.variable_or_empty("QUERY_STRING");
  request.accept = cgi.variable_or_empty("HTTP_ACCEPT");
  request.last_event_id = cgi.variable_or_empty("HTTP_LAST_EVENT_ID");
  request.flavor = cgi.variable_or_empty("HTTP_FLAVOR");
  request.content_type = cgi.variable_or_empty("CONTENT_TYPE");
  request.content_encoding = cgi.variable_or_empty("HTTP_CONTENT_ENCODING");
  request.idempotency_key = cgi.variable_or_empty("HTTP_IDEMPOTENCY_KEY");
  request.authorization = cgi.variable_or_empty("HTTP_AUTHORIZATION");
  request.cookie = cookies;
  request.origin = cgi.variable_or_empty("HTTP_ORIGIN");
  request.host = cgi.variable_or_empty("HTTP_HOST");
  request.sec_fetch_site = cgi.variable_or_empty("HTTP_SEC_FETCH_SITE");
  request.preflight_method = cgi.variable_or_empty("HTTP_ACCESS_CONTROL_REQUEST_METHOD");
  request.upgrade = cgi.variable_or_empty("HTTP_UPGRADE");
  request.connection = cgi.variable_or_empty("HTTP_CONNECTION");
  request.web_socket_key = cgi.variable_or_empty("HTTP_SEC_WEBSOCKET_KEY");
  request.early_data = !cgi.variable_or_empty("HTTP_EARLY_DATA").empty();
  const std::string_view https = cgi.variable_or_empty("HTTPS");
  request.https = (!https.empty() && https != "off") || cgi.variable_or_empty("REQUEST_SCHEME") == "https";
  return request;
}

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Whether the query holds a token, or cannot be parsed.
bool query_may_hold_token(const CgiRequest& cgi) {
  FormFields fields;
  return parse_form(cgi.variable_or_empty("QUERY_STRING"), "query", fields) ||
         std::any_of(fields.begin(), fields.end(), [](const auto& field) { return field.first == "access_token"; });
}

}  // namespace

void report(CgiRequest& cgi, std::string_view text) {
  if (text.empty()) {
    return;
  }
  query_may_hold_token(cgi) ? log_line(text) : cgi.log(text);
}

void Handler::handle(CgiRequest& cgi) noexcept {
  try {
    answer(cgi);
  } catch (const std::exception& problem) {
    // Out of memory, most likely. If a part of the response is sent already, the client's cursor covers the rest.
    log_line(problem.what());
  }
}

// The web server sends the same ones with every request of a location, so a few requests show them all.
void Handler::report_unknown_variables(CgiRequest& cgi) {
  constexpr std::size_t kMostNamed = 16;
  if (named_.size() >= kMostNamed) {
    return;
  }
  cgi.each_name(kVariablePrefix, [this](std::string_view name) {
    if (!is_request_parameter(name) && named_.size() < kMostNamed && named_.emplace(name).second) {
      log_line("FastCGI parameter " + std::string(name) + " does not exist and has no effect; check its spelling");
    }
  });
}

void Handler::answer(CgiRequest& cgi) {
  report_unknown_variables(cgi);
  const std::string cookies = cgi.cookies();
  const Request request = request_of(cgi, cookies);
  const bool head = request.method == "HEAD";
  cors_ = cors_headers(files_.origins.get(), request.origin);
  arrived_ = unix_time();
  status_ = 0;
  if (const std::string_view form = cgi.variable_or_empty("PGEVENTS_STATUS"); !form.empty()) {
    cors_.clear();  // for the operator, not for the pages of other origins
    return send_status(cgi, form, request);
  }
  // Counted also if the response fails for want of memory.
  struct Count {
    Handler& handler;
    RequestKind kind;
    ~Count() { handler.counters_.add(1, Counter::kRequests, kind, status_label(handler.status_)); }
  } count{*this, RequestKind::kUnknown};
  const Route wanted = route(request, rules_for(cgi), arrived_);
  count.kind = kind_of(wanted);
  serve(cgi, wanted, head);
}

void Handler::serve(CgiRequest& cgi, const Route& wanted, bool head) {
  if (const auto* subscription = std::get_if<Subscription>(&wanted)) {
    send_events(cgi, *subscription);
  } else if (const auto* publication = std::get_if<Publication>(&wanted)) {
    publish(cgi, *publication);
  } else if (const auto* to_call = std::get_if<Call>(&wanted)) {
    call(cgi, *to_call);
    presence_.called();
  } else if (const auto* error = std::get_if<Error>(&wanted)) {
    reject(cgi, *error, head);
  } else {
    const auto& options = std::get<PreflightAnswer>(wanted);
    reply(cgi, options_reply(options.methods, options.headers), head);
  }
}

// The operator's location decides who may read it. The answer needs no database.
void Handler::send_status(CgiRequest& cgi, std::string_view form, const Request& request) {
  const bool head = request.method == "HEAD";
  if (!head && request.method != "GET") {
    return reply(cgi, error_reply(method_not_allowed("GET, HEAD")));
  }
  if (!counters_.counts()) {
    return reply(cgi, error_reply(make_error(404, "A CGI program counts nothing")), head);
  }
  const bool prometheus = form == "prometheus";
  if (!prometheus && form != "json") {
    log_line("FastCGI parameter PGEVENTS_STATUS must be prometheus or json");
    return reply(cgi, error_reply(internal_error()), head);
  }
  const std::string type = prometheus ? kPrometheusType : "application/json";
  reply(cgi,
        {200,
         {{"Content-Type", type}, {"Cache-Control", "no-store"}},
         prometheus ? counters_.prometheus() : counters_.json()},
        head);
}

// A client's mistake goes into our log only: the web server would log it as an error.
void Handler::reject(CgiRequest& cgi, const Error& error, bool head_only) {
  if (error.fault != AuthFault::kNone) {
    counters_.add(1, Counter::kAuthFailures, error.fault);
  }
  std::string text = "rejected: " + error.msg + ": " + error.log;
  if (!error.log.empty() && rejected_log_.pass(text)) {
    log_line(text);
  }
  reply(cgi, error_reply(error), head_only);
}

void Handler::reply(CgiRequest& cgi, Reply answer, bool head_only) {
  answer.headers.insert(answer.headers.end(), cors_.begin(), cors_.end());
  status_ = answer.status;
  send_reply(cgi, answer, head_only);
}

// The web server's variables of this request take precedence over the options, also if their value is empty (no
// channel, no user).
RouteRules Handler::rules_for(CgiRequest& cgi) {
  RouteRules rules;
  rules.names = &names_;
  rules.max_channels = options_.max_channels;
  rules.base = cgi.variable("PGEVENTS_BASE").value_or(options_.base);
  rules.access = access_for(cgi);
  return rules;
}

AccessRules Handler::access_for(CgiRequest& cgi) {
  AccessRules rules;
  rules.token.keys = files_.keys.get();
  rules.token.cookie = options_.jwt_cookie;
  rules.token.query = options_.jwt_query;
  rules.token.audience = options_.jwt_audience;
  rules.token.issuer = options_.jwt_issuer;
  rules.token.leeway = options_.jwt_leeway;
  rules.token.require_exp = options_.jwt_require_exp;
  rules.origins = files_.origins.get();
  rules.user = cgi.variable_or_empty("PGEVENTS_USER");
  rules.realm = cgi.variable("PGEVENTS_REALM").value_or(options_.realm);
  rules.subscribe = cgi.variable("PGEVENTS_SUBSCRIBE").value_or(options_.subscribe);
  rules.publish = cgi.variable("PGEVENTS_PUBLISH").value_or(options_.publish);
  rules.anonymous = cgi.variable("PGEVENTS_ANONYMOUS").value_or(options_.anonymous);
  rules.revoked = [this, &cgi](std::string_view user, std::int64_t issued_us) {
    return check_revoked(cgi, user, issued_us);
  };
  return rules;
}

// Asks the database for each request with a token, so that a revocation takes effect at once. While a copy is away, its
// primary is asked: what writes needs the primary only.
std::optional<Error> Handler::check_revoked(CgiRequest& cgi, std::string_view user, std::int64_t issued_us) {
  const postgres::Statement question{sql::kTokenRevoked, {std::string(user), std::to_string(issued_us)}};
  Outcome outcome = databases_.reading().run(question, true);
  report(cgi, outcome.log);
  if (!outcome.value() && databases_.has_primary()) {
    outcome = databases_.writing().run(question, true);
    report(cgi, outcome.log);
  }
  const auto revoked = outcome.value();
  if (!revoked) {
    return outcome.error;
  }
  return *revoked == "t" ? std::optional(token_revoked()) : std::nullopt;
}

// The body, if its sender still has access: sending it may have taken the client a long time.
std::optional<Error> Handler::receive(CgiRequest& cgi, const Session& session, std::size_t limit, std::string& body) {
  if (auto error = read_body(cgi, limit, body)) {
    return error;
  }
  return check_session(session, access_for(cgi).revoked, unix_time());
}

void Handler::publish(CgiRequest& cgi, const Publication& publication) {
  std::string body;
  std::string json;
  if (const auto error = receive(cgi, publication.session, options_.max_event_size, body)) {
    return reject(cgi, *error);
  }
  if (const auto error = publish_body(publication, body, names_, json)) {
    return reject(cgi, *error);
  }
  std::optional<std::string> key;
  if (!publication.idempotency_key.empty()) {
    key = publication.idempotency_key;
  }
  const Outcome outcome = databases_.writing().run(
      {sql::kPublish, {identity_json(publication.session.identity), publication.channel, std::move(json), key}},
      key.has_value());
  report(cgi, outcome.log);
  const auto result = outcome.value();
  result ? reply(cgi, publish_reply(*result)) : reject(cgi, outcome.error);
}

void Handler::call(CgiRequest& cgi, const Call& call) {
  std::string body;
  std::string params;
  if (call.has_body) {
    if (const auto error = receive(cgi, call.session, call_body_limit(options_.max_event_size), body)) {
      return reject(cgi, *error);
    }
  }
  if (const auto error = call_params(call, body, params)) {
    return reject(cgi, *error, call.head_only);
  }
  params = without_unknown_values(call.endpoint, params);
  const Outcome outcome = databases_.writing().run(
      {sql::call_statement(call.endpoint), {identity_json(call.session.identity), std::move(params)}},
      call_is_repeatable(call.endpoint));
  report(cgi, outcome.log);
  const auto result = outcome.value();
  result ? reply(cgi, call_reply(*result), call.head_only) : reject(cgi, outcome.error, call.head_only);
}

void Handler::idle() noexcept {
  try {
    presence_.catch_up();
    if (databases_.has_primary() && databases_.writing().is_connected()) {
      log_unless_empty(sequence());
    }
    if (std::chrono::steady_clock::now() >= next_prune_ && databases_.ready_to_write()) {
      prune();
    }
  } catch (const std::exception& problem) {
    log_line(problem.what());
  }
}

void Handler::prune() {
  if (databases_.is_lone_copy()) {
    next_prune_ = std::chrono::steady_clock::now() + kPruneInterval;
    return;
  }
  const Outcome outcome = databases_.writing().run({sql::kPrune, {kPruneRows}}, true);
  log_unless_empty(outcome.log);
  // After a full batch there is more to prune: soon, but not at once, because requests may wait.
  const bool full = outcome.value() == std::string_view(kPruneRows);
  next_prune_ = std::chrono::steady_clock::now() + (full ? std::chrono::seconds(1) : kPruneInterval);
}

}  // namespace pgevents::fallback
