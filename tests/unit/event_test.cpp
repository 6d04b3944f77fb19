// Events on the wire: the JSON object, the stream frame, and that no content of an event can break either.
#include "core/wire/event.hpp"

#include <string>
#include <vector>

#include "checks.hpp"
#include "core/text/json_text.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

std::string json(const EventView& event) {
  std::string out;
  append_json(out, event);
  return out;
}

std::string frame(std::string_view type, std::string_view line, std::uint64_t id) {
  std::string out;
  append_sse(out, type, line, id);
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

// Reads field names and values of a stream as the HTML standard defines (section 9.2.6).
struct Field {
  std::string name, value;
};
std::vector<Field> fields_of(std::string_view stream) {
  std::vector<Field> fields;
  while (!stream.empty()) {
    const std::size_t end = stream.find_first_of("\r\n");
    ck_assert_msg(end != std::string_view::npos, "a line without end");
    const std::string_view line = stream.substr(0, end);
    const std::size_t colon = line.find(": ");
    fields.push_back({std::string(line.substr(0, colon)),
                      colon == std::string_view::npos ? "" : std::string(line.substr(colon + 2))});
    stream.remove_prefix(stream.substr(end, 2) == "\r\n" ? end + 2 : end + 1);
  }
  return fields;
}

START_TEST(an_event_is_an_object_with_id_channel_time_type_and_data) {
  const EventView event{434, "cheese", 1406125522481000, "cheese_created", R"({"pieces":92,"cheese_type":"Gruyère"})"};
  assert_text(json(event), R"({"id":434,"channel_id":"cheese","ts":1406125522.481000,)"
                           R"("data":{"type":"cheese_created","data":{"pieces":92,"cheese_type":"Gruyère"}}})");
}
END_TEST

START_TEST(the_object_is_appended_and_the_place_of_its_data_returned) {
  std::string out = "[previous,";
  const EventView event{2, "c", 0, "t", R"([1,2])"};
  const JsonSpan span = append_json(out, event);
  assert_text(out.substr(0, 10), "[previous,");
  assert_text(out.substr(10 + span.data_offset, span.data_size), "[1,2]");
}
END_TEST

START_TEST(times_have_exactly_six_decimals) {
  const struct {
    std::int64_t ts_us;
    const char* wanted;
  } rows[] = {{0, "0.000000"},
              {1, "0.000001"},
              {999999, "0.999999"},
              {1000000, "1.000000"},
              {1406125522000010, "1406125522.000010"},
              {9007199254740993, "9007199254.740993"},  // beyond a double's integers
              {INT64_MAX, "9223372036854.775807"},
              {-1, "-0.000001"},
              {-1500000, "-1.500000"},
              {INT64_MIN, "-9223372036854.775808"}};
  for (const auto& row : rows) {
    const std::string wanted =
        std::string(R"({"id":1,"channel_id":"c","ts":)") + row.wanted + R"(,"data":{"type":"t","data":1}})";
    assert_text(json({1, "c", row.ts_us, "t", "1"}), wanted);
  }
}
END_TEST

START_TEST(ids_up_to_the_greatest_are_written_in_full) {
  assert_text(json({UINT64_MAX, "c", 0, "t", "1"}).substr(0, 27), R"({"id":18446744073709551615,)");
  assert_text(frame("t", "1", UINT64_MAX), "event: t\ndata: 1\nid: 18446744073709551615\n\n");
}
END_TEST

START_TEST(data_stays_as_it_was_written) {
  for (const char* data : {R"(12345678901234567890123.4500)", R"({"b":1,"a":1,"a":2})", R"("\u0000\ud800\/\u00e8")",
                           R"(-0.0e+00)", "\"\xE2\x80\xA8\"", R"([ 1 ,  2 ])"}) {
    const EventView event{1, "c", 0, "t", data};
    assert_text(json(event),
                R"({"id":1,"channel_id":"c","ts":0.000000,"data":{"type":"t","data":)" + std::string(data) + "}}");
  }
}
END_TEST

START_TEST(line_ends_in_data_become_spaces) {
  const std::string out = json({1, "c", 0, "t", "{\r\n\"a\":\r1,\n\"b\":2}\n"});
  assert_text(out.substr(out.find("{\"type\"")), "{\"type\":\"t\",\"data\":{  \"a\": 1, \"b\":2} }}");
}
END_TEST

START_TEST(no_data_is_null) {
  assert_text(json({1, "c", 0, "t", ""}), R"({"id":1,"channel_id":"c","ts":0.000000,"data":{"type":"t","data":null}})");
}
END_TEST

START_TEST(names_are_escaped_inside_the_object) {
  assert_text(json({1, "a\"b\\c", 0, "x\ny", "1"}),
              R"({"id":1,"channel_id":"a\"b\\c","ts":0.000000,"data":{"type":"x\ny","data":1}})");
}
END_TEST

