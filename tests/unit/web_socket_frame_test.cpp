// Frames of WebSocket: what a client may send, in any pieces, and which close code each fault has.
#include <algorithm>
#include <vector>

#include "checks.hpp"
#include "core/web_socket/frame_reader.hpp"
#include "core/web_socket/messages.hpp"

using namespace pgevents;
using namespace pgevents::testing;
using namespace pgevents::web_socket;

namespace {

using Found = FrameReader::Found;

constexpr std::size_t kMost = 70'000;
constexpr unsigned char kMask[] = {0x37, 0xfa, 0x21, 0x3d};

// A client's frame. `head`: its first byte; `form`: the length's bytes behind the second one, -1: as short as it can
// be.
std::string frame(unsigned head, std::string_view payload, int form = -1) {
  const int bytes = form >= 0 ? form : payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
  std::string out(1, static_cast<char>(head));
  out += static_cast<char>(0x80 | (bytes == 0 ? payload.size() : bytes == 2 ? 126 : 127));
  for (int at = bytes; at-- > 0;) {
    out += static_cast<char>(payload.size() >> (8 * at));
  }
  out.append(reinterpret_cast<const char*>(kMask), sizeof kMask);
  for (std::size_t at = 0; at < payload.size(); ++at) {
    out += static_cast<char>(static_cast<unsigned char>(payload[at]) ^ kMask[at & 3]);
  }
  return out;
}

// What a reader finds in `bytes`, given `step` at a time, as a text: `t` text, `p` ping, `o` pong, `c` close, `!`
// fault.
std::string found_in(const std::string& bytes, std::size_t step = SIZE_MAX, std::size_t most = kMost) {
  FrameReader reader(most);
  std::string story;
  for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size() - at)) {
    std::string_view rest = std::string_view(bytes).substr(at, step);
    for (Found found = Found::kText; found != Found::kNothing;) {
      found = reader.read(rest);
      switch (found) {
        case Found::kNothing:
          break;
        case Found::kText:
          story += "t:" + reader.payload() + ' ';
          break;
        case Found::kPing:
          story += "p:" + reader.payload() + ' ';
          break;
        case Found::kPong:
          story += "o:" + reader.payload() + ' ';
          break;
        case Found::kClose:
          story += "c:" + std::to_string(static_cast<int>(reader.close_code())) + ' ';
          break;
        case Found::kViolation:
          return story + "!" + std::to_string(static_cast<int>(reader.close_code()));
      }
    }
    ck_assert(rest.empty());
  }
  return story;
}

START_TEST(messages_of_all_lengths_are_read_in_any_pieces) {
  for (const std::size_t size : {0, 1, 125, 126, 127, 65535, 65536}) {
    const std::string payload(size, 'x');
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
      assert_text(found_in(frame(0x81, payload), step), "t:" + payload + ' ', std::to_string(size));
    }
  }
}
END_TEST

START_TEST(fragments_make_one_message_and_control_frames_come_between) {
  const std::string bytes = frame(0x01, "a\xc3") + frame(0x89, "?") + frame(0x00, "") + frame(0x8a, "!") +
                            frame(0x80, "\xa9") + frame(0x81, "b") + frame(0x88, "");
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    assert_text(found_in(bytes, step), "p:? o:! t:a\xc3\xa9 t:b c:1005 ", std::to_string(step));
  }
}
END_TEST

struct Fault {
  const char* what;
  std::string bytes;
  const char* story;
};

