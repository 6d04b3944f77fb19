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

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> entries;
  if (text.empty()) {
    return entries;
  }
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = text.find(separator);
    entries.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return entries;
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
  return split(text, ',');
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

std::string with_addresses(std::string_view text, const NameAddresses& name) {
  std::string all;
  for (const std::string& line : split(text, '\n')) {
    if (!line.empty() && line.compare(0, name.name.size() + 1, name.name + " ") != 0) {
      all.append(line).append("\n");
    }
  }
  all.append(name.name);
  for (const std::string& address : name.addresses) {
    all.append(" ").append(address);
  }
  return all.append("\n");
}

std::vector<std::string> addresses_in(std::string_view text, std::string_view name) {
  for (const std::string& line : split(text, '\n')) {
    std::vector<std::string> words = split(line, ' ');
    if (!words.empty() && words.front() == name) {
      words.erase(words.begin());
      return words;
    }
  }
  return {};
}

}  // namespace pgevents::postgres
