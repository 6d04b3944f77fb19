// Array literals; see array.hpp.
#include "postgres/array.hpp"

namespace pgevents::postgres {

// Every element is quoted, so that an empty one, NULL and white space stand for themselves.
void ArrayLiteral::add(std::string_view element) {
  text_ += text_.size() == 1 ? "\"" : ",\"";
  for (const char c : element) {
    if (c == '"' || c == '\\') {
      text_ += '\\';
    }
    text_ += c;
  }
  text_ += '"';
}

std::string array_literal(const std::vector<std::string>& elements) {
  ArrayLiteral literal;
  for (const std::string& element : elements) {
    literal.add(element);
  }
  return std::move(literal).finish();
}

}  // namespace pgevents::postgres
