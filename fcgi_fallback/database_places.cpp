// See database_places.hpp.
#include "fcgi_fallback/database_places.hpp"

#include <algorithm>
#include <utility>

namespace pgevents::fallback {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{2};      // for names whose last addresses are known
constexpr std::chrono::seconds kLongPatience{5};  // for others
constexpr std::chrono::seconds kGranularity{1};   // libpq counts whole seconds of the clock

// Given before the connection string, which may change them, and after it, which it may not (PostgreSQL manual,
// PQconnectdbParams: the last value counts).
constexpr std::pair<const char*, const char*> kDefaults[] = {{"fallback_application_name", "pgevents"}};
constexpr std::pair<const char*, const char*> kFixed[] = {{"client_encoding", "UTF8"}};

std::int64_t now_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

DatabasePlaces::DatabasePlaces(const std::string& conninfo)
    : conninfo_(conninfo), options_(postgres::parse_conninfo(conninfo)), random_(std::random_device{}()) {
  add(postgres::kNetworkDefaults);
  add(kDefaults);
  if (options_ != nullptr) {
    hosts_ = postgres::read_hosts(postgres::option_value(options_.get(), "host"),
                                  postgres::option_value(options_.get(), "hostaddr"),
                                  postgres::option_value(options_.get(), "port"));
  }
  read_pairs(hosts_.empty() ? nullptr : options_.get());
  add(kFixed);
  keywords_.push_back(nullptr);
  values_.push_back(nullptr);
  rules_ = postgres::read_rules(keywords_.data(), values_.data());
}

template <std::size_t size>
void DatabasePlaces::add(const std::pair<const char*, const char*> (&pairs)[size]) {
  for (const auto& [keyword, value] : pairs) {
    keywords_.push_back(keyword);
    values_.push_back(value);
  }
}

void DatabasePlaces::read_pairs(const PQconninfoOption* options) {
  if (options == nullptr) {
    keywords_.push_back("dbname");  // a name or a connection string
    values_.push_back(conninfo_.c_str());
    return;
  }
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) {
      keywords_.push_back(option->keyword);
      values_.push_back(option->val);
    }
  }
}

void DatabasePlaces::begin() {
  const auto is_known = [](const auto& name) { return !name.addresses.empty(); };
  const bool known = !known_.empty() && std::all_of(known_.begin(), known_.end(), is_known);
  merge(lookup_.find(postgres::names_of(hosts_), known ? kPatience : kLongPatience));
  attempt_.begin(postgres::places_of(hosts_, known_, rules_.random ? &random_ : nullptr), rules_);
  for (const postgres::NameAddresses& name : known_) {
    if (name.addresses.empty()) {
      attempt_.add_reason("host \"" + name.name + "\" not found: " + name.error);
    }
  }
}

// A name that is not found keeps its last addresses.
void DatabasePlaces::merge(postgres::Addresses answers) {
  for (postgres::NameAddresses& answer : answers) {
    const auto known =
        std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.name == answer.name; });
    if (known == known_.end()) {
      known_.push_back(std::move(answer));
    } else if (!answer.addresses.empty() || known->addresses.empty()) {
      *known = std::move(answer);
    }
  }
}

PGconn* DatabasePlaces::connect() {
  if (!attempt_.next(memory_, now_ms())) {
    return nullptr;
  }
  const int seconds = attempt_.limit_seconds();
  const bool by_libpq = attempt_.place().is_string;  // which may try several hosts
  deadline_ = steady_clock::now() + std::chrono::seconds(seconds);
  postgres::PlaceParameters parameters(keywords_.data(), values_.data(), attempt_);
  const std::string limit = std::to_string(seconds);
  parameters.add("connect_timeout", limit.c_str());
  PGconn* const connection = PQconnectdbParams(parameters.keywords(), parameters.values(), by_libpq ? 1 : 0);
  if (by_libpq) {
    deadline_ = steady_clock::now() + std::chrono::seconds(seconds);
  }
  return connection;
}

void DatabasePlaces::failed(std::string_view why) {
  const bool silent = steady_clock::now() >= deadline_ - kGranularity;
  attempt_.add_reason(why);
  remember(silent ? Failure::kSilent : Failure::kRejected);
}

// A single place has no other to be tried before it.
void DatabasePlaces::remember(Failure failure) {
  if (attempt_.places() > 1) {
    memory_.failed(attempt_.place(), failure, now_ms());
  }
}

}  // namespace pgevents::fallback
