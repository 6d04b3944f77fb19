// The databases of a process: the one that it reads, and the one to which it writes. They are two if the first is a
// copy and --primary names its primary.
#pragma once

#include <chrono>
#include <memory>

#include "fcgi_fallback/counters.hpp"
#include "fcgi_fallback/database_connection.hpp"
#include "fcgi_fallback/options.hpp"

namespace pgevents::fallback {

class Databases {
 public:
  // `prepare`, `retry_after`, `counters`: as for each connection.
  Databases(const ProgramOptions& options, bool prepare, unsigned retry_after, Counters& counters);

  // Streams and polls, with the revocations.
  DatabaseConnection& reading() noexcept { return reading_; }
  // Publications, calls, contacts and ticks; sequencing and pruning.
  DatabaseConnection& writing() noexcept { return primary_ != nullptr ? *primary_ : reading_; }
  bool has_primary() const noexcept { return primary_ != nullptr; }

  // For work that no request waits for: whether writing() is connected. Connects to a primary, because reading does
  // not, but after a failure not for a while: the process answers nothing meanwhile.
  bool ready_to_write();

  // Whether the log comes from another database, and no primary is known: then nobody gives ids or prunes here.
  bool is_lone_copy();

 private:
  using Clock = std::chrono::steady_clock;

  bool ask_whether_copy();

  DatabaseConnection reading_;
  std::unique_ptr<DatabaseConnection> primary_;
  Clock::time_point next_try_{};
  bool is_copy_ = false;
  Clock::time_point ask_at_{};
};

}  // namespace pgevents::fallback
