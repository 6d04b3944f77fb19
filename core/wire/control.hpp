// Events on pgevents' own channel, by which SQL functions speak to every server: who is to be put out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

inline constexpr std::string_view kControlChannel = "pgevents.control";

struct Control {
  enum class Kind {
    kRevoked,     // `pgevents.revoked`, {"user":"10","before_us":1656958539620000}
    kDisconnect,  // `pgevents.disconnect`, {"user":"10"}
  };
  Kind kind = Kind::kDisconnect;
  std::string user;
  std::int64_t before_us = 0;
};

// Nothing when it is none of these, or not well formed.
std::optional<Control> parse_control(std::string_view type, std::string_view data);

}  // namespace pgevents
