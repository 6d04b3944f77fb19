// What is wrong with a database in this nginx instance right now, in words, and what the operator can do about it.
// It judges the present values and the times of the last troubles: a counter cannot say when it counted. The alert
// rules in conf/prometheus/ have the same limits, and the others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status/status_view.hpp"

namespace pgevents {

struct Finding {
  enum class Level : std::uint8_t { kWarning, kFailure };  // kFailure: events are not delivered

  Level level;
  std::string what;
  const char* advice;
  const char* alert;  // the rule of the same subject, which is also the heading in docs/operations.md
};

// The worst first; empty if all is well.
std::vector<Finding> findings(const DatabaseStatus& database, std::int64_t now_ms);

}  // namespace pgevents
