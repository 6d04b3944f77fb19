// The values of the metrics' labels, apart from the reasons in reasons.hpp: each enum with its words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgevents {

// What a request asks for: the label `endpoint`.
enum class RequestKind : std::uint8_t {
  kStream,
  kLongPoll,
  kPoll,
  kWebSocket,
  kPublish,
  kRegister,
  kReportPresence,
  kUserPresence,
  kRealmPresence,
  kTyping,
  kSettings,
  kPreflight,  // OPTIONS
  kUnknown,    // the path names nothing, or the request was rejected before that was known
  kCount,
};
inline constexpr const char* kRequestKindWords[] = {
    "stream",        "longpoll",       "poll",   "websocket", "publish",   "register", "report_presence",
    "user_presence", "realm_presence", "typing", "settings",  "preflight", "unknown",
};

// The status of a response: the label `status`. Other statuses count as kOther.
inline constexpr int kCountedStatuses[] = {101, 200, 201, 204, 400, 401, 403, 404, 405, 408, 409,
                                           413, 415, 422, 425, 426, 429, 499, 500, 502, 503, 504};
inline constexpr const char* kStatusWords[] = {"101", "200", "201", "204", "400", "401", "403",  "404",
                                               "405", "408", "409", "413", "415", "422", "425",  "426",
                                               "429", "499", "500", "502", "503", "504", "other"};
enum class StatusLabel : std::uint8_t { kOther = sizeof kCountedStatuses / sizeof kCountedStatuses[0], kCount };

constexpr StatusLabel status_label(int status) noexcept {
  std::uint8_t at = 0;
  while (at < static_cast<std::uint8_t>(StatusLabel::kOther) && kCountedStatuses[at] != status) {
    ++at;
  }
  return static_cast<StatusLabel>(at);
}

// Why a request's identity or rights were not enough.
enum class AuthFault : std::uint8_t {
  kMissing,     // no token, and it would be needed
  kMalformed,   // not a token, or with claims of the wrong type
  kAlgorithm,   // no key allows its algorithm
  kUnknownKey,  // no key has its `kid`
  kSignature,
  kNoExpiry,
  kExpired,
  kNotYetValid,
  kAudience,
  kIssuer,
  kRealm,
  kRevoked,
  kUser,       // the web server's user or realm is not a valid name
  kForbidden,  // identified, but without the right
  kOrigin,     // from a page of a foreign origin
  kCount,
  kNone = kCount,  // no fault of this kind
};
inline constexpr const char* kAuthFaultWords[] = {
    "missing",  "malformed", "algorithm", "unknown_key", "signature", "no_expiry", "expired", "not_yet_valid",
    "audience", "issuer",    "realm",     "revoked",     "user",      "forbidden", "origin",
};

// Why a subscriber got `pgevents.reset`: the member `reason` of its data.
enum class ResetReason : std::uint8_t { kPruned, kAhead, kCount };
inline constexpr const char* kResetReasonWords[] = {"pruned", "ahead"};

// Where an event has come to.
enum class LagTo : std::uint8_t { kRing, kSocket, kCount };
inline constexpr const char* kLagToWords[] = {"ring", "socket"};

// How a subscriber waits.
enum class SubscriberKind : std::uint8_t { kStream, kReleased, kLongPoll, kWebSocket, kCount };
inline constexpr const char* kSubscriberKindWords[] = {"stream", "released", "longpoll", "websocket"};

// What a connection of the pool does.
enum class PoolState : std::uint8_t { kIdle, kBusy, kConnecting, kCount };
inline constexpr const char* kPoolStateWords[] = {"idle", "busy", "connecting"};

// A bounded table or memory.
enum class Room : std::uint8_t { kUsed, kSize, kCount };
inline constexpr const char* kRoomWords[] = {"used", "size"};

// Which statement a query executes, by the names in postgres/statements.hpp without `pgevents_`.
enum class StatementLabel : std::uint8_t {
  kLogAfter,
  kFetch,
  kPublish,
  kPublishMany,
  kRegister,
  kReportPresence,
  kReportPresenceMany,
  kUserPresence,
  kRealmPresence,
  kPresenceState,
  kPresenceContacts,
  kPresenceTick,
  kTyping,
  kSettings,
  kPrune,
  kSequence,
  kIsCopy,
  kCopyState,
  kCopyLag,
  kOther,
  kCount,
};
inline constexpr const char* kStatementWords[] = {
    "log_after",
    "fetch",
    "publish",
    "publish_many",
    "register",
    "report_presence",
    "report_presence_many",
    "user_presence",
    "realm_presence",
    "presence_state",
    "presence_contacts",
    "presence_tick",
    "typing",
    "settings",
    "prune",
    "sequence",
    "is_copy",
    "copy_state",
    "copy_lag",
    "other",
};

// `name`: under which the statement is prepared, `pgevents_fetch` for instance.
constexpr StatementLabel statement_label(std::string_view name) noexcept {
  constexpr std::string_view kPrefix = "pgevents_";
  std::uint8_t at = 0;
  while (at < static_cast<std::uint8_t>(StatementLabel::kOther) &&
         (name.substr(0, kPrefix.size()) != kPrefix || name.substr(kPrefix.size()) != kStatementWords[at])) {
    ++at;
  }
  return static_cast<StatementLabel>(at);
}

}  // namespace pgevents
