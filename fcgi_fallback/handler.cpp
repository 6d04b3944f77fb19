// The fallback's answers. Arrays are bounded, and the cursor continues where they end; streams are written page by
// page.
#include "fcgi_fallback/handler.hpp"

#include <algorithm>
#include <exception>
#include <random>

#include "core/text/url.hpp"
#include "core/wire/event.hpp"
#include "core/wire/reply.hpp"
#include "core/wire/sql.hpp"
#include "fcgi_fallback/event_pages.hpp"
#include "fcgi_fallback/response.hpp"

namespace pgevents::fallback {

namespace {

constexpr std::size_t kMegabyte = 1 << 20;
constexpr std::size_t kMaxArrayBytes = kMegabyte;
constexpr std::size_t kMaxArrayEvents = 1000;
// Of a stream to a client that does not read, nginx keeps what the fallback sent in a temporary file.
constexpr std::size_t kMaxStreamBytes = kMegabyte;
constexpr std::size_t kMaxPages = 200;
// A stream that ends although there is more is taken up again so soon, in milliseconds.
constexpr char kComeBackSoon[] = "retry: 100\n\n";
constexpr unsigned kSpread = 3;  // of the reconnection time while the database is away: up to so many times as long
constexpr Statement kPublish{"pgevents_publish", sql::kPublish};
constexpr Statement kTokenRevoked{"pgevents_token_revoked", sql::kTokenRevoked};
constexpr Statement kPrune{"pgevents_prune", sql::kPrune};
constexpr char kPruneRows[] = "5000";
constexpr std::chrono::seconds kPruneInterval{60};

// The prepared statements' names.
const char* call_name(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kRegister:
      return "pgevents_register";
    case Endpoint::kReportPresence:
      return "pgevents_report_presence";
    case Endpoint::kUserPresence:
      return "pgevents_user_presence";
    case Endpoint::kRealmPresence:
      return "pgevents_realm_presence";
    case Endpoint::kTyping:
      return "pgevents_typing";
    case Endpoint::kSettings:
      return "pgevents_settings";
  }
  return nullptr;
}

std::string_view text_or_empty(const Exchange& exchange, const char* name) {
  return exchange.param(name).value_or(std::string_view());
}

// Which variable holds the path depends on the web server: PATH_INFO where a script is addressed, which is what stands before it,
// DOCUMENT_URI with nginx's usual parameters.
void take_path(const Exchange& exchange, Request& request) {
  request.target = text_or_empty(exchange, "REQUEST_URI");
  request.path = text_or_empty(exchange, "PATH_INFO");
  if (!request.path.empty()) {
    request.mount = text_or_empty(exchange, "SCRIPT_NAME");
    return;
  }
  request.path = text_or_empty(exchange, "DOCUMENT_URI");
  if (request.path.empty()) request.path = text_or_empty(exchange, "SCRIPT_NAME");
}

// `cookies` must outlive the request.
Request request_of(const Exchange& exchange, const std::string& cookies) {
  Request request;
  request.method = text_or_empty(exchange, "REQUEST_METHOD");
  take_path(exchange, request);
  request.query = text_or_empty(exchange, "QUERY_STRING");
  request.accept = text_or_empty(exchange, "HTTP_ACCEPT");
  request.last_event_id = text_or_empty(exchange, "HTTP_LAST_EVENT_ID");
  request.flavor = text_or_empty(exchange, "HTTP_FLAVOR");
  request.content_type = text_or_empty(exchange, "CONTENT_TYPE");
  request.content_encoding = text_or_empty(exchange, "HTTP_CONTENT_ENCODING");
  request.idempotency_key = text_or_empty(exchange, "HTTP_IDEMPOTENCY_KEY");
  request.authorization = text_or_empty(exchange, "HTTP_AUTHORIZATION");
  request.cookie = cookies;
  request.origin = text_or_empty(exchange, "HTTP_ORIGIN");
  request.host = text_or_empty(exchange, "HTTP_HOST");
  request.sec_fetch_site = text_or_empty(exchange, "HTTP_SEC_FETCH_SITE");
  request.preflight_method = text_or_empty(exchange, "HTTP_ACCESS_CONTROL_REQUEST_METHOD");
  request.early_data = !text_or_empty(exchange, "HTTP_EARLY_DATA").empty();
  const std::string_view https = text_or_empty(exchange, "HTTPS");
  request.https = (!https.empty() && https != "off") || text_or_empty(exchange, "REQUEST_SCHEME") == "https";
  return request;
}

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Whether the query holds a token, or cannot be told not to.
bool query_has_token(const Exchange& exchange) {
  FormFields fields;
  return parse_form(text_or_empty(exchange, "QUERY_STRING"), "query", fields) ||
         std::any_of(fields.begin(), fields.end(), [](const auto& field) { return field.first == "access_token"; });
}

// nginx writes the request line behind what a FastCGI program says: where that holds a token, it is told nothing.
void report(Exchange& exchange, std::string_view text) {
  if (text.empty()) return;
  query_has_token(exchange) ? log_line(text) : exchange.log(text);
}

void append_frame(std::string& out, const EventView& event, bool envelope) {
  if (!envelope) {
    append_sse(out, event.type, event.data, event.id);
    return;
  }
  std::string object;
  append_json(object, event);
  append_sse(out, event.type, object, event.id);
}

}  // namespace

