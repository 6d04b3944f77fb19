// The hosts of a connection string and their addresses. libpq blocks while it looks a host name up, so a front-end with
// an event loop looks names up elsewhere and gives libpq the addresses (keyword `hostaddr`).
#pragma once

#include <netdb.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgevents::postgres {

// The entries of a comma-separated list; none if the text is empty.
std::vector<std::string> split_list(std::string_view text);

// Whether `text` is an IPv4 or IPv6 address in digits, as `hostaddr` takes it.
bool is_numeric_address(const std::string& text) noexcept;

// One entry of the lists `host`, `hostaddr` and `port`. What is empty is libpq's default.
struct Host {
  std::string name;
  std::string address;  // as the operator gave it
  std::string port;
  // Whether it has to be looked up: it has no address, and is neither a socket's path (/… or @…) nor an address itself.
  bool is_name = false;
};

// The hosts of a connection string, whose three lists fit together (conninfo_fault.hpp).
std::vector<Host> read_hosts(std::string_view host, std::string_view hostaddr, std::string_view port);

// The addresses of one name. Without any, `error` says why.
struct NameAddresses {
  std::string name;
  std::vector<std::string> addresses;  // in the order in which they should be tried
  std::string error;
  bool temporary = false;  // no name server answered; the name may exist
};
using Addresses = std::vector<NameAddresses>;

// The names of `hosts`, each once.
std::vector<std::string> names_of(const std::vector<Host>& hosts);

// The answer to one lookup, as getaddrinfo() gives it.
class HostAnswer {
 public:
  HostAnswer() = default;
  ~HostAnswer();
  HostAnswer(const HostAnswer&) = delete;
  HostAnswer& operator=(const HostAnswer&) = delete;
  HostAnswer(HostAnswer&& other) noexcept
      : list_(std::exchange(other.list_, nullptr)), error_(other.error_), errno_(other.errno_) {}
  HostAnswer& operator=(HostAnswer&&) = delete;

  // Looks a name up as the machine is configured, once. Blocks, perhaps for half a minute. Any thread may call it: it
  // neither throws nor calls the C++ library, whose variables of a new thread take memory when they are first used, and
  // end the process if that is refused.
  void look_up(const char* name) noexcept;
  // All addresses of both families.
  NameAddresses addresses_of(const std::string& name) const;

 private:
  addrinfo* list_ = nullptr;
  int error_ = EAI_AGAIN;
  int errno_ = 0;
};

NameAddresses resolve(const std::string& name);

// Addresses as a text that processes can share: a line for each name. with_addresses() replaces the name's line, or
// adds one; addresses_in() is empty if there is none.
std::string with_addresses(std::string_view text, const NameAddresses& name);
std::vector<std::string> addresses_in(std::string_view text, std::string_view name);

}  // namespace pgevents::postgres
