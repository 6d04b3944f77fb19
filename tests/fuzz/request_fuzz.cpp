// route(), which calls identify(), check_origin() and check_grant(), on whole requests and rules (scene.hpp): its
// decisions are compared with a second implementation of the rules.
#include <algorithm>
#include <cmath>

#include "core/text/json_text.hpp"
#include "core/text/url.hpp"
#include "core/text/utf8.hpp"
#include "grants.hpp"
#include "scene.hpp"

namespace pgevents::fuzzing {

namespace {

bool tokens_count(const AccessRules& rules) {
  return rules.token.keys != nullptr;
}

// --- identity ---

void check_web_user(const Session& session, const AccessRules& rules) {
  require_equal(session.identity.user, rules.user, "without a token the web server names the user");
  require_equal(session.identity.realm, rules.realm.empty() ? "main" : rules.realm,
                "without a token the realm is the web server's");
  require(session.issued_us == 0 && !session.expires_at, "and no token's times");
}

void check_times(const Claims& claims, const Session& session, const TokenRules& rules) {
  require(claims.expires_at || !rules.require_exp, "a token has an expiry where it needs one");
  require(claims.expires_at.has_value() == session.expires_at.has_value(), "an expiry stays an expiry");
  if (claims.expires_at) {
    require(*session.expires_at == *claims.expires_at + rules.leeway, "the session ends with the token");
    require(kNow < *session.expires_at, "the session has not ended yet");
  }
  const double latest = kNow + 1 + rules.leeway;  // docs/security.md, `iat`
  require(claims.not_before.value_or(0) <= latest && claims.issued_at.value_or(0) <= latest,
          "the token is valid by now");
  const double issued = claims.issued_at.value_or(0) * 1e6;
  require(issued <= 0 || std::fabs(issued - static_cast<double>(session.issued_us)) <= 1 + issued * 1e-9,
          "the session has the token's age");
}

void check_token_user(const Caller& caller, const AccessRules& rules, const Scene& scene) {
  const Session& session = caller.session;
  require(tokens_count(rules) && rules.user.empty(), "a token counts where tokens do");
  const auto verified = rules.token.keys->verify(scene.token(), kNow);
  const auto* const result = std::get_if<std::shared_ptr<const Claims>>(&verified);
  require(result != nullptr, "the token is the one that was signed", scene.token());
  const Claims& claims = **result;
  require_equal(session.identity.user, claims.user, "the user is that of the token");
  const std::string_view other = rules.realm.empty() ? "main" : rules.realm;
  require_equal(session.identity.realm, claims.realm.empty() ? other : claims.realm, "the realm is that of the token");
  require(rules.realm.empty() || session.identity.realm == rules.realm, "it is the realm of this place");
  require(rules.token.issuer.empty() || claims.issuer == rules.token.issuer, "the issuer is the right one");
  const std::string_view service = rules.token.audience;
  require(service.empty() || std::count(claims.audience.begin(), claims.audience.end(), service) > 0,
          "the token is for this service");
  require(session.identity.user[0] != 'r' || session.issued_us >= 500000000, "revoked tokens are rejected");
  require(caller.subscribe == claims.subscribe && caller.publish == claims.publish,
          "the grants are those of the token");
  check_times(claims, session, rules.token);
}

void check_caller(const Caller& caller, const Scene& scene) {
  const Request& request = scene.request();
  const AccessRules& rules = scene.rules().access;
  const Identity& identity = caller.session.identity;
  require(identity.user.empty() || name_is_sane(identity.user), "a user has a sane name", identity.user);
  require(name_is_sane(identity.realm), "a realm has a sane name", identity.realm);
  require(json_valid(identity_json(identity)), "an identity is valid JSON", identity_json(identity));
  if (caller.session.by_token) {
    check_token_user(caller, rules, scene);
  } else {
    check_web_user(caller.session, rules);
    require(caller.subscribe.empty() && caller.publish.empty(), "without a token the caller has no grants of one");
  }
  require(!caller.by_cookie || (caller.session.by_token && !rules.token.cookie.empty() && !request.cookie.empty()),
          "a cookie counts where cookies do");
  require(caller.ambient == (caller.by_cookie || !caller.session.by_token), "ambient credentials are marked");
  require(caller.ambient || !request.authorization.empty() || (rules.token.query && !request.query.empty()),
          "what was sent on purpose is there");
}

// --- grants ---

bool any_stands_for(std::string_view patterns, const Identity& identity, const std::string& name) {
  while (!patterns.empty()) {
    const std::size_t end = std::min(patterns.find_first_of(" \t\r\n"), patterns.size());
    if (end > 0 && stands_for(std::string(patterns.substr(0, end)), identity, name)) {
      return true;
    }
    patterns.remove_prefix(std::min(end + 1, patterns.size()));
  }
  return false;
}

bool is_reserved(const std::string& channel) {
  return channel.compare(0, 9, "pgevents.") == 0;
}

// `user:<user>`, outside of `main` `user@<realm>:<user>`, the realm without `=` and `:`.
std::string channel_of(const Identity& who) {
  if (who.realm == "main") {
    return "user:" + who.user;
  }
  return "user@" + realm_text(who.realm) + ":" + who.user;
}

bool may(const Caller& caller, const AccessRules& rules, bool subscribe, const std::string& channel) {
  const Identity& who = caller.session.identity;
  if (is_reserved(channel)) {
    return false;
  }
  const auto& own = subscribe ? caller.subscribe : caller.publish;
  for (const std::string& pattern : own) {
    if (!pattern.empty() && stands_for(pattern, who, channel)) {
      return true;
    }
  }
  if (any_stands_for(subscribe ? rules.subscribe : rules.publish, who, channel)) {
    return true;
  }
  return subscribe &&
         (any_stands_for(rules.anonymous, who, channel) || (!who.user.empty() && channel == channel_of(who)));
}

void check_channel(const std::string& channel, const Caller& caller, const Scene& scene, bool subscribe) {
  require(scene.rules().names->matches(channel), "a channel's name matches the pattern", channel);
  require(may(caller, scene.rules().access, subscribe, channel), "only granted channels are accepted", channel);
  require(scene.request().path.find(channel) != std::string_view::npos, "a channel stands in the decoded path",
          channel);
}

// The channel that an error names was not granted to the caller.
void check_refusal(const Error& error, const Caller& caller, const Scene& scene) {
  constexpr std::string_view kNaming = " for channel '";
  const std::size_t start = error.msg.find(kNaming);
  if ((error.status != 401 && error.status != 403) || start == std::string::npos) {
    return;
  }
  const std::string channel = error.msg.substr(start + kNaming.size(), error.msg.size() - start - kNaming.size() - 1);
  const bool subscribe = scene.request().method != "POST";
  require(!may(caller, scene.rules().access, subscribe, channel), "granted channels are accepted", channel);
  const bool known = caller.session.by_token || !caller.session.identity.user.empty();
  const bool helpless = known || !tokens_count(scene.rules().access) || is_reserved(channel);
  require(error.status == (helpless ? 403 : 401), "401 where a token might help", channel);
}

// --- origins ---

std::string host_of(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  std::string host(authority.substr(0, authority.find(':', bracket == std::string_view::npos ? 0 : bracket)));
  for (char& c : host) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return host;
}

// Whether a page in a browser may have caused this request.
bool may_change(const Request& request, const Caller& caller, const OriginRules& origins) {
  const std::string_view site = request.sec_fetch_site;
  if (!caller.ambient) {
    return true;
  }
  if (site == "same-origin" || site == "same-site" || site == "none") {
    return true;
  }
  if (origins.allows(request.origin)) {
    return true;
  }
  if (!site.empty()) {
    return false;
  }
  if (request.origin.empty()) {
    return !caller.by_cookie;
  }
  const std::size_t end = request.origin.find("://");
  const std::string_view scheme = request.origin.substr(0, end);
  if (end == std::string_view::npos || !(scheme == "https" || (scheme == "http" && !request.https))) {
    return false;
  }
  const std::string host = host_of(request.host);
  return !host.empty() && host_of(request.origin.substr(end + 3)) == host;
}

// --- answers ---

// One JSON object that jsonb accepts: no NUL, no half of a surrogate pair, no name twice.
bool params_are_storable(std::string_view params) {
  std::vector<std::string> names;
  bool good = !repeats(params, "\\u0000");
  const bool is_object = json_members(params, [&](const std::string& name, std::string_view value) {
    good = good && utf8_valid(name) && std::count(names.begin(), names.end(), name) == 0;
    good = good && (value.front() != '"' || json_string(value));
    names.push_back(name);
  });
  return is_object && good;
}

void check_error(const Error& error, const Scene& scene) {
  const Reply reply = error_reply(error);
  require(reply.status >= 400 && reply.status <= 499, "a rejected request is the client's fault");
  require(json_valid(reply.body), "an error is valid JSON", reply.body);
  for (const Header& header : reply.headers) {
    require(!has_control(header.value), "a header is one line", header.value);
  }
  // A caller without a user gets a challenge only if a token would help.
  const bool known_to_nginx = error.msg == "Invalid user" || error.msg == "Authentication required";
  require((error.status == 401) == !error.challenge.empty() || known_to_nginx, "a 401 has a challenge");
  const std::string signature = scene.token().substr(scene.token().find_last_of('.') + 1);
  if (signature.empty()) {
    return;
  }
  for (const std::string_view text : {std::string_view(reply.body), std::string_view(error.log)}) {
    require(!repeats(text, signature), "no error repeats the token", text);
  }
}

void check_subscription(const Subscription& wanted, const Caller& caller, const Scene& scene) {
  require(scene.request().method == "GET" || scene.request().method == "HEAD", "reading is a GET");
  require(!wanted.channels.empty() && wanted.channels.size() <= scene.rules().max_channels,
          "the list of channels is not empty");
  require(std::is_sorted(wanted.channels.begin(), wanted.channels.end(), std::less_equal<>()), "each appears once");
  for (const std::string& channel : wanted.channels) {
    check_channel(channel, caller, scene, true);
  }
  require(wanted.wait_id.size() <= 128 && !has_control(wanted.wait_id), "a wait id is valid", wanted.wait_id);
  require(!wanted.timeout || *wanted.timeout >= 0, "a timeout is not negative");
  for (const std::string& type : wanted.filter.types) {
    require(name_is_sane(type), "a type has a sane name", type);
  }
}

void check_publication(const Publication& wanted, const Caller& caller, const Scene& scene) {
  require(scene.request().method == "POST", "publishing is a POST");
  check_channel(wanted.channel, caller, scene, false);
  require(may_change(scene.request(), caller, *scene.rules().access.origins), "no foreign page publishes");
  require(!scene.request().early_data || !wanted.idempotency_key.empty(), "a replay stores nothing");
  require(!has_control(wanted.idempotency_key) && utf8_valid(wanted.idempotency_key), "a key is text");
}

void check_call(const Call& wanted, const Caller& caller, const Scene& scene) {
  const std::string_view method = scene.request().method;
  require(!caller.session.identity.user.empty(), "a call has a user");
  require(wanted.has_body == (method == "POST" || method == "PATCH"), "reading takes no body");
  require(!wanted.has_body || may_change(scene.request(), caller, *scene.rules().access.origins),
          "no foreign page changes anything");
  require(!wanted.has_body || !scene.request().early_data, "a replay changes nothing");
  require(wanted.user.empty() || name_is_sane(wanted.user), "a user in the path has a sane name", wanted.user);
  std::string params;
  const auto error = call_params(wanted, scene.request().query, params);  // any text serves as a body
  if (error) {
    return check_error(*error, scene);
  }
  require(params_are_storable(params), "parameters fit into the database", params);
}

void check_options(const PreflightAnswer& answer, const Scene& scene) {
  require(scene.request().method == "OPTIONS", "OPTIONS answers OPTIONS");
  const OriginRules& origins = *scene.rules().access.origins;
  const std::string_view origin = scene.request().origin;
  require(answer.headers.empty() || (!origin.empty() && (origins.any() || origins.allows(origin))),
          "a preflight is answered for allowed origins", origin);
}

bool same(const Session& a, const Session& b) {
  return a.identity.user == b.identity.user && a.identity.realm == b.identity.realm && a.by_token == b.by_token &&
         a.issued_us == b.issued_us && a.expires_at == b.expires_at;
}

void check_refused_caller(const Error& wanted, const Route& route) {
  const auto* const error = std::get_if<Error>(&route);
  require(error != nullptr || std::holds_alternative<PreflightAnswer>(route), "an unidentified caller gets an error");
  if (error == nullptr || error->status == 404 || error->status == 405 || error->status == 425) {
    return;
  }
  require_equal(error->msg, wanted.msg, "the error has its message");
}

}  // namespace

void fuzz(std::string_view input) {
  const Scene scene(input);
  const auto route = pgevents::route(scene.request(), scene.rules(), kNow);
  const auto identified = identify(scene.request(), scene.rules().access, kNow);
  if (const auto* const error = std::get_if<Error>(&route)) {
    check_error(*error, scene);
  }
  if (const auto* const options = std::get_if<PreflightAnswer>(&route)) {
    return check_options(*options, scene);
  }
  if (const auto* const error = std::get_if<Error>(&identified)) {
    check_error(*error, scene);
    const bool two_tokens = error->msg == "Parameter 'access_token' is given twice";
    require(error->status == (two_tokens ? 400 : 401), "an unidentified caller gets a 401");
    return check_refused_caller(*error, route);
  }
  const Caller& caller = std::get<Caller>(identified);
  check_caller(caller, scene);
  if (const auto* const error = std::get_if<Error>(&route)) {
    check_refusal(*error, caller, scene);
    if (error->msg != "Not authorized from this origin") {
      return;
    }
    require(!may_change(scene.request(), caller, *scene.rules().access.origins), "only foreign pages are rejected");
  } else if (const auto* const subscription = std::get_if<Subscription>(&route)) {
    require(same(subscription->session, caller.session), "the session is the caller's");
    check_subscription(*subscription, caller, scene);
  } else if (const auto* const call = std::get_if<Call>(&route)) {
    require(same(call->session, caller.session), "the session is the caller's");
    check_call(*call, caller, scene);
  } else {
    const auto& publication = std::get<Publication>(route);
    require(same(publication.session, caller.session), "the session is the caller's");
    check_publication(publication, caller, scene);
  }
}

}  // namespace pgevents::fuzzing
