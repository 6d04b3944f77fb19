// See databases.hpp.
#include "fcgi_fallback/databases.hpp"

#include <string>

#include "postgres/statements.hpp"

namespace pgevents::fallback {

namespace {

constexpr std::chrono::seconds kRetry{30};       // a try may take five seconds
constexpr std::chrono::seconds kAskInterval{5};  // a copy may be promoted, and a database become a copy

}  // namespace

Databases::Databases(const ProgramOptions& options, bool prepare, unsigned retry_after, Counters& counters)
    : reading_("database", options.database, prepare, retry_after, counters) {
  if (!options.primary.empty()) {
    primary_ = std::make_unique<DatabaseConnection>("primary", options.primary, prepare, retry_after, counters);
  }
}

bool Databases::ready_to_write() {
  if (writing().is_connected()) {
    return true;
  }
  if (!has_primary() || Clock::now() < next_try_) {
    return false;
  }
  std::string log;
  const bool connected = writing().has_schema(0, log);
  log_unless_empty(log);
  next_try_ = connected ? Clock::time_point{} : Clock::now() + kRetry;
  return connected;
}

bool Databases::is_lone_copy() {
  if (has_primary()) {
    return false;
  }
  if (Clock::now() >= ask_at_) {
    is_copy_ = ask_whether_copy();
    ask_at_ = Clock::now() + kAskInterval;
  }
  return is_copy_;
}

bool Databases::ask_whether_copy() {
  std::string log;
  if (!reading_.has_schema(sql::kCopySchema, log)) {
    log_unless_empty(log);
    return false;
  }
  const Outcome is_copy = reading_.run({sql::kIsCopy, {}}, true);
  log_unless_empty(is_copy.log);
  return is_copy.value() == "t";
}

}  // namespace pgevents::fallback