START_TEST(each_fault_has_its_close_code) {
  const std::string not_masked("\x81\x01x", 3);
  const std::vector<Fault> faults = {
      {"not masked", not_masked, "!1002"},
      {"a reserved bit", frame(0xc1, "x"), "!1002"},
      {"an unknown data opcode", frame(0x83, "x"), "!1002"},
      {"an unknown control opcode", frame(0x8b, "x"), "!1002"},
      {"a fragmented control frame", frame(0x09, "x"), "!1002"},
      {"a long control frame", frame(0x89, std::string(126, 'x')), "!1002"},
      {"a continuation of nothing", frame(0x80, "x"), "!1002"},
      {"a message in a message", frame(0x01, "x") + frame(0x81, "y"), "!1002"},
      {"a length in more bytes than it needs", frame(0x81, "x", 2), "!1002"},
      {"likewise in eight", frame(0x81, "x", 8), "!1002"},
      {"a length with the highest bit", std::string("\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14), "!1002"},
      {"a close frame with half a code", frame(0x88, "x"), "!1002"},
      {"code 1005", frame(0x88, "\x03\xed"), "!1002"},
      {"code 999", frame(0x88, "\x03\xe7"), "!1002"},
      {"code 5000", frame(0x88, "\x13\x88"), "!1002"},
      {"a reason that is not UTF-8", frame(0x88, "\x03\xe8\xff"), "!1007"},
      {"a text that is not UTF-8", frame(0x81, "\xc3"), "!1007"},
      {"a binary message", frame(0x82, "x"), "!1003"},
      {"a message that is too long", frame(0x81, std::string(kMost + 1, 'x')), "!1009"},
      {"fragments that are", frame(0x01, std::string(kMost, 'x')) + frame(0x00, "x"), "!1009"},
  };
  for (const Fault& fault : faults) {
    for (const std::size_t step : {std::size_t{1}, SIZE_MAX}) {
      assert_text(found_in(fault.bytes, step), fault.story, fault.what);
    }
  }
}
END_TEST

START_TEST(a_long_message_is_rejected_before_it_comes) {
  assert_text(found_in(std::string("\x81\xff\0\0\x7f\xff\xff\xff\xff\xff\1\2\3\4", 14)), "!1009");
}
END_TEST

START_TEST(a_limit_that_falls_within_a_message_ends_it) {
  FrameReader reader(kMost);
  const std::string first = frame(0x01, "abc");
  const std::string second = frame(0x80, "d");
  std::string_view start = first;
  ck_assert(reader.read(start) == Found::kNothing);
  reader.set_max_message(2);
  std::string_view rest = second;
  ck_assert(reader.read(rest) == Found::kViolation);
  ck_assert(reader.close_code() == CloseCode::kTooBig);
}
END_TEST

START_TEST(close_codes_of_applications_and_servers_are_accepted) {
  for (const unsigned code : {1000u, 1001u, 1003u, 1007u, 1011u, 1012u, 1014u, 3000u, 4401u, 4999u}) {
    const std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code & 255)};
    assert_text(found_in(frame(0x88, payload + "r")), "c:" + std::to_string(code) + ' ');
  }
}
END_TEST

START_TEST(frames_are_written_in_their_shortest_form) {
  for (const std::size_t size : {0, 125, 126, 65535, 65536}) {
    std::string out;
    append_frame(out, Opcode::kText, std::string(size, 'x'));
    const std::size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;
    ck_assert_uint_eq(out.size(), head + size);
    ck_assert_uint_eq(static_cast<unsigned char>(out[0]), 0x81);
  }
  std::string closing;
  append_close(closing, CloseCode::kAccessEnded, "expired");
  assert_text(closing,
              "\x88\x09\x11\x31"
              "expired");
  std::string empty;
  append_close(empty, CloseCode::kNone, "ignored");
  assert_text(empty, std::string("\x88\0", 2));
}
END_TEST

START_TEST(messages_of_the_server) {
  assert_text(cursor_frame("rt-1.5").substr(2), R"({"cursor":"rt-1.5"})");
  Reply reply;
  reply.status = 201;
  reply.body = "{}";
  assert_text(reply_frame("-3", reply).substr(2), R"({"reply":-3,"status":201,"body":{}})");
  std::string bare;
  append_bare_event(bare, "a\"", "[1]");
  assert_text(std::string_view(bare).substr(2), R"({"type":"a\"","data":[1]})");
  assert_text(
      expired_frame("5", "revoked", "c", 1500000).substr(2),
      R"({"id":5,"channel_id":"c","ts":1.500000,"data":{"type":"pgevents.expired","data":{"reason":"revoked"}}})");
}
END_TEST

}  // namespace

int main() {
  return run(
      "web_socket_frame",
      {messages_of_all_lengths_are_read_in_any_pieces, fragments_make_one_message_and_control_frames_come_between,
       each_fault_has_its_close_code, a_long_message_is_rejected_before_it_comes,
       a_limit_that_falls_within_a_message_ends_it, close_codes_of_applications_and_servers_are_accepted,
       frames_are_written_in_their_shortest_form, messages_of_the_server});
}
