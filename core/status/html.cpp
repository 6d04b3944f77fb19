// See html.hpp.
#include "core/status/html.hpp"

namespace pgevents {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";

bool is_control(char c) noexcept {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
}

// The bytes of one control character of Unicode's second block, U+0080 to U+009F.
bool begins_second_control(std::string_view text) noexcept {
  return text.size() > 1 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0;
}

}  // namespace

void append_html(std::string& out, std::string_view text) {
  for (; !text.empty(); text.remove_prefix(1)) {
    const char c = text.front();
    if (begins_second_control(text)) {
      out += kReplacement;
      text.remove_prefix(1);
      continue;
    }
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        is_control(c) ? out += kReplacement : out += c;
    }
  }
}

}  // namespace pgevents
