// name_pattern.hpp: an operator's pattern (the first line) and a name (the rest).
#include <algorithm>

#include "core/text/name_pattern.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

bool is_default_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.:@=+-").find(c) != std::string_view::npos;
  });
}

const NamePattern& default_names() {
  static std::string error;
  static const auto names = NamePattern::compile(kDefaultNamePattern, error);
  return *names;
}

}  // namespace

void fuzz(std::string_view input) {
  const Part pattern(take(input, '\n'));
  const Part name(input);
  require(default_names().matches(name.view()) == is_default_name(name.view()),
          "the default pattern matches its characters", name.view());
  std::string error;
  const auto names = NamePattern::compile(pattern.view(), error);
  require((names == nullptr) != error.empty(), "a pattern compiles or there is an error", error);
  if (names == nullptr || !names->matches(name.view())) {
    return;
  }
  require(name_is_sane(name.view()), "only sane names match", name.view());
}

}  // namespace pgevents::fuzzing
