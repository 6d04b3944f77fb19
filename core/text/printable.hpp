// Foreign text for a log line: what clients, the database, files and tokens say must not begin another line, nor drive
// a terminal.
#pragma once

#include <cstddef>
#include <string_view>

namespace pgevents {

// Copies `text` into `to` (at most `size` bytes, without a NUL at the end): control characters, also those of Unicode's
// second block, become \xNN; a line end or a tab becomes a space, of which there is one in a row at such a place. What
// is too long is cut. Returns how many bytes there are.
std::size_t printable(std::string_view text, char* to, std::size_t size) noexcept;

// The same in an object of its own; takes no memory.
class Printable {
 public:
  explicit Printable(std::string_view text) noexcept { text_[printable(text, text_, sizeof text_ - 1)] = '\0'; }
  const char* c_str() const noexcept { return text_; }

 private:
  char text_[1024];
};

}  // namespace pgevents
