// Where a process looks for its database: the places of the connection string, one after the other, each within its own
// time. What was found and what failed is remembered from one attempt to the next.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fcgi_fallback/name_lookup.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/places.hpp"

namespace pgevents::fallback {

class DatabasePlaces {
 public:
  explicit DatabasePlaces(const std::string& conninfo);

  // Begins an attempt: looks the names up, for some seconds at most.
  void begin();
  // Connects to the next place, and waits; PQstatus() has the result. Null if no place is left, or for want of memory.
  PGconn* connect();
  // Until when the session at this place must be ready.
  std::chrono::steady_clock::time_point deadline() const noexcept { return deadline_; }
  // What became of the place.
  void failed(std::string_view why);
  void connected() noexcept { memory_.connected(attempt_.place()); }
  // The connection there broke during a statement.
  void lost() { remember(Failure::kRejected); }
  // Why every place of this attempt failed.
  const std::string& reasons() const noexcept { return attempt_.reasons(); }

 private:
  using Failure = postgres::PlaceMemory::Failure;

  template <std::size_t size>
  void add(const std::pair<const char*, const char*> (&pairs)[size]);
  void remember(Failure failure);
  void read_pairs(const PQconninfoOption* options);
  void merge(postgres::Addresses answers);

  // The connection string, with defaults before it and what it cannot change after it. One that names no host is given
  // to libpq as it is, which takes hosts from a service file or its own variables.
  const std::string conninfo_;
  const postgres::ConninfoOptions options_;
  std::vector<const char*> keywords_;
  std::vector<const char*> values_;
  postgres::PlaceRules rules_;
  std::vector<postgres::Host> hosts_;
  NameLookup lookup_;
  postgres::Addresses known_;
  postgres::PlaceMemory memory_;
  postgres::Attempt attempt_;
  std::minstd_rand random_;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace pgevents::fallback
