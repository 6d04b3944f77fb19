// Decides which user makes a request and what the request may do: identity and grants from a token or from the web
// server, and the rules about origins. Module and fallback use the same code.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/jwt/jwt.hpp"
#include "core/request/grant_pattern.hpp"
#include "core/request/http_request.hpp"
#include "core/request/origin.hpp"
#include "core/request/session.hpp"
#include "core/wire/error.hpp"

namespace pgevents {

// Channels whose names begin so belong to pgevents itself: over HTTP no client may subscribe or publish to them.
inline constexpr std::string_view kReservedChannelPrefix = "pgevents.";

// A token whose form or signature is wrong, and why.
struct RejectedToken {
  const JwtKeys* keys;  // with which it was verified
  std::string text;
  TokenFault fault;
};

// Where tokens may stand and which are valid.
struct TokenRules {
  JwtKeys* keys = nullptr;    // null: tokens are ignored
  std::string_view cookie;    // name of the cookie that may contain one; empty: none
  bool query = false;         // `access_token` in the query
  std::string_view audience;  // must be among `aud`; empty: not checked
  std::string_view issuer;    // must be `iss`; empty: not checked
  double leeway = 0;          // seconds by which the clocks may differ
  bool require_exp = true;
  // What the request's earlier calls of identify() have rejected last: the same token is not verified again. Verifying
  // is expensive, and only good tokens are in the cache of `keys`. Null: nothing is kept.
  std::unique_ptr<RejectedToken>* rejected = nullptr;
};

// Returns whether the tokens of `user` that were issued at `issued_us` (microseconds since the Unix epoch; 0: unknown)
// have been revoked: if so, the error to answer with; an error with a status of 500 or more if that cannot be known
// now.
using RevocationCheck = std::function<std::optional<Error>(std::string_view user, std::int64_t issued_us)>;

// The operator's rules for one request. Patterns are names separated by spaces, exact or with a trailing `*`; `{user}`
// and `{realm}` in them stand for the caller's, and a pattern with `{user}` matches nothing for a caller without a
// user.
struct AccessRules {
  TokenRules token;
  const OriginRules* origins = nullptr;
  std::string_view user;       // identified by the web server; empty: not identified
  std::string_view realm;      // likewise; if set, a token of another realm is rejected
  std::string_view subscribe;  // what the web server grants to this request, with or without a user
  std::string_view publish;
  std::string_view anonymous;  // what every client may subscribe to
  RevocationCheck revoked;     // empty: no token was revoked
};

// A request's session with its grants.
struct Caller {
  Session session;
  std::vector<std::string> subscribe;  // patterns of the token
  std::vector<std::string> publish;
  bool ambient = false;  // a browser sends these credentials by itself (all but a header's or the query's token)
  bool by_cookie = false;
  std::shared_ptr<const Error> unchecked;  // with session.unchecked: the answer to a request that cannot wait
};

// Identifies the caller. A bad token is an error (401) even where none is needed; two tokens in the query are an error
// (400).
std::variant<Error, Caller> identify(const Request& request, const AccessRules& rules, double now);

// Null if the channel is granted, or an error that names it: 401 if a token might help, else 403.
enum class Action { kSubscribe, kPublish };
std::optional<Error> check_grant(const Caller& caller, const AccessRules& rules, Action action,
                                 std::string_view channel);

// A request that changes something, authorised by credentials that a browser sends by itself, must come from a page of
// this site or of an allowed origin: 403 otherwise.
std::optional<Error> check_origin(const Request& request, const Caller& caller, const AccessRules& rules);

// Checks a session again at `now`, after a request took a while to arrive: null, or the 401 to answer with.
std::optional<Error> check_session(const Session& session, const RevocationCheck& revoked, double now);

// The error for a token that was revoked.
Error token_revoked();

}  // namespace pgevents
