// The JSON scanner behind json_text.hpp: one pass, a stack of open brackets instead of recursion.
#include "core/text/json_text.hpp"

#include <algorithm>

#include "core/text/hex.hpp"
#include "core/text/utf8.hpp"

namespace pgevents {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Each skip_* consumes one token at `pos_` and returns whether it was well-formed.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t position() const { return pos_; }
  bool at_end() const { return pos_ == text_.size(); }

  void skip_space() {
    while (pos_ < text_.size()) {
      const char c = text_[pos_];
      if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
        return;
      }
      ++pos_;
    }
  }

  bool skip_char(char wanted) {
    if (at_end() || text_[pos_] != wanted) {
      return false;
    }
    ++pos_;
    return true;
  }

  bool skip_string() {
    if (!skip_char('"')) {
      return false;
    }
    while (!at_end()) {
      const char c = text_[pos_++];
      if (c == '"') {
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return false;
      }
      if (c == '\\' && !skip_escape()) {
        return false;
      }
    }
    return false;
  }

  bool skip_number() {
    skip_char('-');
    if (!skip_char('0') && !skip_digits()) {
      return false;
    }
    if (skip_char('.') && !skip_digits()) {
      return false;
    }
    if (skip_char('e') || skip_char('E')) {
      if (!skip_char('+')) {
        skip_char('-');
      }
      if (!skip_digits()) {
        return false;
      }
    }
    return true;
  }

  bool skip_value();

 private:
  bool skip_digits() {
    const std::size_t start = pos_;
    while (!at_end() && is_digit(text_[pos_])) {
      ++pos_;
    }
    return pos_ > start;
  }

  bool skip_escape() {
    if (at_end()) {
      return false;
    }
    const char c = text_[pos_++];
    if (c != 'u') {
      return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    }
    for (int i = 0; i < 4; ++i) {
      if (at_end() || hex_value(text_[pos_++]) < 0) {
        return false;
      }
    }
    return true;
  }

  bool skip_literal(std::string_view word) {
    if (text_.substr(pos_, word.size()) != word) {
      return false;
    }
    pos_ += word.size();
    return true;
  }

  bool skip_scalar() {
    switch (text_[pos_]) {
      case '"':
        return skip_string();
      case 't':
        return skip_literal("true");
      case 'f':
        return skip_literal("false");
      case 'n':
        return skip_literal("null");
      default:
        return skip_number();
    }
  }

  // Name and colon of an object's member.
  bool skip_name() {
    skip_space();
    if (!skip_string()) {
      return false;
    }
    skip_space();
    return skip_char(':');
  }

  // Enters the array or object at `pos_`. Sets `empty` if it is closed at once.
  bool open_bracket(std::string& open, bool& empty) {
    const char bracket = text_[pos_++];
    if (open.size() >= kMaxJsonDepth) {
      return false;
    }
    skip_space();
    empty = skip_char(bracket == '{' ? '}' : ']');
    if (empty) {
      return true;
    }
    open.push_back(bracket);
    return bracket == '[' || skip_name();
  }

  // After a value: consumes the brackets that close here. True with `open` empty, or in front of the next value.
  bool close_brackets(std::string& open) {
    while (!open.empty()) {
      skip_space();
      if (skip_char(',')) {
        return open.back() == '[' || skip_name();
      }
      if (!skip_char(open.back() == '{' ? '}' : ']')) {
        return false;
      }
      open.pop_back();
    }
    return true;
  }

  std::string_view text_;
  std::size_t pos_ = 0;
};

bool Scanner::skip_value() {
  std::string open;  // the brackets that are open, innermost last
  do {
    skip_space();
    if (at_end()) {
      return false;
    }
    bool complete = true;
    if (text_[pos_] == '{' || text_[pos_] == '[') {
      if (!open_bracket(open, complete)) {
        return false;
      }
    } else if (!skip_scalar()) {
      return false;
    }
    if (complete && !close_brackets(open)) {
      return false;
    }
    if (complete && open.empty()) {
      return true;
    }
  } while (true);
}

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code >> 6)));
  } else {
    if (code < 0x10000) {
      out.push_back(static_cast<char>(0xE0 | (code >> 12)));
    } else {
      out.push_back(static_cast<char>(0xF0 | (code >> 18)));
      out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    }
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
  }
  out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
}

unsigned hex4(std::string_view text) {
  unsigned code = 0;
  for (const char c : text.substr(0, 4)) {
    code = code * 16 + static_cast<unsigned>(hex_value(c));
  }
  return code;
}

// Takes the digits of a `\u` escape (and of the second half of a pair) from the front of `rest`.
bool take_unicode_escape(std::string_view& rest, std::string& out) {
  unsigned code = hex4(rest);
  rest.remove_prefix(4);
  if (code >= 0xDC00 && code <= 0xDFFF) {
    return false;
  }
  if (code >= 0xD800 && code <= 0xDBFF) {
    if (rest.size() < 6 || rest.substr(0, 2) != "\\u") {
      return false;
    }
    const unsigned low = hex4(rest.substr(2));
    if (low < 0xDC00 || low > 0xDFFF) {
      return false;
    }
    rest.remove_prefix(6);
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, code);
  return true;
}

char simple_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

}  // namespace

bool json_valid(std::string_view text) {
  Scanner scanner(text);
  if (!utf8_valid(text) || !scanner.skip_value()) {
    return false;
  }
  scanner.skip_space();
  return scanner.at_end();
}

bool json_members(std::string_view text, const JsonVisitor& visit) {
  if (!json_valid(text)) {
    return false;
  }
  Scanner scanner(text);
  scanner.skip_space();
  if (!scanner.skip_char('{')) {
    return false;
  }
  scanner.skip_space();
  if (scanner.skip_char('}')) {
    return true;
  }
  do {
    scanner.skip_space();
    std::size_t start = scanner.position();
    scanner.skip_string();
    const std::string_view written = text.substr(start, scanner.position() - start);
    const auto name = json_string(written);
    scanner.skip_space();
    scanner.skip_char(':');
    scanner.skip_space();
    start = scanner.position();
    scanner.skip_value();
    visit(name ? *name : std::string(written), text.substr(start, scanner.position() - start));
    scanner.skip_space();
  } while (scanner.skip_char(','));
  return true;
}

std::optional<std::string> json_string(std::string_view value) {
  Scanner scanner(value);
  if (!utf8_valid(value) || !scanner.skip_string() || !scanner.at_end()) {
    return std::nullopt;
  }
  std::string out;
  std::string_view rest = value.substr(1, value.size() - 2);
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('\\'), rest.size());
    out.append(rest.substr(0, plain));
    rest.remove_prefix(plain);
    if (rest.empty()) {
      break;
    }
    const char escape = rest[1];
    rest.remove_prefix(2);
    if (escape != 'u') {
      out.push_back(simple_escape(escape));
    } else if (!take_unicode_escape(rest, out)) {
      return std::nullopt;
    }
  }
  return out;
}

bool json_is_number(std::string_view text) noexcept {
  Scanner scanner(text);
  return scanner.skip_number() && scanner.at_end();
}

}  // namespace pgevents
