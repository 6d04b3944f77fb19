// The type filter: a linear search in a few names.
#include "core/request/type_filter.hpp"

#include <algorithm>

namespace pgevents {

bool TypeFilter::passes(std::string_view type) const noexcept {
  if (passes_all()) {
    return true;
  }
  if (type.substr(0, kReservedTypePrefix.size()) == kReservedTypePrefix) {
    return true;
  }
  const bool listed = std::find(types.begin(), types.end(), type) != types.end();
  return listed != exclude;
}

}  // namespace pgevents
