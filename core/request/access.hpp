// Who makes a request and what he may do: identity and grants from a token or from the web server, patterns, and the
// rules about origins. The same for module and fallback.
#pragma once

#include <cstdint>
#include <functional>
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

// Channels whose names begin so belong to pgevents itself: nobody may subscribe or publish to them through HTTP.
inline constexpr std::string_view kReservedChannelPrefix = "pgevents.";
// How tokens are taken and judged.
struct TokenRules {
  JwtKeys* keys = nullptr;    // null: tokens are not looked at
  std::string_view cookie;    // name of the cookie that may hold one; empty: none
  bool query = false;         // `access_token` in the query
  std::string_view audience;  // must be among `aud`; empty: not checked
  std::string_view issuer;    // must be `iss`; empty: not checked
  double leeway = 0;          // seconds by which clocks may differ
  bool require_exp = true;
};

// Whether the tokens of `user` that were issued at `issued_us` (microseconds since the Unix epoch; 0: unknown) have
// been revoked: the error to answer with, if they have been; one with a status of 500 or more if that cannot be told
// now.
using RevocationCheck = std::function<std::optional<Error>(std::string_view user, std::int64_t issued_us)>;

// What the operator decided for one request. Patterns are space separated names, exact or with a trailing `*`; `{user}`
// and `{realm}` in them stand for the caller's, and a pattern that needs what the caller has not matches nothing.
struct AccessRules {
  TokenRules token;
  const OriginRules* origins = nullptr;
  std::string_view user;       // what the web server says of this request; empty: it does not know
  std::string_view realm;      // likewise; a token of another realm is refused then
  std::string_view subscribe;  // what the web server grants to this request, whoever makes it
  std::string_view publish;
  std::string_view anonymous;  // what anyone may subscribe to
  RevocationCheck revoked;     // empty: nothing has been
};

// A request's session with its grants.
struct Caller {
  Session session;
  std::vector<std::string> subscribe;  // patterns of the token
  std::vector<std::string> publish;
  bool ambient = false;  // a browser sends what authorised this by itself (all but a header's or the query's token)
  bool by_cookie = false;
  std::optional<Error> unchecked;  // with session.unchecked: the answer to a request that cannot wait
};

// Finds out who the caller is. A bad token is an error (401) even where none is needed; two in the query are one (400).
std::variant<Error, Caller> identify(const Request& request, const AccessRules& rules, double now);

// Null, or why the channel is refused: 401 when a token might help, else 403. Names it.
enum class Action { kSubscribe, kPublish };
std::optional<Error> check_grant(const Caller& caller, const AccessRules& rules, Action action,
                                 std::string_view channel);

// A request that changes something and was authorised by what a browser sends by itself must come from a page of this
// site or of an allowed origin: 403 otherwise.
std::optional<Error> check_origin(const Request& request, const Caller& caller, const AccessRules& rules);

// Whether a session is still good at `now`, for who took a while to send all of a request: null, or the 401 to answer
// with.
std::optional<Error> check_session(const Session& session, const RevocationCheck& revoked, double now);

// The error for a token that was revoked.
Error token_revoked();

}  // namespace pgevents
