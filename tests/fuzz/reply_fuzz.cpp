// reply.hpp, error.hpp and event.hpp: the database's results as answers and frames. The input: three lines and a rest.
#include "core/wire/reply.hpp"

#include <utility>

#include "core/text/json_text.hpp"
#include "core/text/utf8.hpp"
#include "core/wire/event.hpp"
#include "core/wire/sql_fault.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

void check_sql_error(std::string_view sqlstate, std::string_view message, std::string_view detail) {
  const Error error = error_from_sql(sqlstate, message, detail, 5);
  const Reply reply = error_reply(error);
  require(reply.status >= 400 && reply.status <= 599, "an error has an error's status");
  if (utf8_valid(message)) {
    require(json_valid(reply.body), "an error's body is valid JSON", reply.body);
  }
  int codes = 0;
  json_members(reply.body, [&codes](const std::string& name, std::string_view) { codes += name == "code" ? 1 : 0; });
  require(codes == 1, "an error has one code", reply.body);
}

void check_publish_reply(std::string_view result) {
  const Reply reply = publish_reply(result);
  require(reply.status == 201 || reply.status == 500, "a publication has an id or has failed");
  require(json_valid(reply.body), "the body is valid JSON", reply.body);
}

// The lines of a frame that a browser would read as fields.
void check_frame(std::string_view frame, std::string_view id) {
  const std::string_view event = take(frame, '\n');
  require(event.substr(0, 7) == "event: ", "a frame begins with its type", event);
  const std::string_view data = take(frame, '\n');
  require(data.substr(0, 6) == "data: ", "the data follows", data);
  require(event.find('\r') == std::string_view::npos && data.find('\r') == std::string_view::npos, "no line is broken");
  require_equal(frame, "id: " + std::string(id) + "\n\n", "then come the id and nothing else");
}

void check_event(std::string_view channel, std::string_view type, std::string_view data) {
  EventView event;
  event.id = 7;
  event.channel = channel;
  event.type = type;
  event.data = data;
  event.ts_us = -static_cast<std::int64_t>(channel.size()) * 1234567;
  std::string json = "x";
  const JsonSpan span = append_json(json, event);
  json.erase(0, 1);
  require(json.find_first_of("\r\n") == std::string::npos, "an event is one line", json);
  if (json_valid(data)) {
    require(json_valid(json), "an event is valid JSON", json);
  }
  const std::string inner = json.substr(span.data_offset, span.data_size);
  require(inner.size() == (data.empty() ? 4 : data.size()), "the span is that of the data", json);
  std::string frame;
  append_sse(frame, type, inner, event.id);
  check_frame(frame, "7");
}

void check_expired(std::string_view channel) {
  for (const auto& [cursor, envelope] : {std::pair("9", false), {"9", true}, {"rt-9", false}, {"rt-9", true}}) {
    const std::string frame = stream_expired(cursor, "expired", envelope, channel, 1406125522481000);
    check_frame(frame, cursor);
    const std::size_t start = frame.find("\ndata: ") + 7;
    const std::string data = frame.substr(start, frame.find('\n', start) - start);
    require(json_valid(data), "the data of the last frame is valid JSON", data);
  }
}

}  // namespace

void fuzz(std::string_view input) {
  const Part first(take(input, '\n'));
  const Part second(take(input, '\n'));
  const Part third(input);
  check_sql_error(first.view(), second.view(), third.view());
  check_publish_reply(third.view());
  check_event(first.view(), second.view(), third.view());
  check_expired(first.view());
}

}  // namespace pgevents::fuzzing
