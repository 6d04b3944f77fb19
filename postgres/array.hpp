// Array literals: `{"a","b"}` (PostgreSQL manual, chapter "Data Types", section "Array Input and Output Syntax").
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgevents::postgres {

// Builds a text[] literal element by element.
class ArrayLiteral {
 public:
  void add(std::string_view element);
  // The finished literal; `{}` without elements.
  std::string finish() && { return std::move(text_ += '}'); }

 private:
  std::string text_ = "{";
};

std::string array_literal(const std::vector<std::string>& elements);

}  // namespace pgevents::postgres
