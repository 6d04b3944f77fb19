// Decides about identity, grants and origins, for module and fallback alike; see access.hpp.
#include "core/request/access.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/request/handshake_headers.hpp"
#include "core/text/header_value.hpp"
#include "core/text/name_pattern.hpp"
#include "core/text/url.hpp"

namespace pgevents {

namespace {

// The error for a token that is not valid (RFC 6750, section 3.1).
Error bad_token(AuthFault fault, std::string msg, std::string code = {}, std::string log = {}) {
  Error error = make_error(401, std::move(msg), std::move(code));
  error.challenge = "Bearer error=\"invalid_token\"";
  error.log = std::move(log);
  error.fault = fault;
  return error;
}

Error rejection(AuthFault fault, int status, std::string msg) {
  Error error = make_error(status, std::move(msg));
  error.fault = fault;
  return error;
}

Error token_expired() {
  return bad_token(AuthFault::kExpired, "The token has expired", "TOKEN_EXPIRED");
}

// --- finding the token ---

struct FoundToken {
  enum class Source { kHeader, kProtocol, kQuery, kCookie };
  Source source;
  std::string text;
};

// Sets `token` if the query has one. Two are an error: client and application could mean different ones.
std::optional<Error> from_query(std::string_view query, std::optional<std::string>& token) {
  FormFields fields;
  if (parse_form(query, "query", fields)) {
    return std::nullopt;  // a 400 later
  }
  for (auto& [name, value] : fields) {
    if (name != "access_token") {
      continue;
    }
    if (token) {
      return given_twice("Parameter", name);
    }
    token = std::move(value);
  }
  return std::nullopt;
}

// Leaves `token` empty if the request has none.
std::optional<Error> find_token(const Request& request, const TokenRules& rules, std::optional<FoundToken>& token) {
  if (rules.keys == nullptr || rules.keys->empty()) {
    return std::nullopt;
  }
  auto text = bearer_credentials(request.authorization);
  auto source = FoundToken::Source::kHeader;
  if (!text && is_handshake(request)) {
    source = FoundToken::Source::kProtocol;
    text = token_in_protocols(request.web_socket_protocol);
  }
  if (!text && rules.query) {
    source = FoundToken::Source::kQuery;
    if (auto error = from_query(request.query, text)) {
      return error;
    }
  }
  if (!text && !rules.cookie.empty()) {
    source = FoundToken::Source::kCookie;
    text = cookie_value(request.cookie, rules.cookie);
  }
  if (text) {
    token = FoundToken{source, std::move(*text)};
  }
  return std::nullopt;
}

// --- its claims ---

// The server's clock is that of its last look at it, in whole milliseconds: a token that was made on the same machine a
// moment ago may seem to come from the future.
constexpr double kClockLag = 1;

std::optional<Error> check_time(const Claims& claims, const TokenRules& rules, double now) {
  if (!claims.expires_at && rules.require_exp) {
    return bad_token(AuthFault::kNoExpiry, "The token has no expiry");
  }
  if (claims.expires_at && now >= *claims.expires_at + rules.leeway) {
    return token_expired();
  }
  for (const auto& start : {claims.not_before, claims.issued_at}) {
    if (start && *start > now + kClockLag + rules.leeway) {
      return bad_token(AuthFault::kNotYetValid, "The token is not valid yet");
    }
  }
  return std::nullopt;
}

std::optional<Error> check_service(const Claims& claims, const TokenRules& rules) {
  const auto& audience = claims.audience;
  const bool for_us =
      rules.audience.empty() || std::find(audience.begin(), audience.end(), rules.audience) != audience.end();
  if (!for_us) {
    return bad_token(AuthFault::kAudience, "The token is for another service", {}, "aud is not the configured one");
  }
  if (!rules.issuer.empty() && claims.issuer != rules.issuer) {
    return bad_token(AuthFault::kIssuer, "The token is for another service", {}, "iss is not the configured one");
  }
  return std::nullopt;
}

// A time before the epoch counts as unknown. (No claimed time is beyond kMaxClaimedTime.)
std::int64_t issued_us(const Claims& claims) {
  return static_cast<std::int64_t>(std::floor(std::max(claims.issued_at.value_or(0), 0.0) * 1e6));
}

Session session_of(const Claims& claims, const AccessRules& rules) {
  Session session;
  session.identity.user = claims.user;
  session.identity.realm = !claims.realm.empty() ? claims.realm : rules.realm.empty() ? kDefaultRealm : rules.realm;
  session.by_token = true;
  session.issued_us = issued_us(claims);
  if (claims.expires_at) {
    session.expires_at = *claims.expires_at + rules.token.leeway;
  }
  return session;
}

// What verify() finds depends on the keys and the text only, not on the time.
JwtKeys::Result verify(const std::string& text, const TokenRules& rules, double now) {
  const RejectedToken* known = rules.rejected == nullptr ? nullptr : rules.rejected->get();
  if (known != nullptr && known->keys == rules.keys && known->text == text) {
    return known->fault;
  }
  JwtKeys::Result verified = rules.keys->verify(text, now);
  const auto* fault = std::get_if<TokenFault>(&verified);
  if (fault != nullptr && rules.rejected != nullptr) {
    *rules.rejected = std::make_unique<RejectedToken>(RejectedToken{rules.keys, text, *fault});
  }
  return verified;
}

std::variant<Error, Caller> by_token(const FoundToken& token, const AccessRules& rules, double now) {
  const auto verified = verify(token.text, rules.token, now);
  if (const auto* fault = std::get_if<TokenFault>(&verified)) {
    return bad_token(fault->fault, fault->msg, {}, fault->log);
  }
  const Claims& claims = *std::get<std::shared_ptr<const Claims>>(verified);
  if (auto error = check_time(claims, rules.token, now)) {
    return *error;
  }
  if (auto error = check_service(claims, rules.token)) {
    return *error;
  }
  if (!rules.realm.empty() && !claims.realm.empty() && claims.realm != rules.realm) {
    return bad_token(AuthFault::kRealm, "The token is for another realm");
  }
  Caller caller;
  caller.session = session_of(claims, rules);
  caller.subscribe = claims.subscribe;
  caller.publish = claims.publish;
  caller.by_cookie = token.source == FoundToken::Source::kCookie;
  caller.ambient = caller.by_cookie;
  if (auto error = check_session(caller.session, rules.revoked, now)) {
    if (error->status < 500) {
      return *error;
    }
    caller.session.unchecked = true;
    caller.unchecked = std::make_shared<const Error>(std::move(*error));
  }
  return caller;
}

// The web server's values may come from the request (a certificate, a host name), so they are checked too.
std::optional<Error> check_server(const AccessRules& rules) {
  for (const std::string_view name : {rules.user, rules.realm}) {
    if (name.empty() || name_is_sane(name)) {
      continue;
    }
    Error error = rejection(AuthFault::kUser, 401, "Invalid user");
    error.log = "the web server's user or realm is too long, not UTF-8 or holds control characters";
    return error;
  }
  return std::nullopt;
}

Caller by_server(const AccessRules& rules) {
  Caller caller;
  caller.session.identity.user = rules.user;
  caller.session.identity.realm = rules.realm.empty() ? kDefaultRealm : rules.realm;
  caller.ambient = true;
  return caller;
}

// --- grants ---

bool reserved(std::string_view name) {
  return name.substr(0, kReservedChannelPrefix.size()) == kReservedChannelPrefix;
}

bool granted(const Caller& caller, const AccessRules& rules, Action action, std::string_view name) {
  if (reserved(name)) {
    return false;
  }
  const Identity& identity = caller.session.identity;
  const bool subscribe = action == Action::kSubscribe;
  const auto& own = subscribe ? caller.subscribe : caller.publish;
  return any_matches(subscribe ? rules.subscribe : rules.publish, identity, name) ||
         (subscribe && any_matches(rules.anonymous, identity, name)) ||
         (subscribe && !identity.user.empty() && name == own_channel(identity)) ||
         std::any_of(own.begin(), own.end(),
                     [&](const std::string& pattern) { return pattern_matches(pattern, identity, name); });
}

// --- origins ---

// Host of `authority` in lower case, without the port. (An IPv6 address keeps its brackets.)
std::string host_of(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string host(authority.substr(0, colon));
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c | 0x20);
    }
  }
  return host;
}