void Handler::handle(Exchange& exchange) noexcept {
  try {
    answer(exchange);
  } catch (const std::exception& problem) {
    // No memory, most likely. If a part of the answer is out already, the client's cursor covers the rest.
    log_line(problem.what());
  }
}

// The web server sends the same ones with every request of a location, so a few requests show them all.
void Handler::look_for_unknown_parameters(Exchange& exchange) {
  constexpr std::size_t kMostNamed = 16;
  for (const std::string_view name : exchange.names()) {
    if (is_request_parameter(name) || named_.size() >= kMostNamed || !named_.emplace(name).second) continue;
    log_line("FastCGI parameter " + std::string(name) + ": there is no such parameter, it has no effect");
  }
}

void Handler::answer(Exchange& exchange) {
  look_for_unknown_parameters(exchange);
  const std::string cookies = exchange.cookies();
  const Request request = request_of(exchange, cookies);
  const bool head = request.method == "HEAD";
  cors_ = cors_headers(files_.origins.get(), request.origin);
  arrived_ = unix_time();
  const Route wanted = route(request, settings_for(exchange), arrived_);
  if (const auto* subscription = std::get_if<Subscription>(&wanted)) {
    const bool stream = subscription->flavor == Flavor::kEventSource;
    stream ? send_stream(exchange, *subscription) : send_array(exchange, *subscription);
    const bool counts = !subscription->head_only && !subscription->session.unchecked;
    if (counts) presence_.polled(subscription->session.identity);
  } else if (const auto* publication = std::get_if<Publication>(&wanted)) {
    publish(exchange, *publication);
  } else if (const auto* to_call = std::get_if<Call>(&wanted)) {
    call(exchange, *to_call);
    presence_.called();
  } else if (const auto* error = std::get_if<Error>(&wanted)) {
    refuse(exchange, *error, head);
  } else {
    const auto& options = std::get<Options>(wanted);
    reply(exchange, options_reply(options.methods, options.headers), head);
  }
}

// What clients do wrong is no error of the server's: the web server's log, where it would be one, is not told.
void Handler::refuse(Exchange& exchange, const Error& error, bool head_only) {
  std::string text = "refused: " + error.msg + ": " + error.log;
  if (!error.log.empty() && refused_log_.pass(text)) log_line(text);
  reply(exchange, error_reply(error), head_only);
}

void Handler::reply(Exchange& exchange, Reply answer, bool head_only) {
  answer.headers.insert(answer.headers.end(), cors_.begin(), cors_.end());
  send_reply(exchange, answer, head_only);
}

// What the web server says about this request wins over the options, also when it says "nobody" (an empty value).
Settings Handler::settings_for(Exchange& exchange) {
  Settings settings;
  settings.names = &names_;
  settings.max_channels = options_.max_channels;
  settings.base = exchange.param("PGEVENTS_BASE").value_or(options_.base);
  settings.access = access_for(exchange);
  return settings;
}

