// The form of an event on the wire: the JSON object of polls and the frame of event streams. Used by the module (once
// per event, when it enters the ring) and by the fallback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgevents {

// One event as read from the log. Views must stay valid while the struct is used.
struct EventView {
  std::uint64_t id = 0;
  std::string_view channel;
  std::int64_t ts_us = 0;  // commit time, microseconds since the Unix epoch
  std::string_view type;
  std::string_view data;  // inner data, JSON text in UTF-8
};

// Where `append_json` put the inner data, relative to the start of the object.
struct JsonSpan {
  std::size_t data_offset = 0;
  std::size_t data_size = 0;
};

// Appends `{"id":…,"channel_id":…,"ts":…,"data":{"type":…,"data":…}}`. CR and LF of the data, which JSON allows
// only as white space between tokens, become spaces, so that the object is one line.
JsonSpan append_json(std::string& out, const EventView& event);

// The commit time in an object of append_json(), microseconds since the Unix epoch; 0 if it has none.
std::int64_t time_in_json(std::string_view json) noexcept;

// Appends the event-stream frame (HTML standard, server-sent events: `event`, `data`, `id`, blank line). `one_line`
// follows `data: ` and must not contain CR or LF.
void append_sse(std::string& out, std::string_view type, std::string_view one_line, std::uint64_t id);

// Appends `text` as the inside of a JSON string (RFC 8259, section 7), without the quotes.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace pgevents
