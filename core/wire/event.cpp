// Formats events. This is the hot path of the whole system (once per event in the module, once per event and request
// in the fallback): plain appends, no stream, no printf.
#include "core/wire/event.hpp"

#include <charconv>
#include <cstring>

#include "core/text/utf8.hpp"

namespace pgevents {

namespace {

constexpr std::int64_t kMicrosPerSecond = 1000000;
constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

template <typename Integer>
void append_number(std::string& out, Integer value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

// Seconds with exactly six decimals, in integer arithmetic: a double would round some of them.
void append_timestamp(std::string& out, std::int64_t ts_us) {
  if (ts_us < 0) {
    out.push_back('-');
  }
  const std::uint64_t magnitude =
      ts_us < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(ts_us) : static_cast<std::uint64_t>(ts_us);
  append_number(out, magnitude / kMicrosPerSecond);
  char fraction[7] = {'.'};
  std::uint64_t rest = magnitude % kMicrosPerSecond;
  for (int i = 6; i > 0; --i, rest /= 10) {
    fraction[i] = static_cast<char>('0' + rest % 10);
  }
  out.append(fraction, sizeof fraction);
}

void replace_byte(char* text, std::size_t size, char from) {
  char* const end = text + size;
  while ((text = static_cast<char*>(std::memchr(text, from, static_cast<std::size_t>(end - text)))) != nullptr) {
    *text++ = ' ';
  }
}

// Appends `text` with CR and LF as spaces, so that it can neither end its line nor begin another field.
void append_one_line(std::string& out, std::string_view text) {
  const std::size_t start = out.size();
  out.append(text);
  replace_byte(out.data() + start, text.size(), '\n');
  replace_byte(out.data() + start, text.size(), '\r');
}

void append_escaped_control(std::string& out, unsigned char byte) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (byte) {
    case '\b':
      out.append("\\b");
      return;
    case '\f':
      out.append("\\f");
      return;
    case '\n':
      out.append("\\n");
      return;
    case '\r':
      out.append("\\r");
      return;
    case '\t':
      out.append("\\t");
      return;
    default:
      break;
  }
  const char escape[] = {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
  out.append(escape, sizeof escape);
}

// True for bytes that go unchanged into a JSON string, whatever follows them.
bool is_plain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(static_cast<unsigned char>(text[plain]))) {
      ++plain;
    }
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) {
      return;
    }
    const auto byte = static_cast<unsigned char>(text.front());
    std::size_t used = 1;
    if (byte >= 0x80) {
      const std::size_t length = utf8_sequence(text);
      out.append(length > 0 ? text.substr(0, length) : std::string_view(kReplacement));
      if (length > 0) {
        used = length;
      }
    } else if (byte < 0x20) {
      append_escaped_control(out, byte);
    } else {
      out.push_back('\\');
      out.push_back(static_cast<char>(byte));
    }
    text.remove_prefix(used);
  }
}

JsonSpan append_json(std::string& out, const EventView& event) {
  const std::size_t start = out.size();
  out.append("{\"id\":");
  append_number(out, event.id);
  out.append(",\"channel_id\":\"");
  append_json_escaped(out, event.channel);
  out.append("\",\"ts\":");
  append_timestamp(out, event.ts_us);
  out.append(",\"data\":{\"type\":\"");
  append_json_escaped(out, event.type);
  out.append("\",\"data\":");
  JsonSpan span;
  span.data_offset = out.size() - start;
  append_one_line(out, event.data.empty() ? std::string_view("null") : event.data);
  span.data_size = out.size() - start - span.data_offset;
  out.append("}}");
  return span;
}

std::int64_t time_in_json(std::string_view json) noexcept {
  constexpr std::string_view kBefore = "\",\"ts\":";  // in the channel's name each quote has a backslash before it
  const std::size_t before = json.find(kBefore);
  if (before == std::string_view::npos) {
    return 0;
  }
  std::int64_t ts_us = 0;
  for (const char c : json.substr(before + kBefore.size())) {
    if (c >= '0' && c <= '9') {
      ts_us = ts_us * 10 + (c - '0');
    } else if (c != '.') {
      break;
    }
  }
  return ts_us;
}

void append_sse(std::string& out, std::string_view type, std::string_view one_line, std::uint64_t id) {
  // Both texts are one line already (the database checks types, append_json flattens data). append_one_line() is a
  // second guard: it costs next to nothing, and no later mistake can inject a line.
  out.append("event: ");
  append_one_line(out, type);
  out.append("\ndata: ");
  append_one_line(out, one_line);
  out.append("\nid: ");
  append_number(out, id);
  out.append("\n\n");
}

}  // namespace pgevents
