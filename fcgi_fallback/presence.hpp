// What presence needs beside answers, done when nobody waits for one: a user's polls count as contact, and what the database
// keeps back for a moment, to tell it together with more, is told in time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/request/access.hpp"
#include "fcgi_fallback/database.hpp"
#include "fcgi_fallback/options.hpp"

namespace pgevents::fallback {

class Presence {
 public:
  // Both must outlive this.
  Presence(const ProgramOptions& options, Database& database) : options_(options), database_(database) {}

  // What has been answered; nothing is done yet.
  void polled(const Identity& identity);
  void called();

  // Does what is due, if the database is there: it never connects for that, and waits for no lock longer than a moment.
  void catch_up();

  // How long until catch_up() has something to do again; nothing: not before the next poll or call.
  std::optional<std::chrono::milliseconds> until_due() const;

 private:
  using Clock = std::chrono::steady_clock;

  void keep_ticking(std::chrono::milliseconds first_in);
  bool tick_is_due() const;
  void report_contact();
  void tick();

  const ProgramOptions& options_;
  Database& database_;
  std::optional<std::string> contact_;  // whose poll has to be told to the database, as JSON
  std::optional<Clock::time_point> next_tick_;
  Clock::time_point last_tick_by_{};  // so long after the last poll or call there is nothing left to tell
};

}  // namespace pgevents::fallback
