// Identity, grants and origins: one answer for module and fallback; see access.hpp.
#include "core/request/access.hpp"

#include <algorithm>
#include <cmath>

#include "core/request/complaint.hpp"
#include "core/request/request.hpp"
#include "core/text/name_pattern.hpp"
#include "core/text/url.hpp"
#include "core/wire/event.hpp"

namespace pgevents {

namespace {

constexpr char kSpace[] = " \t\r\n";

Error error_with(int status, std::string msg, std::string code = {}) {
  Error error;
  error.status = status;
  error.msg = std::move(msg);
  error.code = std::move(code);
  return error;
}

// A token that does not count (RFC 6750, section 3.1).
Error bad_token(std::string msg, std::string code = {}, std::string log = {}) {
  Error error = error_with(401, std::move(msg), std::move(code));
  error.challenge = "Bearer error=\"invalid_token\"";
  error.log = std::move(log);
  return error;
}

Error token_expired() {
  return bad_token("The token has expired", "TOKEN_EXPIRED");
}

std::string_view trimmed(std::string_view text, const char* characters) {
  const std::size_t start = text.find_first_not_of(characters);
  if (start == std::string_view::npos) {
    return {};
  }
  return text.substr(start, text.find_last_not_of(characters) - start + 1);
}

// --- where the token is ---

struct Token {
  enum class Place { kHeader, kQuery, kCookie };
  Place place;
  std::string text;
};

// The credentials of the scheme Bearer; nothing when it is another scheme.
std::optional<std::string> from_header(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer";
  const std::string_view text = trimmed(authorization, " \t");
  const std::string_view scheme = text.substr(0, text.find_first_of(" \t"));
  const bool bearer = std::equal(scheme.begin(), scheme.end(), kScheme.begin(), kScheme.end(),
                                 [](char a, char b) { return (a | 0x20) == b; });
  if (!bearer) {
    return std::nullopt;
  }
  return std::string(trimmed(text.substr(scheme.size()), " \t"));
}

// Sets `token` if there is one. Of two, client and application could mean different ones.
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

// The first cookie of that name which is not empty (RFC 6265, section 4.2; the value may stand between double quotes).
std::optional<std::string> from_cookie(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    const std::size_t end = cookies.find(';');
    const std::string_view pair = trimmed(cookies.substr(0, end), " \t");
    cookies.remove_prefix(end == std::string_view::npos ? cookies.size() : end + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || trimmed(pair.substr(0, equals), " \t") != name) {
      continue;
    }
    std::string_view value = trimmed(pair.substr(equals + 1), " \t");
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (!value.empty()) {
      return std::string(value);
    }
  }
  return std::nullopt;
}

// Leaves `token` empty when there is none.
std::optional<Error> find_token(const Request& request, const TokenRules& rules, std::optional<Token>& token) {
  if (rules.keys == nullptr || rules.keys->empty()) {
    return std::nullopt;
  }
  auto text = from_header(request.authorization);
  auto place = Token::Place::kHeader;
  if (!text && rules.query) {
    place = Token::Place::kQuery;
    if (auto error = from_query(request.query, text)) {
      return error;
    }
  }
  if (!text && !rules.cookie.empty()) {
    place = Token::Place::kCookie;
    text = from_cookie(request.cookie, rules.cookie);
  }
  if (text) {
    token = Token{place, std::move(*text)};
  }
  return std::nullopt;
}

// --- what it says ---

std::optional<Error> check_time(const Claims& claims, const TokenRules& rules, double now) {
  if (!claims.expires_at && rules.require_exp) {
    return bad_token("The token has no expiry");
  }
  if (claims.expires_at && now >= *claims.expires_at + rules.leeway) {
    return token_expired();
  }
  for (const auto& start : {claims.not_before, claims.issued_at}) {
    if (start && *start > now + rules.leeway) {
      return bad_token("The token is not valid yet");
    }
  }
  return std::nullopt;
}

std::optional<Error> check_service(const Claims& claims, const TokenRules& rules) {
  const auto& audience = claims.audience;
  const bool for_us =
      rules.audience.empty() || std::find(audience.begin(), audience.end(), rules.audience) != audience.end();
  if (!for_us) {
    return bad_token("The token is for another service", {}, "aud is not the configured one");
  }
  if (!rules.issuer.empty() && claims.issuer != rules.issuer) {
    return bad_token("The token is for another service", {}, "iss is not the configured one");
  }
  return std::nullopt;
}

// Before the epoch counts as unknown. (No claimed time is beyond kMaxClaimedTime.)
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

std::variant<Error, Caller> by_token(const Token& token, const AccessRules& rules, double now) {
  auto verified = rules.token.keys->verify(token.text, now);
  if (const auto* fault = std::get_if<TokenFault>(&verified)) {
    return bad_token(fault->msg, {}, fault->log);
  }
  const Claims& claims = *std::get<std::shared_ptr<const Claims>>(verified);
  if (auto error = check_time(claims, rules.token, now)) {
    return *error;
  }
  if (auto error = check_service(claims, rules.token)) {
    return *error;
  }
  if (!rules.realm.empty() && !claims.realm.empty() && claims.realm != rules.realm) {
    return bad_token("The token is for another realm");
  }
  Caller caller;
  caller.session = session_of(claims, rules);
  caller.subscribe = claims.subscribe;
  caller.publish = claims.publish;
  caller.by_cookie = token.place == Token::Place::kCookie;
  caller.ambient = caller.by_cookie;
  if (auto error = check_session(caller.session, rules.revoked, now)) {
    if (error->status < 500) {
      return *error;
    }
    caller.session.unchecked = true;
    caller.unchecked = std::move(error);
  }
  return caller;
}

// What the web server says may come from the request (a certificate, a host name), so it is not good by itself.
std::optional<Error> check_server(const AccessRules& rules) {
  for (const std::string_view name : {rules.user, rules.realm}) {
    if (name.empty() || name_is_sane(name)) {
      continue;
    }
    Error error = error_with(401, "Invalid user");
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

// A realm's character as it stands in the names of channels, where `:` ends a realm.
std::string_view realm_piece(const char& c) noexcept {
  if (c == '=') {
    return "=3D";
  }
  return c == ':' ? std::string_view("=3A") : std::string_view(&c, 1);
}

// Takes `text` from the front of `name`. False: it does not begin so.
bool take(std::string_view& name, std::string_view text) noexcept {
  if (name.substr(0, text.size()) != text) {
    return false;
  }
  name.remove_prefix(text.size());
  return true;
}

bool take_realm(std::string_view& name, std::string_view realm) noexcept {
  return !realm.empty() &&
         std::all_of(realm.begin(), realm.end(), [&](const char& c) { return take(name, realm_piece(c)); });
}

bool any_matches(std::string_view patterns, const Identity& identity, std::string_view name) {
  while (true) {
    const std::size_t start = patterns.find_first_not_of(kSpace);
    if (start == std::string_view::npos) {
      return false;
    }
    patterns.remove_prefix(start);
    const std::string_view pattern = patterns.substr(0, patterns.find_first_of(kSpace));
    if (pattern_matches(pattern, identity, name)) {
      return true;
    }
    patterns.remove_prefix(pattern.size());
  }
}

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

// Behind a proxy that ends TLS we do not know our own scheme; where we do know that it is https, http is another site.
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

std::string identity_json(const Identity& identity) {
  std::string json = "{";
  if (!identity.user.empty()) {
    json += "\"user\":\"";
    append_json_escaped(json, identity.user);
    json += "\",";
  }
  json += "\"realm\":\"";
  append_json_escaped(json, identity.realm);
  return json += "\"}";
}

// The first colon ends the realm, for it cannot hold one; the user stands behind it to the letter.
std::string own_channel(const Identity& identity) {
  if (identity.user.empty()) {
    return {};
  }
  if (identity.realm == kDefaultRealm) {
    return "user:" + identity.user;
  }
  std::string channel = "user@";
  for (const char& c : identity.realm) {
    channel += realm_piece(c);
  }
  return channel += ':' + identity.user;
}

std::variant<Error, Caller> identify(const Request& request, const AccessRules& rules, double now) {
  if (auto error = check_server(rules)) {
    return *error;
  }
  if (rules.user.empty()) {
    std::optional<Token> token;
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
    return error_with(403, "Not authorized for channel '" + std::string(channel) + "'");
  }
  Error error = error_with(401, "Authentication required for channel '" + std::string(channel) + "'");
  error.challenge = "Bearer";
  return error;
}

std::optional<Error> check_origin(const Request& request, const Caller& caller, const AccessRules& rules) {
  if (!caller.ambient) {
    return std::nullopt;
  }
  const std::string_view site = request.sec_fetch_site;
  const bool said = !request.origin.empty() || !site.empty();
  bool good = site == "same-origin" || site == "same-site" || site == "none";
  good = good || (rules.origins != nullptr && rules.origins->allows(request.origin));
  good = good || (site.empty() && same_site(request));
  good = good || (!said && !caller.by_cookie);
  if (good) {
    return std::nullopt;
  }
  return error_with(403, "Not authorized from this origin");
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
  return bad_token("The token was revoked", "TOKEN_REVOKED");
}

std::optional<std::string> pattern_doubt(std::string_view patterns) {
  while (true) {
    const std::size_t start = patterns.find_first_not_of(kSpace);
    if (start == std::string_view::npos) {
      return std::nullopt;
    }
    patterns.remove_prefix(start);
    const std::string_view pattern = patterns.substr(0, patterns.find_first_of(kSpace));
    patterns.remove_prefix(pattern.size());
    if (pattern.find('*') < pattern.size() - 1) {
      return naming("a '*' counts at the end only: pattern", pattern);
    }
    for (std::size_t at = 0; (at = pattern.find('{', at)) != std::string_view::npos; ++at) {
      const std::string_view word = pattern.substr(at, pattern.find('}', at) - at + 1);
      if (word != "{user}" && word != "{realm}") {
        return naming("only {user} and {realm} are replaced: pattern", pattern);
      }
    }
  }
}

bool pattern_matches(std::string_view pattern, const Identity& identity, std::string_view name) noexcept {
  const bool wild = !pattern.empty() && pattern.back() == '*';
  if (wild) {
    pattern.remove_suffix(1);
  }
  if (pattern.empty()) {
    return wild;
  }
  while (!pattern.empty()) {
    if (take(pattern, "{user}")) {
      if (identity.user.empty() || !take(name, identity.user)) {
        return false;
      }
    } else if (take(pattern, "{realm}")) {
      if (!take_realm(name, identity.realm)) {
        return false;
      }
    } else {
      if (!take(name, pattern.substr(0, 1))) {
        return false;
      }
      pattern.remove_prefix(1);
    }
  }
  return wild || name.empty();
}

}  // namespace pgevents
