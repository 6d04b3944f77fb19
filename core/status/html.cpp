// See html.hpp.
#include "core/status/html.hpp"

namespace pgevents {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";

bool is_control(char c) noexcept {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
}

}  // namespace

void append_html(std::string& out, std::string_view text) {
  for (const char c : text) {
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
