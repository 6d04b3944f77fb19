// See complaint.hpp.
#include "core/request/complaint.hpp"

#include <utility>

#include "core/text/utf8.hpp"

namespace pgevents {

Error complain(int status, std::string msg) {
  Error error;
  error.status = status;
  error.msg = std::move(msg);
  return error;
}

std::string naming(std::string_view what, std::string_view value) {
  constexpr std::size_t kMostRepeated = 40;
  std::string msg(what);
  if (value.size() <= kMostRepeated && utf8_valid(value)) {
    msg.append(" '").append(value).append("'");
  }
  return msg;
}

Error given_twice(std::string_view what, std::string_view name) {
  return complain(400, naming(what, name) + " is given twice");
}

}  // namespace pgevents
