// The places where a connection string's database may be: each address of each host. A front-end tries them one by one,
// each with a connection and a time limit of its own, so that one that is silent costs no more than that. (libpq itself
// would do so only where connecting blocks.) A place that failed is tried behind the others for a while.
#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/hosts.hpp"

namespace pgevents::postgres {

// Values of libpq's keywords `host`, `hostaddr` and `port`; empty: libpq's default.
struct Place {
  std::string host;
  std::string address;
  std::string port;
  bool is_string = false;  // the connection string as it is, which names no host
};
bool operator==(const Place& one, const Place& other) noexcept;

// For log lines, in libpq's words: `server at "db" (10.0.0.1), port 5432`.
std::string text_of(const Place& place);

// What a connection string wants of several places.
struct PlaceRules {
  // Values of `target_session_attrs`, one round over all places for each; empty: the string's own.
  std::vector<std::string> rounds{""};
  bool random = false;    // load_balance_hosts=random
  int limit_seconds = 0;  // connect_timeout, for each place; 0: not given
};
PlaceRules read_rules(const char* const* keywords, const char* const* values);

// Seconds within which each of so many places must accept a connection: `connect_timeout` as libpq takes it (at least
// 2), otherwise 5, or 3 if there is more than one place.
int limit_seconds(const PlaceRules& rules, std::size_t places) noexcept;

// How many addresses of a name are tried: otherwise one answer of a name server could keep an attempt busy for hours.
inline constexpr std::size_t kMaxAddresses = 16;

// All places of `hosts`, with the addresses that are known of names: in the order of the string, or with `random`
// shuffled as libpq does it, hosts and the addresses of each. Names without an address are left out. Without any host
// there is one place, libpq's default.
std::vector<Place> places_of(const std::vector<Host>& hosts, const Addresses& addresses, std::minstd_rand* random);

// Remembers which places failed. Times are milliseconds of any clock that never goes back.
class PlaceMemory {
 public:
  enum class Failure { kRejected, kSilent };  // kSilent: it took its whole time

  // True if the place counted as good until now. It is tried last for 30 s, and twice as long each time that it fails
  // again, up to 15 minutes.
  bool failed(const Place& place, Failure failure, std::int64_t now);
  void connected(const Place& place) noexcept;
  // Moves places that have failed to the end, silent ones behind those that were rejected.
  void sort(std::vector<Place>& places, std::int64_t now) const;

 private:
  struct Mark {
    Place place;
    Failure failure;
    std::int64_t until;
    std::int64_t pause;
  };
  void forget_old(std::int64_t now);
  int rank(const Place& place, std::int64_t now) const noexcept;

  std::vector<Mark> marks_;
};

// One attempt to connect.
class Attempt {
 public:
  // `rules` outlive the attempt.
  void begin(std::vector<Place> places, const PlaceRules& rules);
  // Goes on to the next place. False: there is none left.
  bool next(const PlaceMemory& memory, std::int64_t now);
  const Place& place() const noexcept { return places_[index_]; }
  std::size_t places() const noexcept { return places_.size(); }
  // The value of `target_session_attrs` in this round; empty: the string's own.
  const std::string& session_attrs() const noexcept { return rules_->rounds[round_]; }
  int limit_seconds() const noexcept { return postgres::limit_seconds(*rules_, places_.size()); }

  // Collects why places failed, for the log.
  void add_reason(std::string_view why);
  const std::string& reasons() const noexcept { return reasons_; }

 private:
  std::vector<Place> places_;
  const PlaceRules* rules_ = nullptr;
  std::size_t round_ = 0;
  std::size_t index_ = 0;
  bool started_ = false;
  std::string reasons_;
};

// The arguments of PQconnectStartParams() for the attempt's place: those of the connection string, with its own host,
// address, port and `target_session_attrs`. Valid as long as what they were made of.
class PlaceParameters {
 public:
  PlaceParameters(const char* const* keywords, const char* const* values, const Attempt& attempt);
  void add(const char* keyword, const char* value);
  const char* const* keywords();
  const char* const* values();

 private:
  std::vector<const char*> keywords_;
  std::vector<const char*> values_;
};

}  // namespace pgevents::postgres
