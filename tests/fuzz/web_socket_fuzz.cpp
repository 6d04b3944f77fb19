// frame_reader.hpp and client_message.hpp: what a WebSocket's client sends, in any pieces. The input is what comes
// through the connection; the pieces must not matter. If it is a message, it is read as one, too.
#include <algorithm>

#include "core/request/client_message.hpp"
#include "core/request/request.hpp"
#include "core/text/json_text.hpp"
#include "core/text/utf8.hpp"
#include "core/web_socket/frame_reader.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

using web_socket::FrameReader;
using Found = FrameReader::Found;

constexpr std::size_t kMost = 300;

void check_found(Found found, FrameReader& reader) {
  const std::string& payload = reader.payload();
  const auto code = static_cast<unsigned>(reader.close_code());
  switch (found) {
    case Found::kText:
      require(payload.size() <= kMost && utf8_valid(payload), "a message is UTF-8 and not too long", payload);
      break;
    case Found::kPing:
    case Found::kPong:
      require(payload.size() <= web_socket::kMaxControlBytes, "a control frame is short", payload);
      break;
    case Found::kClose:
      require(code == 1005 || web_socket::is_close_code(code), "a close frame has a good code");
      break;
    case Found::kViolation:
      require(code == 1002 || code == 1003 || code == 1007 || code == 1009, "a violation has its code");
      break;
    case Found::kNothing:
      break;
  }
}

// What is found in `input`, given `step` bytes at a time, up to a violation.
std::string story_of(std::string_view input, std::size_t step) {
  FrameReader reader(kMost);
  std::string story;
  while (!input.empty()) {
    const Part part(input.substr(0, step));
    input.remove_prefix(part.view().size());
    std::string_view rest = part.view();
    for (Found found = Found::kText; found != Found::kNothing;) {
      found = reader.read(rest);
      check_found(found, reader);
      if (found == Found::kViolation) {
        return story + '!' + std::to_string(static_cast<int>(reader.close_code()));
      }
      if (found != Found::kNothing) {
        story += std::to_string(static_cast<int>(found)) + ':' + reader.payload() + '\n';
      }
    }
    require(rest.empty(), "all bytes are read", rest);
  }
  return story;
}

std::string client_frame(std::string_view text) {
  std::string out = "\x81";
  out += static_cast<char>(0x80 | text.size());
  out += "abcd";
  for (std::size_t at = 0; at < text.size(); ++at) {
    out += static_cast<char>(text[at] ^ "abcd"[at & 3]);
  }
  return out;
}

// A message is answered under its own number, and no text makes a request that the paths do not have.
void check_message(std::string_view text) {
  const auto read = read_message(text, RouteRules{}.max_channels);
  if (const auto* bad = std::get_if<BadMessage>(&read)) {
    require(bad->error.status == 400 && json_valid(bad->number), "a bad message has a number to repeat", bad->number);
    return;
  }
  const auto& message = std::get<ClientMessage>(read);
  require(json_valid(message.number), "a number is one", message.number);
  require(message.body.empty() || json_valid(message.body), "a body is JSON", message.body);
  if (message.method.empty()) {
    return;
  }
  RouteRules rules;
  rules.base = kMessageBase;
  rules.access.subscribe = "*";
  rules.access.publish = "*";
  Caller caller;
  caller.session.identity = {"7", "main"};
  const Route found = route_as(request_of(message), rules, caller);
  const auto* wanted = std::get_if<Subscription>(&found);
  if (wanted == nullptr || message.kind != ClientMessage::Kind::kSubscribe) {
    return;
  }
  for (const std::string& name : wanted->channels) {
    require(std::count(message.channels.begin(), message.channels.end(), name) > 0, "only what was asked for", name);
  }
}

}  // namespace

void fuzz(std::string_view input) {
  const std::string whole = story_of(input, SIZE_MAX);
  require_equal(story_of(input, 1), whole, "single bytes make the same messages");
  require_equal(story_of(input, 7), whole, "pieces make the same messages");
  if (input.size() < 126 && utf8_valid(input)) {
    require_equal(story_of(client_frame(input), 3), "1:" + std::string(input) + '\n', "a message comes through");
  }
  if (json_valid(input)) {
    check_message(input);
  }
}

}  // namespace pgevents::fuzzing
