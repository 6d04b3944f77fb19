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
#include "core/request/origin.hpp"
#include "core/wire/reply.hpp"

namespace pgevents {

struct Request;

// Channels whose names begin so belong to pgevents itself: nobody may subscribe or publish to them through HTTP.
inline constexpr std::string_view kReservedChannelPrefix = "pgevents.";
inline constexpr std::string_view kDefaultRealm = "main";

struct Identity {
  std::string user;  // empty: nobody in particular
  std::string realm;
};

// {"user":"10","realm":"main"}, without `user` when there is none: the first argument of the SQL functions.
std::string identity_json(const Identity& identity);

// The channel that is the user's own, to which he may always subscribe: `user:10` in the realm `main`, `user@dairy:10`
// in the realm `dairy`. In a realm `=` is written `=3D` and `:` is written `=3A`: no other user of any realm has a
// channel of the same name. Empty for nobody.
std::string own_channel(const Identity& identity);

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

// Who makes the request, and until when he may.
struct Session {
  Identity identity;
  bool by_token = false;
  std::int64_t issued_us = 0;        // of the token, microseconds since the Unix epoch; 0: it does not say
  std::optional<double> expires_at;  // seconds since the Unix epoch
  bool unchecked = false;  // nobody can tell now whether the token was revoked: nothing may be sent before that
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

// What is doubtful in the operator's patterns, for his log; nothing when they are plain. A `*` that is not at the end
// of a pattern, and braces around anything but `user` and `realm`, stand for themselves, which is hardly meant.
std::optional<std::string> pattern_doubt(std::string_view patterns);

// One pattern against a name; `{user}` and `{realm}` are taken from `identity`: the user to the letter, the realm with
// `=3D` for `=` and `=3A` for `:`, as in own_channel(), so that behind it `:` always ends it.
bool pattern_matches(std::string_view pattern, const Identity& identity, std::string_view name) noexcept;

}  // namespace pgevents
