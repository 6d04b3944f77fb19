// Makes errors; see error.hpp.
#include "core/wire/error.hpp"

#include <utility>

#include "core/text/utf8.hpp"

namespace pgevents {

Error make_error(int status, std::string msg, std::string code) {
  Error error;
  error.status = status;
  error.msg = std::move(msg);
  error.code = std::move(code);
  return error;
}

Error given_twice(std::string_view what, std::string_view name) {
  return make_error(400, naming(what, name) + " is given twice");
}

Error method_not_allowed(const std::string& methods) {
  Error error = make_error(405, "Method not allowed");
  error.allow = methods + ", OPTIONS";
  return error;
}

Error body_too_large(std::size_t limit) {
  return make_error(413, "The body is larger than " + std::to_string(limit) + " bytes");
}

Error too_early() {
  return make_error(425, "Not accepted as early data; send it again after the TLS handshake");
}

Error internal_error() {
  return make_error(500, "Internal error");
}

Error database_away(unsigned retry_after) {
  Error error = make_error(503, "The database is not available");
  error.retry_after = retry_after;
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

}  // namespace pgevents
