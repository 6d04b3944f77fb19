// See server_addresses.hpp.
#include "ngx_module/postgres/server_addresses.hpp"

#include <algorithm>
#include <utility>

#include "core/shared/siphash.hpp"
#include "ngx_module/zone/zone.hpp"

namespace pgevents::nginx {
namespace {

constexpr ngx_msec_t kValidFor = 2'000;          // connections that open within this time share a lookup
constexpr ngx_msec_t kPatience = 2'000;          // then the last addresses are used
constexpr ngx_msec_t kLongPatience = 5'000;      // if there are none
constexpr ngx_msec_t kResolverTimeout = 10'000;  // it asks another name server after 5 s
constexpr ngx_msec_t kWarnAgain = 60'000;
constexpr char kSlow[] = "the lookup of the host takes too long";

std::string not_found_text(const std::string& name, const std::string& error) {
  return "host \"" + name + "\" not found: " + error;
}

auto is_named(const std::string& name) {
  return [&name](const postgres::NameAddresses& one) { return one.name == name; };
}

// What has no room is left out. The lock is held.
void store(SharedRoot& root, const postgres::NameAddresses& name) {
  const std::string text = postgres::with_addresses(root.addresses, name);
  if (text.size() < sizeof(root.addresses)) {
    ngx_memcpy(root.addresses, text.c_str(), text.size() + 1);
    root.addresses_at = static_cast<std::int64_t>(ngx_current_msec);
  }
}

std::string value_of(const DatabaseConf& conf, std::string_view keyword) {
  for (std::size_t i = 0; conf.keywords[i] != nullptr; ++i) {
    if (conf.keywords[i] == keyword) {
      return conf.values[i];
    }
  }
  return {};
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
      resolver_lookup_(*this),
      lookup_(*this, log),
      rules_(postgres::read_rules(conf.keywords, conf.values)),
      session_attrs_(value_of(conf, "target_session_attrs")),
      known_(conf.hosts->found),
      random_(static_cast<std::minstd_rand::result_type>(ngx_random())),
      answered_at_(conf.hosts->found_at) {
  ngx_queue_init(&waiting_);
  init_timer(timer_, this, &ServerAddresses::on_timer, log);
  timer_.cancelable = 0;  // a connection that a request depends on may wait
  take_shared();
  for (const postgres::NameAddresses& name : known_) {
    if (name.addresses.empty()) {
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
  resolver_lookup_.cancel();
  lookup_.cancel();
}

ServerAddresses::Found ServerAddresses::find(Waiter& waiter) noexcept {
  if (known_.empty()) {
    return Found::kNow;  // no name
  }
  if (!looking_up() && (ngx_current_msec - answered_at_ < kValidFor || !start())) {
    return usable() ? Found::kNow : Found::kNever;
  }
  if (overdue()) {
    return without_lookup(kSlow);
  }
  waiter.link_.waiter = &waiter;
  ngx_queue_insert_tail(&waiting_, &waiter.link_.queue);
  if (!timer_.timer_set) {
    ngx_add_timer(&timer_, patience() - (ngx_current_msec - started_at_));
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

ngx_msec_t ServerAddresses::patience() const noexcept {
  return usable() ? kPatience : kLongPatience;
}

bool ServerAddresses::overdue() const noexcept {
  return ngx_current_msec - started_at_ >= patience();
}

// --- lookups ---

// False if it has ended already: the resolver knew all answers, or nothing could be asked.
bool ServerAddresses::start() noexcept {
  started_at_ = ngx_current_msec;
  const char* fault = nullptr;
  const bool asked = guarded(log_, [&] {
    std::vector<std::string> names = postgres::names_of(conf_.hosts->list);
    if (conf_.hosts->resolver != nullptr) {
      resolver_lookup_.start(conf_.hosts->resolver, names, kResolverTimeout);
    } else {
      fault = look_up_by_system(std::move(names));
    }
  });
  if (!asked || fault != nullptr) {
    without_lookup(fault != nullptr ? fault : "out of memory");
  }
  return looking_up();
}

const char* ServerAddresses::look_up_by_system(std::vector<std::string> names) noexcept {
  const char* fault = "out of memory";
  guarded(log_, [&] { fault = lookup_.start(std::move(names)); });
  return fault;
}

// The names that the resolver does not know may be in /etc/hosts.
void ServerAddresses::resolver_done() noexcept {
  std::vector<std::string> missing;
  guarded(log_, [&] {
    missing_.clear();
    for (postgres::NameAddresses& answer : resolver_lookup_.take()) {
      if (answer.addresses.empty()) {
        missing.push_back(answer.name);
        missing_.push_back(std::move(answer));
      } else {
        merge(answer);
      }
    }
  });
  if (missing.empty()) {
    return answered(true);
  }
  if (const char* const fault = look_up_by_system(std::move(missing)); fault != nullptr) {
    without_lookup(fault);
    answered(false);
  }
}

void ServerAddresses::answered(bool all) noexcept {
  answered_at_ = ngx_current_msec;
  failing_ = failing_ && !all;
  settle();
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
  bool all = true;
  const bool taken = guarded(log_, [&] {
    for (postgres::NameAddresses& answer : lookup_.take()) {
      merge(answer);
      all = all && answer.error.empty();
    }
  });
  answered(taken && all);
}

void ServerAddresses::merge(postgres::NameAddresses& answer) {
  if (answer.addresses.empty()) {
    const auto missing = std::find_if(missing_.begin(), missing_.end(), is_named(answer.name));
    return not_found(answer.name, missing == missing_.end()
                                      ? answer.error
                                      : answer.error + " (nginx's resolver: " + missing->error + ")");
  }
  const auto known = std::find_if(known_.begin(), known_.end(), is_named(answer.name));
  if (known == known_.end()) {
    return;
  }
  const std::string before = sorted_text(known->addresses);
  known->addresses = std::move(answer.addresses);
  if (const std::string now = sorted_text(known->addresses); before != now) {
    ngx_log_error(NGX_LOG_NOTICE, log_, 0, "pgevents: host \"%s\" of database \"%V\" has the addresses %s now",
                  Printable(known->name).c_str(), &conf_.name, now.c_str());
  }
  share(*known);
}

// For the workers of the next configuration: name servers may be away when that is read.
void ServerAddresses::share(const postgres::NameAddresses& name) {
  const ZoneLock lock(conf_.zone);
  store(*zone_root(conf_.zone), name);
}

// Another worker may have found addresses since the configuration was read, or when name servers still answered.
void ServerAddresses::take_shared() {
  SharedRoot& root = *zone_root(conf_.zone);
  const ZoneLock lock(conf_.zone);
  const bool newer = root.addresses_at > static_cast<std::int64_t>(answered_at_);
  for (postgres::NameAddresses& name : known_) {
    auto shared = postgres::addresses_in(root.addresses, name.name);
    if (!shared.empty() && (newer || name.addresses.empty())) {
      name.addresses = std::move(shared);
    } else if (!name.addresses.empty()) {
      store(root, name);
    }
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

void ServerAddresses::begin(postgres::Attempt& attempt) {
  auto places = postgres::places_of(conf_.hosts->list, known_, rules_.random ? &random_ : nullptr);
  for (const postgres::Place& place : places) {
    take_shared_failure(place);
  }
  attempt.begin(std::move(places), rules_);
}

bool ServerAddresses::next(postgres::Attempt& attempt) const {
  return attempt.next(memory_, static_cast<std::int64_t>(ngx_current_msec));
}

PGconn* ServerAddresses::connect(const postgres::Attempt& attempt) const {
  postgres::PlaceParameters parameters(conf_.keywords, conf_.values, attempt);
  return PQconnectStartParams(parameters.keywords(), parameters.values(), 0);
}

// A single place has no other to be tried before it.
void ServerAddresses::failed(const postgres::Attempt& attempt, postgres::PlaceMemory::Failure failure,
                             const char* why) noexcept {
  guarded(log_, [&] {
    const auto now = static_cast<std::int64_t>(ngx_current_msec);
    if (attempt.places() == 1) {
      return;
    }
    if (memory_.failed(attempt.place(), failure, now)) {
      ngx_log_error(NGX_LOG_NOTICE, log_, 0, "pgevents: the %s of database \"%V\" is tried last for a while: %s",
                    Printable(postgres::text_of(attempt.place())).c_str(), &conf_.name, why);
    }
    share_failure(attempt.place(), now);
  });
}

void ServerAddresses::connected(const postgres::Attempt& attempt) noexcept {
  memory_.connected(attempt.place());
  guarded(log_, [&] { share_failure(attempt.place(), 0); });
}

// --- failures in other workers ---

std::uint64_t ServerAddresses::hash_of(const postgres::Place& place) const {
  const std::string text = place.host + '\n' + place.address + '\n' + place.port + '\n' + session_attrs_;
  return std::max<std::uint64_t>(1, siphash({}, text));
}

// `at` 0: the place is good. Of two places in one slot the later failure counts.
void ServerAddresses::share_failure(const postgres::Place& place, std::int64_t at) {
  const std::uint64_t hash = hash_of(place);
  SharedFailure& shared = zone_root(conf_.zone)->failures[hash % kSharedFailures];
  if (at != 0) {
    shared.at.store(at);
    shared.place.store(hash);
  } else if (shared.place.load() == hash) {
    shared.place.store(0);
  }
}

// This worker does not know in which way it failed: it comes behind all others.
void ServerAddresses::take_shared_failure(const postgres::Place& place) {
  const std::uint64_t hash = hash_of(place);
  const SharedFailure& shared = zone_root(conf_.zone)->failures[hash % kSharedFailures];
  if (shared.place.load() == hash) {
    memory_.failed(place, postgres::PlaceMemory::Failure::kSilent, shared.at.load());
  }
}

}  // namespace pgevents::nginx
