// Answers of both front-ends, the same byte for byte: errors, poll arrays, stream openings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/cursor.hpp"
#include "core/wire/error.hpp"

namespace pgevents {

struct Header {
  std::string name;
  std::string value;
};

// A header of every answer, so that no browser treats JSON or a stream as a page or a script (Fetch standard,
// "X-Content-Type-Options").
inline constexpr char kNoSniffName[] = "X-Content-Type-Options";
inline constexpr char kNoSniffValue[] = "nosniff";

struct Reply {
  int status = 200;
  std::vector<Header> headers;  // Content-Type included
  std::string body;
};

Reply error_reply(const Error& error);

// Why a poll is answered. `kWaited` is a real long poll; all others are named in X-Shortpoll-Info.
enum class PollKind { kWaited, kRequested, kWaitIdBusy, kFallback, kClosing, kExpired };

// The 200 answer of a long poll or poll. `array` is the JSON array, `cursor` the one to use next; `poll_interval`
// seconds go into X-PS-Reconnect-In, 0 for kWaited, kClosing and kExpired.
Reply poll_reply(std::string array, std::uint64_t cursor, PollKind kind, unsigned poll_interval);

// Headers of an event stream, and its first block: `retry: <ms>` and the cursor, as below.
std::vector<Header> stream_headers();
std::string stream_opening(unsigned retry_ms, std::uint64_t cursor);
std::string stream_opening(unsigned retry_ms, std::string_view cursor);  // as cursor_text() gives it

// The first block of a stream that cannot be served yet: a client that reconnects meanwhile has a cursor. `cursor` must
// not be "now". The opening follows when the stream is served.
std::string stream_waiting(unsigned retry_ms, const Cursor& cursor);

// Reconnection time while the database is away: `usual_ms` to `times` as much, spread by `random`, so that many clients
// do not return at once.
unsigned spread_retry(unsigned usual_ms, unsigned times, std::uint32_t random) noexcept;

// A block that only moves the client's last event id: an event of type `pgevents.cursor` without data. By the HTML
// standard `id:` alone would do, but many clients keep the id of events only (docs/clients.md). Its data is empty, not
// `{}`, so that a reader of envelopes does not take it for an event of a channel.
std::string stream_cursor(std::uint64_t cursor);
std::string stream_cursor(std::string_view cursor);

// The last frame of a stream whose token expired or was revoked: type `pgevents.expired`, data
// {"reason":"expired"|"revoked"}, and the cursor to reconnect with. `channel` and `ts_us` are for the envelope form,
// whose id is the cursor too: a number, or a string if the cursor is a time because the stream was never served.
std::string stream_expired(std::string_view cursor, std::string_view reason, bool envelope, std::string_view channel,
                           std::int64_t ts_us);

// The whole object of that event, as in the envelope form.
std::string expired_object(std::string_view cursor, std::string_view reason, std::string_view channel,
                           std::int64_t ts_us);

// The answer to OPTIONS; `methods` are all others, `headers` those of a preflight.
Reply options_reply(const std::string& methods, const std::vector<Header>& headers);

// The 201 answer to a publication. `result` is what `pgevents.http_publish` returned: a JSON object with the member
// `id` (jsonb: PostgreSQL chose its spaces and the order of its members).
Reply publish_reply(std::string_view result);

}  // namespace pgevents
