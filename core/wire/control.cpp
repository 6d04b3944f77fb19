// Reads the events of pgevents' own channel. The database wrote them; malformed ones are ignored all the same.
#include "core/wire/control.hpp"

#include <charconv>
#include <system_error>
#include <utility>

#include "core/text/json_text.hpp"
#include "core/text/name_pattern.hpp"

namespace pgevents {
namespace {

std::optional<std::int64_t> to_integer(std::string_view text) noexcept {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

struct Members {
  std::optional<std::string> user;
  std::optional<std::int64_t> before_us;
};

// Ignores members of other names: a later version of the SQL functions may add some.
std::optional<Members> read_members(std::string_view data) {
  std::string_view user;
  std::string_view before;
  bool twice = false;
  const bool read = json_members(data, [&](const std::string& name, std::string_view value) {
    if (name != "user" && name != "before_us") {
      return;
    }
    std::string_view& to = name == "user" ? user : before;
    twice = twice || !to.empty();
    to = value;
  });
  if (!read || twice) {
    return std::nullopt;
  }
  return Members{json_string(user), to_integer(before)};
}

}  // namespace

std::optional<Control> parse_control(std::string_view type, std::string_view data) {
  const bool revoked = type == "pgevents.revoked";
  if (!revoked && type != "pgevents.disconnect") {
    return std::nullopt;
  }
  auto members = read_members(data);
  if (!members || !members->user || !name_is_sane(*members->user)) {
    return std::nullopt;
  }
  if (revoked && !members->before_us) {
    return std::nullopt;
  }
  Control control;
  control.kind = revoked ? Control::Kind::kRevoked : Control::Kind::kDisconnect;
  control.user = std::move(*members->user);
  if (revoked) {
    control.before_us = *members->before_us;
  }
  return control;
}

}  // namespace pgevents