AccessRules Handler::access_for(Exchange& exchange) {
  AccessRules rules;
  rules.token.keys = files_.keys.get();
  rules.token.cookie = options_.jwt_cookie;
  rules.token.query = options_.jwt_query;
  rules.token.audience = options_.jwt_audience;
  rules.token.issuer = options_.jwt_issuer;
  rules.token.leeway = options_.jwt_leeway;
  rules.token.require_exp = options_.jwt_require_exp;
  rules.origins = files_.origins.get();
  rules.user = text_or_empty(exchange, "PGEVENTS_USER");
  rules.realm = exchange.param("PGEVENTS_REALM").value_or(options_.realm);
  rules.subscribe = exchange.param("PGEVENTS_SUBSCRIBE").value_or(options_.subscribe);
  rules.publish = exchange.param("PGEVENTS_PUBLISH").value_or(options_.publish);
  rules.anonymous = exchange.param("PGEVENTS_ANONYMOUS").value_or(options_.anonymous);
  rules.revoked = [this, &exchange](std::string_view user, std::int64_t issued_us) {
    return check_revoked(exchange, user, issued_us);
  };
  return rules;
}

// The database itself is asked, for each request with a token: what it knows counts at once.
std::optional<Error> Handler::check_revoked(Exchange& exchange, std::string_view user, std::int64_t issued_us) {
  const std::string name(user);
  const std::string issued = std::to_string(issued_us);
  const char* const values[] = {name.c_str(), issued.c_str()};
  const Outcome outcome = database_.run(kTokenRevoked, values, 2, true);
  report(exchange, outcome.log);
  if (!outcome.rows || PQntuples(outcome.rows.get()) != 1) return outcome.error;
  if (std::string_view(PQgetvalue(outcome.rows.get(), 0, 0)) == "t") return token_revoked();
  return std::nullopt;
}

void Handler::send_array(Exchange& exchange, const Subscription& subscription) {
  EventPages pages(database_, subscription);
  std::string array = "[";
  std::string log;
  std::size_t events = 0;
  for (std::size_t count = 0; count < kMaxPages && !pages.at_end() && !pages.tired(); ++count) {
    const auto error = pages.next(
        [&](const EventView& event) {
          if (events++ > 0) array += ',';
          append_json(array, event);
        },
        log);
    report(exchange, log);
    if (error) return refuse(exchange, *error, subscription.head_only);
    if (array.size() >= kMaxArrayBytes || events >= kMaxArrayEvents) break;
  }
  array += ']';
  // Whoever asked not to wait is told that, and not that the module is missing.
  const bool asked = subscription.flavor == Flavor::kPoll || subscription.timeout == 0.0;
  const PollKind kind = asked ? PollKind::kRequested : PollKind::kFallback;
  // There is more already: the client need not wait to come back for it.
  const unsigned interval = pages.at_end() ? options_.poll_interval : 0;
  reply(exchange, poll_reply(std::move(array), pages.cursor(), kind, interval), subscription.head_only);
}

bool Handler::send_stream_head(Exchange& exchange) {
  auto headers = stream_headers_here();
  headers.insert(headers.end(), cors_.begin(), cors_.end());
  return send_head(exchange, 200, headers);
}

// The log cannot be asked: the client is told to come back. After an error a browser's EventSource would not.
void Handler::send_later(Exchange& exchange, const Subscription& subscription) {
  const unsigned retry = spread_retry(options_.poll_interval * 1000, kSpread, std::random_device()());
  const std::string text = stream_waiting(retry, fixed_start(subscription.cursor, arrived_));
  if (send_stream_head(exchange)) exchange.write(text);
}

