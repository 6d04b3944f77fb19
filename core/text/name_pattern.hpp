// The operator's rule for channel names and event types: a PCRE2 pattern that must match the whole name.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace pgevents {

inline constexpr char kDefaultNamePattern[] = "[A-Za-z0-9_.:@=+-]+";
inline constexpr std::size_t kMaxNameBytes = 255;

// The rules for every name, whatever the pattern: 1 to 255 bytes of valid UTF-8, no ASCII control character.
// Those of Unicode's second block (U+0080 to U+009F) are characters like others to every format of the protocol; where
// a terminal may show a name, printable() and append_html() replace them.
bool name_is_sane(std::string_view name) noexcept;

// Not for use by several threads at once (the match data is part of the object).
class NamePattern {
 public:
  // Compiles `pattern` (PCRE2, UTF). Returns null and sets `error` when it does not compile.
  static std::unique_ptr<NamePattern> compile(std::string_view pattern, std::string& error);
  ~NamePattern();
  NamePattern(const NamePattern&) = delete;
  NamePattern& operator=(const NamePattern&) = delete;

  // True if `name` is sane and the pattern matches it as a whole. A match that takes too many steps fails.
  bool matches(std::string_view name) const noexcept;

 private:
  NamePattern() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgevents
