// Events on pgevents' own channel, by which SQL functions make every server disconnect a user.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

inline constexpr std::string_view kControlChannel = "pgevents.control";
// The first event of a generation of ids: ids between the event before it and this one are of no event of this log.
inline constexpr std::string_view kGenerationType = "pgevents.generation";

struct Control {
  enum class Kind {
    kRevoked,     // `pgevents.revoked`, {"user":"10","before_us":1656958539620000}
    kDisconnect,  // `pgevents.disconnect`, {"user":"10"}
  };
  Kind kind = Kind::kDisconnect;
  std::string user;
  std::int64_t before_us = 0;
};

// Nothing if it is none of these, or malformed.
std::optional<Control> parse_control(std::string_view type, std::string_view data);

}  // namespace pgevents