void Handler::send_stream(Exchange& exchange, const Subscription& subscription) {
  if (subscription.session.unchecked) return send_later(exchange, subscription);
  EventPages pages(database_, subscription);
  std::string out, log;
  std::size_t sent = 0;
  std::uint64_t client_cursor = 0;
  bool failed = false;
  const auto visit = [&](const EventView& event) {
    append_frame(out, event, subscription.envelope);
    client_cursor = event.id;
  };
  for (std::size_t count = 0; count < kMaxPages && !pages.at_end() && !pages.tired() && sent < kMaxStreamBytes;
       ++count) {
    const auto error = pages.next(visit, log);
    report(exchange, log);
    if (error && count == 0) {
      return error->status < 500 ? refuse(exchange, *error) : send_later(exchange, subscription);
    }
    failed = error.has_value();
    if (failed) break;  // the client comes back with the cursor that it has got to
    if (count == 0) {
      if (client_cursor == 0) client_cursor = pages.first_cursor();
      const std::string opening = stream_opening(options_.poll_interval * 1000, pages.first_cursor());
      if (!send_stream_head(exchange) || !exchange.write(opening)) return;
    }
    if (!exchange.write(out) || !exchange.flush()) return;
    sent += out.size();
    out.clear();
  }
  if (client_cursor != pages.cursor()) exchange.write(stream_cursor(pages.cursor()));
  if (!failed && !pages.at_end()) exchange.write(kComeBackSoon);
}

// The body, from whoever may still send one: reading it may have taken the client a long time.
std::optional<Error> Handler::receive(Exchange& exchange, const Session& session, std::size_t limit,
                                      std::string& body) {
  if (auto error = read_body(exchange, limit, body)) return error;
  return check_session(session, access_for(exchange).revoked, unix_time());
}

void Handler::publish(Exchange& exchange, const Publication& publication) {
  std::string body, json;
  if (const auto error = receive(exchange, publication.session, options_.max_event_size, body))
    return refuse(exchange, *error);
  if (const auto error = publish_body(publication, body, names_, json)) {
    return refuse(exchange, *error);
  }
  const std::string identity = identity_json(publication.session.identity);
  const bool has_key = !publication.idempotency_key.empty();
  const char* const values[] = {identity.c_str(), publication.channel.c_str(), json.c_str(),
                                has_key ? publication.idempotency_key.c_str() : nullptr};
  const Outcome outcome = database_.run(kPublish, values, 4, has_key);
  report(exchange, outcome.log);
  if (!outcome.rows || PQntuples(outcome.rows.get()) != 1) {
    return refuse(exchange, outcome.error);
  }
  reply(exchange, publish_reply(PQgetvalue(outcome.rows.get(), 0, 0)));
}

void Handler::call(Exchange& exchange, const Call& call) {
  std::string body, params;
  if (call.has_body) {
    const std::size_t limit = std::min<std::size_t>(options_.max_event_size, kMaxCallBytes);
    if (const auto error = receive(exchange, call.session, limit, body)) return refuse(exchange, *error);
  }
  if (const auto error = call_params(call, body, params)) return refuse(exchange, *error, call.head_only);
  params = without_unknown_values(call.endpoint, params);
  const std::string identity = identity_json(call.session.identity);
  const char* const values[] = {identity.c_str(), params.c_str()};
  const Statement statement{call_name(call.endpoint), call_statement(call.endpoint)};
  const Outcome outcome = database_.run(statement, values, 2, call_is_repeatable(call.endpoint));
  report(exchange, outcome.log);
  if (!outcome.rows || PQntuples(outcome.rows.get()) != 1) return refuse(exchange, outcome.error, call.head_only);
  const PGresult* const rows = outcome.rows.get();
  const std::string_view result(PQgetvalue(rows, 0, 0), static_cast<std::size_t>(PQgetlength(rows, 0, 0)));
  reply(exchange, call_reply(result), call.head_only);
}

void Handler::idle() noexcept {
  try {
    presence_.catch_up();
    if (std::chrono::steady_clock::now() >= next_prune_ && database_.is_connected()) prune();
  } catch (const std::exception& problem) {
    log_line(problem.what());
  }
}

void Handler::prune() {
  const char* const values[] = {kPruneRows};
  const Outcome outcome = database_.run(kPrune, values, 1, true);
  if (!outcome.log.empty()) log_line(outcome.log);
  // After a full batch there is more to do: soon again, but not at once, others want to be served.
  const bool full = outcome.rows && std::string_view(PQgetvalue(outcome.rows.get(), 0, 0)) == kPruneRows;
  next_prune_ = std::chrono::steady_clock::now() + (full ? std::chrono::seconds(1) : kPruneInterval);
}

}  // namespace pgevents::fallback
