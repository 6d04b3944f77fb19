// See hosts.hpp.
#include "postgres/hosts.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace pgevents::postgres {
namespace {

bool is_socket_path(std::string_view host) noexcept {
  return !host.empty() && (host.front() == '/' || host.front() == '@');
}

const std::vector<std::string>* find(const Addresses& all, const std::string& name) noexcept {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  return found != all.end() ? &found->addresses : nullptr;
}

std::vector<Host> entries_of(const std::vector<Host>& hosts, const Addresses& addresses) {
  std::vector<Host> entries;
  for (const Host& host : hosts) {
    if (!host.is_name) {
      entries.push_back(host);
      continue;
    }
    const auto* const found = find(addresses, host.name);
    for (std::size_t i = 0; found != nullptr && i < found->size(); ++i) {
      entries.push_back({host.name, (*found)[i], host.port, false});
    }
  }
  return entries;
}

// Moves the entries that are in `last` to the end.
void put_last(std::vector<Host>& entries, const std::vector<std::string>& last) {
  for (const std::string& address : last) {
    std::stable_partition(entries.begin(), entries.end(), [&](const Host& entry) {
      return (entry.address.empty() ? entry.name : entry.address) != address;
    });
  }
}

// Empty if all values are.
std::string join(const std::vector<Host>& entries, std::string Host::*value) {
  std::string list;
  bool any = false;
  for (const Host& entry : entries) {
    list.append(&entry == entries.data() ? "" : ",").append(entry.*value);
    any = any || !(entry.*value).empty();
  }
  return any ? list : std::string();
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> entries;
  if (text.empty()) {
    return entries;
  }
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    entries.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return entries;
}

bool is_numeric_address(const std::string& text) noexcept {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(text.c_str(), nullptr, &hints, &found) != 0) {
    return false;
  }
  freeaddrinfo(found);
  return true;
}

std::vector<Host> read_hosts(std::string_view host, std::string_view hostaddr, std::string_view port) {
  const auto names = split_list(host);
  const auto addresses = split_list(hostaddr);
  const auto ports = split_list(port);
  const auto at = [](const std::vector<std::string>& list, std::size_t i) {
    return i < list.size() ? list[i] : std::string();
  };
  std::vector<Host> hosts;
  for (std::size_t i = 0; i < std::max(names.size(), addresses.size()); ++i) {
    Host one{at(names, i), at(addresses, i), at(ports, ports.size() == 1 ? 0 : i), false};
    one.is_name =
        one.address.empty() && !one.name.empty() && !is_socket_path(one.name) && !is_numeric_address(one.name);
    hosts.push_back(std::move(one));
  }
  return hosts;
}

std::vector<std::string> names_of(const std::vector<Host>& hosts) {
  std::vector<std::string> names;
  for (const Host& host : hosts) {
    if (host.is_name && std::find(names.begin(), names.end(), host.name) == names.end()) {
      names.push_back(host.name);
    }
  }
  return names;
}

HostAnswer::~HostAnswer() {
  if (list_ != nullptr) {
    freeaddrinfo(list_);
  }
}

void HostAnswer::look_up(const char* name) noexcept {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  error_ = getaddrinfo(name, nullptr, &hints, &list_);
  errno_ = errno;
}

NameAddresses HostAnswer::addresses_of(const std::string& name) const {
  NameAddresses result;
  result.name = name;
  if (error_ != 0) {
    result.error = error_ == EAI_SYSTEM ? std::system_category().message(errno_) : gai_strerror(error_);
    result.temporary = error_ != EAI_NONAME && error_ != EAI_FAIL;
    return result;
  }
  for (const addrinfo* one = list_; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0 &&
        std::find(result.addresses.begin(), result.addresses.end(), text) == result.addresses.end()) {
      result.addresses.emplace_back(text);
    }
  }
  if (result.addresses.empty()) {
    result.error = "no address";
  }
  return result;
}

NameAddresses resolve(const std::string& name) {
  HostAnswer answer;
  answer.look_up(name.c_str());
  return answer.addresses_of(name);
}

std::optional<HostValues> host_values(const std::vector<Host>& hosts, const Addresses& addresses,
                                      const std::vector<std::string>& last) {
  std::vector<Host> entries = entries_of(hosts, addresses);
  if (entries.empty()) {
    return std::nullopt;
  }
  put_last(entries, last);
  return HostValues{join(entries, &Host::name), join(entries, &Host::address), join(entries, &Host::port)};
}

}  // namespace pgevents::postgres
