// Which event types a subscriber wants: all, only some, or all but some (`types=`, `not_types=`).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgevents {

// Types that pgevents itself sends. Clients cannot publish them.
inline constexpr std::string_view kReservedTypePrefix = "pgevents.";

struct TypeFilter {
  bool exclude = true;  // false: only `types`; true: all but `types`
  std::vector<std::string> types;

  // `pgevents.…` types (reset and the like) always pass: they concern the stream itself.
  bool passes(std::string_view type) const noexcept;
  bool passes_all() const noexcept { return exclude && types.empty(); }
};

}  // namespace pgevents
