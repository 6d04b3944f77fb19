// Makes foreign text fit for a log line: text of clients, of the database, of files and tokens must neither begin
// another line nor control a terminal.
#pragma once

#include <cstddef>
#include <string_view>

namespace pgevents {

// Copies `text` into `to` (at most `size` bytes, without a NUL at the end): control characters, also those of Unicode's
// second block, become \xNN; a run of line ends and tabs becomes one space. Text that is too long is cut. Returns the
// number of bytes.
std::size_t printable(std::string_view text, char* to, std::size_t size) noexcept;

// The same in an object of its own; allocates nothing.
class Printable {
 public:
  explicit Printable(std::string_view text) noexcept { text_[printable(text, text_, sizeof text_ - 1)] = '\0'; }
  const char* c_str() const noexcept { return text_; }

 private:
  char text_[1024];
};

}  // namespace pgevents
