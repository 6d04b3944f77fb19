// Why a subscriber ended, and why the module declined a request: values of labels, and of `$pgevents_end_reason`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pgevents {

// Why an event stream, long poll or poll ended.
enum class Ending : std::uint8_t {
  kAnswered,       // a poll got its answer
  kTimeout,        // a long poll was answered with nothing: its time was up
  kWaitIdBusy,     // answered at once: another request waits with this wait id
  kClientLeft,     // the client closed its connection, or it broke
  kClientTooSlow,  // the client took nothing for `send_timeout`
  kExpired,        // its permission has expired
  kRevoked,        // its permission was revoked
  kDisconnected,   // the application disconnected the user
  kRecheck,        // control events may have been missed: the client reconnects, and its access is checked again
  kLeaving,        // the worker leaves: reload, or end of nginx
  kDatabaseAway,   // rejected: the log could not be asked
  kProtocolError,  // a WebSocket's client sent what no frame or message can be
  kNoPong,         // a WebSocket's client has not answered a ping
  kError,          // memory was refused, or nginx could not send
  kCount,
};

inline constexpr const char* kEndingWords[] = {
    "answered",     "timeout", "wait_id_busy", "client_left",   "client_too_slow", "expired", "revoked",
    "disconnected", "recheck", "leaving",      "database_away", "protocol_error",  "no_pong", "error",
};

// Why the module declined a request in a location with `pgevents`.
enum class Declined : std::uint8_t {
  kOff,              // `pgevents` is off, or empty
  kUnknownDatabase,  // it names a database that does not exist
  kDatabaseAway,     // no listener follows the log, and the location has a content handler to serve the request
  kSubrequest,       // the module serves no subrequests
  kCount,
};

inline constexpr const char* kDeclinedWords[] = {"off", "unknown_database", "database_away", "subrequest"};

constexpr const char* word_of(Ending ending) noexcept {
  return kEndingWords[static_cast<std::size_t>(ending)];
}

constexpr const char* word_of(Declined reason) noexcept {
  return kDeclinedWords[static_cast<std::size_t>(reason)];
}

template <typename Enum, std::size_t size>
constexpr bool has_all_words(const char* const (&)[size], Enum) noexcept {
  return size == static_cast<std::size_t>(Enum::kCount);
}
static_assert(has_all_words(kEndingWords, Ending()) && has_all_words(kDeclinedWords, Declined()));

}  // namespace pgevents
