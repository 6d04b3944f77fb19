// Requests about presence, typing and settings: their paths, methods, parameters and answers. Each is one call of an
// SQL function with (identity, params) that has all the rules; module and fallback only translate.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/request/path.hpp"
#include "core/request/session.hpp"
#include "core/wire/reply.hpp"

namespace pgevents {

enum class Endpoint {
  kRegister,        // POST  register
  kReportPresence,  // POST  users/me/presence
  kUserPresence,    // GET   users/{id}/presence
  kRealmPresence,   // GET   realm/presence
  kTyping,          // POST  typing
  kSettings,        // PATCH settings
};

// What a path names, whatever the method.
struct Resource {
  std::optional<Endpoint> read;   // what GET and HEAD ask for
  std::optional<Endpoint> write;  // what `write_method` asks for
  std::string_view write_method;
  std::string user;  // the user in the path; `me` is the caller
};

// The resource that `segments`, a path without its base, name. `anywhere`: the base is unknown, and may stand in front
// of them.
std::optional<Resource> find_resource(const std::vector<PathSegment>& segments, bool anywhere);

// Its methods without OPTIONS, in the form of the header `Allow`.
std::string methods_of(const Resource& resource);

// A call that is allowed, before its parameters are read.
struct Call {
  Endpoint endpoint = Endpoint::kRegister;
  Session session;
  std::string user;        // of the path; empty: it has none
  std::string query;       // of the URL; the parameters of a request without a body
  bool has_body = false;   // the parameters come in the body only
  bool form = false;       // the body is application/x-www-form-urlencoded, otherwise JSON
  bool head_only = false;  // HEAD
};

// Whether it may be repeated if its outcome is unknown.
bool call_is_repeatable(Endpoint endpoint);

// The most bytes of a body, whatever the limit for events: these calls are about one user, and the server keeps many at
// once.
inline constexpr std::size_t kMaxCallBytes = 64 * 1024;
constexpr std::size_t call_body_limit(std::size_t max_event_size) noexcept {
  return max_event_size < kMaxCallBytes ? max_event_size : kMaxCallBytes;
}

// The identity for sql::call_statement(). `share_state`: the answer leaves out the realm's whole presence, which is the
// same for all its users, so that the server can query it once for many; see answer_in_parts().
std::string call_identity(const Identity& identity, bool share_state);

// An answer without the realm's presence: `wanted` is the argument of sql::kPresenceState, whose answer belongs between
// the other two. Views of the answer; nothing if it is complete.
struct AnswerInParts {
  std::string_view head;
  std::string_view wanted;
  std::string_view tail;
};
std::optional<AnswerInParts> answer_in_parts(std::string_view answer);

// Turns query or body into the JSON object that the SQL functions take: from a form every value is a string. Sets
// `params` or returns the error. PostgreSQL's type jsonb accepts the result.
std::optional<Error> call_params(const Call& call, std::string_view body, std::string& params);

// The same object with null for each value that the endpoint does not know: the functions read only its name.
std::string without_unknown_values(Endpoint endpoint, std::string_view params);

// The 200 answer with the function's result.
Reply call_reply(std::string_view result);

}  // namespace pgevents
