// Looks host names up in a thread of its own (postgres::LookupTask): the addresses that were found last may do while
// name servers are away.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "postgres/hosts.hpp"

namespace pgevents::fallback {

class NameLookup {
 public:
  // An entry for each name. A name whose answer does not come within `patience` has an error; the lookup goes on, and
  // the next call waits for it.
  postgres::Addresses find(const std::vector<std::string>& names, std::chrono::milliseconds patience);

 private:
  struct Task;
  std::shared_ptr<Task> task_;  // under way; shared with its thread
};

}  // namespace pgevents::fallback
