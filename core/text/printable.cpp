// See printable.hpp.
#include "core/text/printable.hpp"

namespace pgevents {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool is_control(unsigned char c) noexcept {
  return c < 0x20 || c == 0x7f;
}

// U+0080 to U+009F: some of them begin a terminal's command.
bool is_second_control(std::string_view text) noexcept {
  return text.size() > 1 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0;
}

class Line {
 public:
  Line(char* to, std::size_t size) : to_(to), end_(to + size), at_(to) {}

  bool add(std::string_view bytes) noexcept {
    if (static_cast<std::size_t>(end_ - at_) < bytes.size()) {
      return false;
    }
    for (const char c : bytes) {
      *at_++ = c;
    }
    return true;
  }
  bool add_escaped(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    const char escaped[] = {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    return add({escaped, sizeof escaped});
  }
  bool add_blank() noexcept { return at_ == to_ || at_[-1] == ' ' || add(" "); }
  std::size_t size() noexcept {
    while (at_ > to_ && at_[-1] == ' ') {
      --at_;
    }
    return static_cast<std::size_t>(at_ - to_);
  }

 private:
  char* to_;
  char* end_;
  char* at_;
};

}  // namespace

std::size_t printable(std::string_view text, char* to, std::size_t size) noexcept {
  Line line(to, size);
  for (bool room = true; room && !text.empty();) {
    const char c = text.front();
    std::size_t taken = 1;
    if (c == '\n' || c == '\r' || c == '\t') {
      room = line.add_blank();
    } else if (is_control(static_cast<unsigned char>(c))) {
      room = line.add_escaped(c);
    } else if (is_second_control(text)) {
      room = line.add_escaped(text[0]) && line.add_escaped(text[1]);
      taken = 2;
    } else {
      room = line.add({&c, 1});
    }
    text.remove_prefix(taken);
  }
  return line.size();
}

}  // namespace pgevents
