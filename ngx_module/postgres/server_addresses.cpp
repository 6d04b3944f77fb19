// See server_addresses.hpp.
#include "ngx_module/postgres/server_addresses.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kValidFor = 2'000;         // connections that open within this time share a lookup
constexpr ngx_msec_t kLookupTimeout = 5'000;    // then the last addresses are used
constexpr ngx_msec_t kConnectTimeout = 10'000;  // unless the connection string has connect_timeout
constexpr ngx_msec_t kWarnAgain = 60'000;
constexpr char kSlow[] = "the lookup of the host takes too long";

bool is_place(const char* keyword) noexcept {
  return std::strcmp(keyword, "host") == 0 || std::strcmp(keyword, "hostaddr") == 0 ||
         std::strcmp(keyword, "port") == 0;
}

// libpq itself ignores connect_timeout where connecting does not block. Like libpq, at least 2 s, and 0 is no limit.
ngx_msec_t read_connect_timeout(const DatabaseConf& conf) noexcept {
  constexpr ngx_msec_t kSecond = 1'000;
  for (std::size_t i = 0; conf.keywords[i] != nullptr; ++i) {
    if (std::strcmp(conf.keywords[i], "connect_timeout") == 0) {
      const long seconds = std::strtol(conf.values[i], nullptr, 10);
      return seconds <= 0 ? kConnectTimeout : std::max(seconds, 2L) * kSecond;
    }
  }
  return kConnectTimeout;
}

std::string not_found_text(const std::string& name, const std::string& error) {
  return "host \"" + name + "\" not found: " + error;
}

std::string sorted_text(std::vector<std::string> addresses) {
  std::sort(addresses.begin(), addresses.end());
  std::string text;
  for (const std::string& address : addresses) {
    text.append(text.empty() ? "" : " ").append(address);
  }
  return text;
}

}  // namespace

ServerAddresses::ServerAddresses(const DatabaseConf& conf, ngx_log_t* log)
    : conf_(conf),
      log_(log),
      lookup_(*this, log),
      known_(conf.hosts->found),
      connect_timeout_(read_connect_timeout(conf)),
      answered_at_(conf.hosts->found_at) {
  ngx_queue_init(&waiting_);
  init_timer(timer_, this, &ServerAddresses::on_timer, log);
  timer_.cancelable = 0;  // a connection that a request depends on may wait
  for (const postgres::NameAddresses& name : known_) {
    if (!name.error.empty()) {
      why_ = not_found_text(name.name, name.error);
      failing_ = true;
    }
  }
}

ServerAddresses::~ServerAddresses() {
  close();
}

void ServerAddresses::close() noexcept {
  stop_timer(timer_);
  lookup_.cancel();
}

ServerAddresses::Found ServerAddresses::find(Waiter& waiter) noexcept {
  if (known_.empty()) {
    return Found::kNow;  // no name
  }
  if (!lookup_.running() && (ngx_current_msec - answered_at_ < kValidFor || !start())) {
    return usable() ? Found::kNow : Found::kNever;
  }
  if (overdue()) {
    return without_lookup(kSlow);
  }
  waiter.link_.waiter = &waiter;
  ngx_queue_insert_tail(&waiting_, &waiter.link_.queue);
  if (!timer_.timer_set) {
    ngx_add_timer(&timer_, kLookupTimeout - (ngx_current_msec - started_at_));
  }
  return Found::kLater;
}

void ServerAddresses::forget(Waiter& waiter) noexcept {
  if (waiter.link_.waiter != nullptr) {
    waiter.link_.waiter = nullptr;
    ngx_queue_remove(&waiter.link_.queue);
  }
  if (ngx_queue_empty(&waiting_)) {
    stop_timer(timer_);  // it would keep a worker that shuts down
  }
}

const char* ServerAddresses::why() const noexcept {
  return why_.empty() ? "out of memory" : why_.c_str();
}

bool ServerAddresses::usable() const noexcept {
  return std::any_of(known_.begin(), known_.end(), [](const auto& name) { return !name.addresses.empty(); }) ||
         std::any_of(conf_.hosts->list.begin(), conf_.hosts->list.end(),
                     [](const auto& host) { return !host.is_name; });
}

bool ServerAddresses::overdue() const noexcept {
  return ngx_current_msec - started_at_ >= kLookupTimeout;
}

// --- lookups ---

