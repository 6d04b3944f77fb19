// Reads connection strings at configuration time, for the directive `pgevents_database`; see conninfo.hpp.
#include "ngx_module/conf/conninfo.hpp"

#include <libpq-fe.h>
#include <netdb.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/conninfo.hpp"

namespace pgevents::nginx {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Added unless the operator's string sets them. GSS negotiation blocks in libpq; with these keepalive values a
// half-open connection is detected within about half a minute.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"application_name", "pgevents"}, {"client_encoding", "UTF8"},  {"gssencmode", "disable"},
    {"keepalives_idle", "10"},        {"keepalives_interval", "5"}, {"keepalives_count", "3"},
    {"tcp_user_timeout", "20000"},
};

std::string* find(Pairs& pairs, std::string_view keyword) {
  for (auto& [key, value] : pairs) {
    if (key == keyword) {
      return &value;
    }
  }
  return nullptr;
}

// The first numeric address of a host name; empty if it does not resolve.
std::string resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0 || found == nullptr) {
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  char text[NI_MAXHOST];
  if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST) != 0) {
    return {};
  }
  return text;
}

bool is_socket_path(std::string_view host) {
  return host.empty() || host.front() == '/' || host.front() == '@';
}

// Fills `hostaddr` for the comma-separated names in `host`, so that libpq needs no resolver later.
bool resolve_hosts(ngx_conf_t* cf, Pairs& pairs) {
  const std::string* host = find(pairs, "host");
  if (host == nullptr || find(pairs, "hostaddr") != nullptr) {
    return true;
  }
  std::string addresses;
  bool any = false;
  for (std::size_t from = 0; from <= host->size();) {
    const std::size_t comma = std::min(host->find(',', from), host->size());
    const std::string name = host->substr(from, comma - from);
    from = comma + 1;
    std::string address;
    if (!is_socket_path(name)) {
      address = resolve(name);
      if (address.empty()) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "pgevents: host \"%s\" of the database not found; correct it, or give its address as hostaddr",
            Printable(name).c_str());
        return false;
      }
      any = true;
    }
    addresses += (comma == host->size()) ? address : address + ",";
  }
  if (any) {
    pairs.emplace_back("hostaddr", addresses);
  }
  return true;
}

const char* pool_text(ngx_conf_t* cf, const std::string& text) {
  return reinterpret_cast<const char*>(copy(cf->pool, text).data);
}

bool to_arrays(ngx_conf_t* cf, const Pairs& pairs, const char**& keywords, const char**& values) {
  const std::size_t bytes = (pairs.size() + 1) * sizeof(char*);
  keywords = static_cast<const char**>(ngx_pcalloc(cf->pool, bytes));
  values = static_cast<const char**>(ngx_pcalloc(cf->pool, bytes));
  if (keywords == nullptr || values == nullptr) {
    return false;
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    keywords[i] = pool_text(cf, pairs[i].first);
    values[i] = pool_text(cf, pairs[i].second);
    if (keywords[i] == nullptr || values[i] == nullptr) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool parse_conninfo(ngx_conf_t* cf, const ngx_str_t& conninfo, const char**& keywords, const char**& values) {
  const auto options = postgres::parse_conninfo(std::string(view(conninfo)));
  if (options == nullptr) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "pgevents: the connection string of the database is not valid; give keyword=value pairs or a "
                       "postgresql:// URI");
    return false;
  }
  Pairs pairs;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) {
      pairs.emplace_back(option->keyword, option->val);
    }
  }
  if (!resolve_hosts(cf, pairs)) {
    return false;
  }
  for (const auto& [keyword, value] : kDefaults) {
    if (find(pairs, keyword) == nullptr) {
      pairs.emplace_back(keyword, value);
    }
  }
  return to_arrays(cf, pairs, keywords, values);
}

}  // namespace pgevents::nginx
