// See conninfo_values.hpp. Numbers, ports and addresses are checked here, because libpq reads them only as it connects
// to a server. All other values are checked by libpq itself: it rejects them before it opens a socket, and which values
// it knows depends on its version.
#include "postgres/conninfo_values.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "postgres/conninfo.hpp"
#include "postgres/hosts.hpp"

namespace pgevents::postgres {
namespace {

constexpr std::string_view kNumbers[] = {"connect_timeout",     "keepalives",       "keepalives_idle",
                                         "keepalives_interval", "keepalives_count", "tcp_user_timeout"};
// Where libpq connects to, and what it reads from files or replaces by the environment.
constexpr std::string_view kNotProbed[] = {"host",     "hostaddr", "port",       "passfile",
                                           "password", "service",  "servicefile"};
// No server can listen below a file: libpq reports a failure at once, and opens no connection.
constexpr char kNowhere[] = "/dev/null/nowhere";

std::optional<int> to_number(std::string_view text) noexcept {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  int number = 0;
  text.remove_prefix(!text.empty() && text.front() == '+' ? 1 : 0);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
  return whole ? std::optional<int>(number) : std::nullopt;
}

bool is_port(std::string_view text) noexcept {
  constexpr int kMaxPort = 65535;
  const auto number = to_number(text);
  return text.empty() || (number && *number >= 1 && *number <= kMaxPort);
}

std::optional<std::string> number_fault(const PQconninfoOption* options) {
  for (const std::string_view keyword : kNumbers) {
    const std::string_view value = option_value(options, keyword);
    if (!value.empty() && !to_number(value)) {
      return "\"" + std::string(keyword) + "\" must be a whole number";
    }
  }
  return std::nullopt;
}

// The lists of hosts, addresses and ports.
std::optional<std::string> place_fault(const PQconninfoOption* options) {
  const auto hosts = split_list(option_value(options, "host"));
  const auto addresses = split_list(option_value(options, "hostaddr"));
  const auto ports = split_list(option_value(options, "port"));
  if (!std::all_of(ports.begin(), ports.end(), is_port)) {
    return "\"port\" must be a number from 1 to 65535, or a list of them";
  }
  const auto is_address = [](const std::string& text) { return text.empty() || is_numeric_address(text); };
  if (!std::all_of(addresses.begin(), addresses.end(), is_address)) {
    return "\"hostaddr\" must be a numeric address, or a list of them; a name is for \"host\"";
  }
  if (!addresses.empty() && !hosts.empty() && addresses.size() != hosts.size()) {
    return "\"hostaddr\" must have as many entries as \"host\"";
  }
  const std::size_t places = std::max({hosts.size(), addresses.size(), std::size_t{1}});
  if (ports.size() > 1 && ports.size() != places) {
    return "\"port\" must have one entry, or as many as \"host\"";
  }
  return std::nullopt;
}

struct ConnectionDeleter {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};

using Pairs = std::vector<std::pair<const char*, const char*>>;

// What libpq reports when it starts to connect with these values to a server that cannot exist.
std::string probe(const Pairs& pairs) {
  std::vector<const char*> keywords{"host", "password", "gssencmode"};
  std::vector<const char*> values{kNowhere, "none", "disable"};  // with a password libpq reads no password file
  for (const auto& [keyword, value] : pairs) {
    keywords.push_back(keyword);
    values.push_back(value);
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  const std::unique_ptr<PGconn, ConnectionDeleter> connection(PQconnectStartParams(keywords.data(), values.data(), 0));
  return connection == nullptr ? std::string() : PQerrorMessage(connection.get());
}

// Whether libpq found no other fault than that there is no server: it says so once for each time it tried, with
// target_session_attrs=prefer-standby twice.
bool is_only(std::string_view message, const std::string& nowhere) {
  do {
    if (message.substr(0, nowhere.size()) != nowhere) {
      return false;
    }
    message.remove_prefix(nowhere.size());
  } while (!message.empty() && !nowhere.empty());
  return true;
}

// The value to blame is the one without which libpq reports something else.
std::optional<std::string> probed_fault(const PQconninfoOption* options) {
  Pairs pairs;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    const bool skipped =
        std::find(std::begin(kNotProbed), std::end(kNotProbed), option->keyword) != std::end(kNotProbed);
    if (option->val != nullptr && !skipped) {
      pairs.emplace_back(option->keyword, option->val);
    }
  }
  const std::string message = probe(pairs);
  if (is_only(message, probe({}))) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    Pairs others = pairs;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    if (probe(others) != message) {
      return "libpq does not accept the value of \"" + std::string(pairs[i].first) +
             "\"; its manual lists the values (\"Parameter Key Words\")";
    }
  }
  return "libpq does not accept a value of the connection string";
}

}  // namespace

std::optional<std::string> value_fault(const PQconninfoOption* options) {
  for (const auto check : {number_fault, place_fault, probed_fault}) {
    if (auto fault = check(options)) {
      return fault;
    }
  }
  return std::nullopt;
}

}  // namespace pgevents::postgres