START_TEST(json_escapes_what_must_be_escaped_and_nothing_else) {
  const struct {
    std::string_view text, wanted;
  } rows[] = {
      {"", ""},
      {"plain / 'text'", "plain / 'text'"},
      {"\"\\", R"(\"\\)"},
      {"\b\f\n\r\t", R"(\b\f\n\r\t)"},
      {std::string_view("\0\x01\x1f", 3), R"(\u0000\u0001\u001f)"},
      {"\x7f", "\x7f"},
      {"é€𝄞", "é€𝄞"},
      {"\u2028", "\u2028"},
  };
  for (const auto& row : rows) {
    assert_text(escaped(row.text), row.wanted);
  }
}
END_TEST

START_TEST(invalid_utf8_becomes_replacement_characters) {
  const struct {
    std::string_view text, wanted;
  } rows[] = {
      {"a\xff"
       "b",
       "a\uFFFDb"},
      {"\xc3", "\uFFFD"},                                  // cut off
      {"\xc0\xaf", "\uFFFD\uFFFD"},                        // overlong
      {"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},              // surrogate
      {"\xf4\x90\x80\x80x", "\uFFFD\uFFFD\uFFFD\uFFFDx"},  // above U+10FFFF
  };
  for (const auto& row : rows) {
    assert_text(escaped(row.text), row.wanted);
  }
}
END_TEST

START_TEST(every_byte_in_a_name_gives_valid_json) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; second += 5) {
      const char bytes[] = {static_cast<char>(first), static_cast<char>(second)};
      const std::string out = json({1, std::string_view(bytes, 2), 0, std::string_view(bytes, 2), "1"});
      ck_assert_msg(json_valid(out), "bytes %d %d", first, second);
    }
  }
}
END_TEST

START_TEST(the_time_is_found_in_an_object_whatever_its_names_and_data_are) {
  for (const std::int64_t ts_us : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1656958539620123}}) {
    for (const char* const name : {"c", "\",\"ts\":5,\"", "a\\", "a\\\"", "ts"}) {
      ck_assert_int_eq(time_in_json(json({7, name, ts_us, name, R"({"ts":9})"})), ts_us);
    }
  }
  for (const char* const text : {"", "{}", "{\"id\":1}"}) {
    ck_assert_int_eq(time_in_json(text), 0);
  }
}
END_TEST

START_TEST(a_frame_is_event_data_id_and_a_blank_line) {
  assert_text(frame("cheese_created", R"({"pieces":92})", 434),
              "event: cheese_created\ndata: {\"pieces\":92}\nid: 434\n\n");
}
END_TEST

START_TEST(no_type_and_no_data_can_add_a_line_to_a_frame) {
  for (const char* attack : {"x\nid: 999", "x\rid: 999", "x\r\n\r\ndata: evil", "x\n\nevent: evil\ndata: 1\n\n", "\n",
                             "\r", "\nretry: 1", "x\u2028id: 999", "x\u0085id: 999", "x\x0bid: 999"}) {
    for (const bool in_type : {true, false}) {
      const auto fields = fields_of(in_type ? frame(attack, "1", 7) : frame("t", attack, 7));
      ck_assert_uint_eq(fields.size(), 4);
      assert_text(fields[0].name, "event");
      assert_text(fields[1].name, "data");
      assert_text(fields[2].name, "id");
      assert_text(fields[2].value, "7", attack);
      assert_text(fields[3].name, "");
    }
  }
}
END_TEST

START_TEST(data_of_a_megabyte_comes_through) {
  std::string data(1024 * 1024, 'x');
  data.front() = data.back() = '"';
  data[1000] = '\n';
  const std::string out = frame("t", data, 1);
  ck_assert_uint_eq(out.size(), data.size() + 9 + 6 + 1 + 5 + 2);
  ck_assert_uint_eq(fields_of(out).size(), 4);
}
END_TEST

}  // namespace

int main() {
  return run("event", {
                          an_event_is_an_object_with_id_channel_time_type_and_data,
                          the_object_is_appended_and_the_place_of_its_data_returned,
                          times_have_exactly_six_decimals,
                          ids_up_to_the_greatest_are_written_in_full,
                          data_stays_as_it_was_written,
                          line_ends_in_data_become_spaces,
                          no_data_is_null,
                          names_are_escaped_inside_the_object,
                          json_escapes_what_must_be_escaped_and_nothing_else,
                          invalid_utf8_becomes_replacement_characters,
                          every_byte_in_a_name_gives_valid_json,
                          the_time_is_found_in_an_object_whatever_its_names_and_data_are,
                          a_frame_is_event_data_id_and_a_blank_line,
                          no_type_and_no_data_can_add_a_line_to_a_frame,
                          data_of_a_megabyte_comes_through,
                      });
}