// Behind a proxy that ends TLS our own scheme is unknown; if it is known to be https, http is another site.
bool same_site(const Request& request) {
  const std::size_t end = request.origin.find("://");
  if (end == std::string_view::npos) {
    return false;
  }
  const std::string_view scheme = request.origin.substr(0, end);
  if (scheme != "https" && (request.https || scheme != "http")) {
    return false;
  }
  const std::string host = host_of(request.host);
  return !host.empty() && host_of(request.origin.substr(end + 3)) == host;
}

}  // namespace

std::variant<Error, Caller> identify(const Request& request, const AccessRules& rules, double now) {
  if (auto error = check_server(rules)) {
    return *error;
  }
  if (rules.user.empty()) {
    std::optional<FoundToken> token;
    if (auto error = find_token(request, rules.token, token)) {
      return *error;
    }
    if (token) {
      return by_token(*token, rules, now);
    }
  }
  return by_server(rules);
}

std::optional<Error> check_grant(const Caller& caller, const AccessRules& rules, Action action,
                                 std::string_view channel) {
  if (granted(caller, rules, action, channel)) {
    return std::nullopt;
  }
  const bool tokens = rules.token.keys != nullptr && !rules.token.keys->empty();
  const bool known = caller.session.by_token || !caller.session.identity.user.empty();
  if (!tokens || known || reserved(channel)) {
    return rejection(AuthFault::kForbidden, 403, "Not authorized for channel '" + std::string(channel) + "'");
  }
  Error error =
      rejection(AuthFault::kMissing, 401, "Authentication required for channel '" + std::string(channel) + "'");
  error.challenge = "Bearer";
  return error;
}

std::optional<Error> check_origin(const Request& request, const Caller& caller, const AccessRules& rules) {
  if (!caller.ambient) {
    return std::nullopt;
  }
  const std::string_view site = request.sec_fetch_site;
  const bool from_browser = !request.origin.empty() || !site.empty();
  bool good = site == "same-origin" || site == "same-site" || site == "none";
  good = good || (rules.origins != nullptr && rules.origins->allows(request.origin));
  good = good || (site.empty() && same_site(request));
  good = good || (!from_browser && !caller.by_cookie);
  if (good) {
    return std::nullopt;
  }
  return rejection(AuthFault::kOrigin, 403, "Not authorized from this origin");
}

std::optional<Error> check_session(const Session& session, const RevocationCheck& revoked, double now) {
  if (!session.by_token) {
    return std::nullopt;
  }
  if (session.expires_at && now >= *session.expires_at) {
    return token_expired();
  }
  if (!revoked || session.identity.user.empty()) {
    return std::nullopt;
  }
  return revoked(session.identity.user, session.issued_us);
}

Error token_revoked() {
  return bad_token(AuthFault::kRevoked, "The token was revoked", "TOKEN_REVOKED");
}

}  // namespace pgevents
