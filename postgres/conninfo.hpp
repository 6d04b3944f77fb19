// Connection strings (PostgreSQL manual, chapter "libpq - C Library", section "Connection Strings").
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace pgevents::postgres {

struct ConninfoDeleter {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
// libpq's array of all options, ended by one without keyword.
using ConninfoOptions = std::unique_ptr<PQconninfoOption, ConninfoDeleter>;

// Unless a connection string sets them otherwise: the kernel ends a connection to which the network has answered
// nothing for 6 s, idle or not.
inline constexpr std::pair<const char*, const char*> kNetworkDefaults[] = {
    {"keepalives_idle", "3"}, {"keepalives_interval", "1"}, {"keepalives_count", "3"}, {"tcp_user_timeout", "6000"}};

// Null if libpq cannot read `conninfo`. libpq's own message is dropped: it may quote a password.
ConninfoOptions parse_conninfo(const std::string& conninfo) noexcept;

// Whether libpq knows `word` as a keyword of connection strings.
bool is_keyword(std::string_view word) noexcept;

// The value of `keyword`; empty if it is not given.
std::string_view option_value(const PQconninfoOption* options, std::string_view keyword) noexcept;

}  // namespace pgevents::postgres
