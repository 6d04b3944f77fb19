// Answers that both front-ends give with the same bytes: errors, poll arrays, stream openings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/cursor.hpp"

namespace pgevents {

struct Header {
  std::string name;
  std::string value;
};

// Carried by every answer, whatever it is: no browser takes JSON or a stream for a page or a script (Fetch standard,
// "X-Content-Type-Options").
inline constexpr char kNoSniffName[] = "X-Content-Type-Options";
inline constexpr char kNoSniffValue[] = "nosniff";

struct Reply {
  int status = 200;
  std::vector<Header> headers;  // Content-Type included
  std::string body;
};

// What went wrong, as the client is told it.
struct Error {
  int status = 400;
  std::string msg;
  std::string code;          // empty: the status's usual code, e.g. BAD_REQUEST
  std::string extra;         // further members of the body, JSON without braces, e.g. `"var_name":"op"`
  unsigned retry_after = 0;  // seconds, for 429 and 503
  std::string challenge;     // WWW-Authenticate, for 401 (RFC 6750, section 3)
  std::string allow;         // methods, for 405
  std::string log;           // for the operator's log, when there is more to say than `msg`
};

Reply error_reply(const Error& error);

// What an SQLSTATE is to a front-end, whose statements are transactions of their own (PostgreSQL manual, "Error
// Codes").
enum class SqlFault {
  kRequest,      // PTnnn: the request is answered so
  kConflict,     // rolled back because of others, may be repeated at once on the same session (40001, 40P01)
  kSession,      // not executed, this session cannot: another one may (25006, 26000, 42P05, 0A000 …)
  kUnavailable,  // passes by itself: the database ends, is full, or took too long (08, 53, 57, 58, 55P03 …)
  kInternal,     // an error in what was installed, or in the server
};
SqlFault sql_fault(std::string_view sqlstate);

// Turns a PostgreSQL error into the client's: SQLSTATE `PTnnn` carries status nnn, the message and, as a JSON object in
// `detail`, the code; `retry-after` in it takes the place of `retry_after` (seconds, for 429 and 503). What is
// kInternal is a 500, all else a 503; their text stays in the server's log.
Error error_from_sql(std::string_view sqlstate, std::string_view message, std::string_view detail,
                     unsigned retry_after);

Error database_away(unsigned retry_after);

// A publish body beyond the operator's limit (bytes).
Error body_too_large(std::size_t limit);
Error method_not_allowed(const std::string& methods);  // 405; `methods` but OPTIONS
Error too_early();                                     // 425; the client sends it again behind the handshake
Error internal_error();                                // 500; what went wrong is in the server's log

// How a poll was answered; `kWaited` is a real long poll, everything else says so in X-Shortpoll-Info.
enum class PollKind { kWaited, kRequested, kWaitIdBusy, kFallback, kClosing, kExpired };

// The 200 answer of a long poll or poll. `array` is the JSON array, `cursor` the one to use next; `poll_interval`
// seconds go into X-PS-Reconnect-In, 0 for kWaited, kClosing and kExpired.
Reply poll_reply(std::string array, std::uint64_t cursor, PollKind kind, unsigned poll_interval);

// Headers of an event stream, and its first block: `retry: <ms>` and the cursor, as below.
std::vector<Header> stream_headers();
std::string stream_opening(unsigned retry_ms, std::uint64_t cursor);
std::string stream_opening(unsigned retry_ms, std::string_view cursor);  // as cursor_text() gives it

// The first block of a stream that cannot be served yet, so that a client which reconnects meanwhile has a cursor.
// `cursor` must not be "now". The opening follows when the stream is served.
std::string stream_waiting(unsigned retry_ms, const Cursor& cursor);

// Reconnection time while the database is away: `usual_ms` to `times` as much, spread by `random`, so that many clients
// do not return at once.
unsigned spread_retry(unsigned usual_ms, unsigned times, std::uint32_t random) noexcept;

// A block that only moves the client's last event id: an event of type `pgevents.cursor` without data. By the HTML
// standard `id:` alone would do, but many clients keep the id of events only (docs/clients.md). Its data is empty, not
// `{}`, so that a reader of envelopes does not take it for an event of a channel.
std::string stream_cursor(std::uint64_t cursor);
std::string stream_cursor(std::string_view cursor);

// The last frame of a stream whose permission is over: type `pgevents.expired`, data {"reason":"expired"|"revoked"},
// and the cursor to come back with. `channel` and `ts_us` are for the envelope form, whose id is the cursor too: a
// number, or, where the cursor is a time because the stream was never served, a string.
std::string stream_expired(std::string_view cursor, std::string_view reason, bool envelope, std::string_view channel,
                           std::int64_t ts_us);

// The answer to OPTIONS; `methods` are the others, `headers` those of a preflight.
Reply options_reply(const std::string& methods, const std::vector<Header>& headers);

// The 201 answer to a publication. `result` is what `pgevents.http_publish` returned: a JSON object with the member
// `id` (jsonb, so that PostgreSQL decided on its spaces and the order of its members).
Reply publish_reply(std::string_view result);

}  // namespace pgevents