bool ServerAddresses::start() noexcept {
  const char* fault = "out of memory";
  guarded(log_, [&] { fault = lookup_.start(postgres::names_of(conf_.hosts->list)); });
  started_at_ = ngx_current_msec;
  if (fault != nullptr) {
    without_lookup(fault);
  }
  return fault == nullptr;
}

// The last addresses must do.
ServerAddresses::Found ServerAddresses::without_lookup(const char* why) noexcept {
  guarded(log_, [&] { not_found(known_.front().name, why); });
  return usable() ? Found::kNow : Found::kNever;
}

// A lookup that is late goes on: its answer is for later connections.
void ServerAddresses::on_timer(ngx_event_t* event) {
  auto* self = static_cast<ServerAddresses*>(event->data);
  self->without_lookup(kSlow);
  self->settle();
}

void ServerAddresses::lookup_done() noexcept {
  answered_at_ = ngx_current_msec;
  guarded(log_, [this] {
    bool all = true;
    for (postgres::NameAddresses& answer : lookup_.take()) {
      merge(answer);
      all = all && answer.error.empty();
    }
    failing_ = failing_ && !all;
  });
  settle();
}

void ServerAddresses::merge(postgres::NameAddresses& answer) {
  if (answer.addresses.empty()) {
    return not_found(answer.name, answer.error);
  }
  const auto known =
      std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.name == answer.name; });
  if (known == known_.end()) {
    return;
  }
  const std::string before = sorted_text(known->addresses);
  known->addresses = std::move(answer.addresses);
  if (const std::string now = sorted_text(known->addresses); before != now) {
    ngx_log_error(NGX_LOG_NOTICE, log_, 0, "pgevents: host \"%s\" of database \"%V\" has the addresses %s now",
                  Printable(known->name).c_str(), &conf_.name, now.c_str());
  }
}

// Without any address the connection's own failure is logged, with why().
void ServerAddresses::not_found(const std::string& name, const std::string& error) {
  why_ = not_found_text(name, error);
  if (usable() && (!failing_ || ngx_current_msec - warned_at_ >= kWarnAgain)) {
    warned_at_ = ngx_current_msec;
    ngx_log_error(NGX_LOG_WARN, log_, 0,
                  "pgevents: host \"%s\" of database \"%V\" not found: %s; connections go to the last addresses that "
                  "are known",
                  Printable(name).c_str(), &conf_.name, Printable(error).c_str());
  }
  failing_ = true;
}

// A waiter may forget others, and ask again.
void ServerAddresses::settle() noexcept {
  stop_timer(timer_);
  if (ngx_queue_empty(&waiting_)) {
    return;
  }
  ngx_queue_t waiters;
  ngx_queue_init(&waiters);
  ngx_queue_add(&waiters, &waiting_);
  ngx_queue_init(&waiting_);
  while (!ngx_queue_empty(&waiters)) {
    auto* link = ngx_queue_data(ngx_queue_head(&waiters), Waiter::Link, queue);
    ngx_queue_remove(&link->queue);
    std::exchange(link->waiter, nullptr)->addresses_found(usable());
  }
}

// --- connections ---

PGconn* ServerAddresses::connect() const {
  const auto values = postgres::host_values(conf_.hosts->list, known_, last_);
  if (!values) {
    return PQconnectStartParams(conf_.keywords, conf_.values, 0);
  }
  std::vector<const char*> keywords{"host", "hostaddr", "port"};
  std::vector<const char*> texts{values->host.c_str(), values->hostaddr.c_str(), values->port.c_str()};
  for (std::size_t i = 0; conf_.keywords[i] != nullptr; ++i) {
    if (!is_place(conf_.keywords[i])) {
      keywords.push_back(conf_.keywords[i]);
      texts.push_back(conf_.values[i]);
    }
  }
  keywords.push_back(nullptr);
  texts.push_back(nullptr);
  return PQconnectStartParams(keywords.data(), texts.data(), 0);
}

void ServerAddresses::timed_out(const PGconn* connection) noexcept {
  const char* const address = connection != nullptr ? PQhostaddr(connection) : nullptr;
  if (address == nullptr || *address == '\0') {
    return;
  }
  connected(connection);
  guarded(log_, [&] { last_.emplace_back(address); });
}

void ServerAddresses::connected(const PGconn* connection) noexcept {
  if (!last_.empty()) {
    const char* const address = PQhostaddr(connection);
    last_.erase(std::remove(last_.begin(), last_.end(), address != nullptr ? address : ""), last_.end());
  }
}

}  // namespace pgevents::nginx
