// See places.hpp.
#include "postgres/places.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

namespace pgevents::postgres {
namespace {

constexpr std::int64_t kFirstPause = 30'000;
constexpr std::int64_t kLongestPause = 900'000;
constexpr int kLeastLimit = 2;  // as in libpq
constexpr int kLimit = 5;
constexpr int kLimitOfSeveral = 3;
constexpr std::size_t kMaxReasons = 900;

bool is_place(const char* keyword) noexcept {
  return std::strcmp(keyword, "host") == 0 || std::strcmp(keyword, "hostaddr") == 0 ||
         std::strcmp(keyword, "port") == 0;
}

// The places of one host.
std::vector<Place> places_of(const Host& host, const Addresses& addresses) {
  if (!host.is_name) {
    return {{host.name, host.address, host.port, false}};
  }
  std::vector<Place> places;
  const auto found =
      std::find_if(addresses.begin(), addresses.end(), [&](const auto& one) { return one.name == host.name; });
  if (found != addresses.end()) {
    const std::size_t count = std::min(found->addresses.size(), kMaxAddresses);
    for (std::size_t i = 0; i < count; ++i) {
      places.push_back({host.name, found->addresses[i], host.port, false});
    }
  }
  return places;
}

}  // namespace

bool operator==(const Place& one, const Place& other) noexcept {
  return one.host == other.host && one.address == other.address && one.port == other.port;
}

std::string text_of(const Place& place) {
  if (place.host.empty() && place.address.empty()) {
    return "server at the default socket";
  }
  std::string text = "server at \"" + (place.host.empty() ? place.address : place.host) + "\"";
  if (!place.host.empty() && !place.address.empty()) {
    text += " (" + place.address + ")";
  }
  return place.port.empty() ? text : text + ", port " + place.port;
}

PlaceRules read_rules(const char* const* keywords, const char* const* values) {
  PlaceRules rules;
  for (std::size_t i = 0; keywords[i] != nullptr; ++i) {
    if (std::strcmp(keywords[i], "connect_timeout") == 0) {
      const long seconds = std::strtol(values[i], nullptr, 10);
      rules.limit_seconds = static_cast<int>(seconds <= 0 ? 0 : std::max<long>(seconds, kLeastLimit));
    } else if (std::strcmp(keywords[i], "load_balance_hosts") == 0) {
      rules.random = std::strcmp(values[i], "random") == 0;
    } else if (std::strcmp(keywords[i], "target_session_attrs") == 0 && std::strcmp(values[i], "prefer-standby") == 0) {
      rules.rounds = {"standby", "any"};
    }
  }
  return rules;
}

int limit_seconds(const PlaceRules& rules, std::size_t places) noexcept {
  if (rules.limit_seconds != 0) {
    return rules.limit_seconds;
  }
  return places > 1 ? kLimitOfSeveral : kLimit;
}

std::vector<Place> places_of(const std::vector<Host>& hosts, const Addresses& addresses, std::minstd_rand* random) {
  if (hosts.empty()) {
    return {{"", "", "", true}};
  }
  std::vector<std::vector<Place>> groups;
  for (const Host& host : hosts) {
    auto& group = groups.emplace_back(places_of(host, addresses));
    if (random != nullptr) {
      std::shuffle(group.begin(), group.end(), *random);
    }
  }
  if (random != nullptr) {
    std::shuffle(groups.begin(), groups.end(), *random);
  }
  std::vector<Place> places;
  for (auto& group : groups) {
    std::move(group.begin(), group.end(), std::back_inserter(places));
  }
  return places;
}

// --- memory ---

// Connections that fail at the same time count once.
bool PlaceMemory::failed(const Place& place, Failure failure, std::int64_t now) {
  forget_old(now);
  const auto mark = std::find_if(marks_.begin(), marks_.end(), [&](const Mark& one) { return one.place == place; });
  if (mark == marks_.end()) {
    marks_.push_back({place, failure, now + kFirstPause, kFirstPause});
    return true;
  }
  mark->failure = failure;
  if (now >= mark->until) {
    mark->pause = std::min(2 * mark->pause, kLongestPause);
    mark->until = now + mark->pause;
  }
  return false;
}

void PlaceMemory::connected(const Place& place) noexcept {
  marks_.erase(std::remove_if(marks_.begin(), marks_.end(), [&](const Mark& one) { return one.place == place; }),
               marks_.end());
}

// Those of addresses that a name no longer has.
void PlaceMemory::forget_old(std::int64_t now) {
  marks_.erase(std::remove_if(marks_.begin(), marks_.end(),
                              [&](const Mark& one) { return now - one.until > 2 * kLongestPause; }),
               marks_.end());
}

int PlaceMemory::rank(const Place& place, std::int64_t now) const noexcept {
  const auto mark = std::find_if(marks_.begin(), marks_.end(), [&](const Mark& one) { return one.place == place; });
  if (mark == marks_.end() || now >= mark->until) {
    return 0;
  }
  return mark->failure == Failure::kRejected ? 1 : 2;
}

void PlaceMemory::sort(std::vector<Place>& places, std::int64_t now) const {
  std::stable_sort(places.begin(), places.end(),
                   [&](const Place& one, const Place& other) { return rank(one, now) < rank(other, now); });
}

// --- one attempt ---

void Attempt::begin(std::vector<Place> places, const PlaceRules& rules) {
  places_ = std::move(places);
  rules_ = &rules;
  round_ = index_ = 0;
  started_ = false;
  reasons_.clear();
}

// Each round begins with the places that have not failed, also in the round before.
bool Attempt::next(const PlaceMemory& memory, std::int64_t now) {
  if (started_ && ++index_ < places_.size()) {
    return true;
  }
  if (places_.empty() || (started_ && round_ + 1 == rules_->rounds.size())) {
    return false;
  }
  round_ += started_ ? 1 : 0;
  started_ = true;
  index_ = 0;
  memory.sort(places_, now);
  return true;
}

void Attempt::add_reason(std::string_view why) {
  while (!why.empty() && why.back() == '\n') {
    why.remove_suffix(1);
  }
  if (reasons_.size() < kMaxReasons) {
    reasons_.append(reasons_.empty() ? "" : "; ").append(why);
  }
}

PlaceParameters::PlaceParameters(const char* const* keywords, const char* const* values, const Attempt& attempt) {
  const Place& place = attempt.place();
  const bool own_attrs = !attempt.session_attrs().empty();
  for (std::size_t i = 0; keywords[i] != nullptr; ++i) {
    if ((place.is_string || !is_place(keywords[i])) &&
        !(own_attrs && std::strcmp(keywords[i], "target_session_attrs") == 0)) {
      add(keywords[i], values[i]);
    }
  }
  if (!place.is_string) {
    add("host", place.host.c_str());
    add("hostaddr", place.address.c_str());
    add("port", place.port.c_str());
  }
  if (own_attrs) {
    add("target_session_attrs", attempt.session_attrs().c_str());
  }
}

void PlaceParameters::add(const char* keyword, const char* value) {
  keywords_.push_back(keyword);
  values_.push_back(value);
}

const char* const* PlaceParameters::keywords() {
  if (keywords_.empty() || keywords_.back() != nullptr) {
    add(nullptr, nullptr);
  }
  return keywords_.data();
}

const char* const* PlaceParameters::values() {
  keywords();
  return values_.data();
}

}  // namespace pgevents::postgres
