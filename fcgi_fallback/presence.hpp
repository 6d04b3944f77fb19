// The work for presence that belongs to no answer, done between requests: a user's polls count as contact, and changes
// that the database holds back for a moment, so that they share an event, are published in time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/request/access.hpp"
#include "fcgi_fallback/databases.hpp"
#include "fcgi_fallback/options.hpp"

namespace pgevents::fallback {

class Presence {
 public:
  // Both must outlive this.
  Presence(const ProgramOptions& options, Databases& databases) : options_(options), databases_(databases) {}

  // A poll, or a call, was answered. Neither does any work yet.
  void polled(const Identity& identity);
  void called();

  // Does what is due if the database is connected, and waits for a lock only a moment. Opens no connection for that,
  // but for a contact one to the primary of a copy.
  void catch_up();

  // How long until catch_up() has work again; nothing: not before the next poll or call.
  std::optional<std::chrono::milliseconds> until_due() const;

 private:
  using Clock = std::chrono::steady_clock;

  void keep_ticking(std::chrono::milliseconds first_in);
  bool tick_is_due() const;
  void report_contact();
  void tick();

  const ProgramOptions& options_;
  Databases& databases_;
  std::optional<std::string> contact_;  // identity, as JSON, of the user whose poll is still to be reported
  std::optional<Clock::time_point> next_tick_;
  Clock::time_point last_tick_by_{};  // by then nothing is held back any more
};

}  // namespace pgevents::fallback
