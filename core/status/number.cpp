// See number.hpp.
#include "core/status/number.hpp"

namespace pgevents {
namespace {

constexpr int decimals_of(MetricUnit unit) noexcept {
  switch (unit) {
    case MetricUnit::kMilliseconds:
      return 3;
    case MetricUnit::kMicroseconds:
      return 6;
    case MetricUnit::kNone:
      break;
  }
  return 0;
}

}  // namespace

void append_metric(std::string& out, std::uint64_t value, MetricUnit unit) {
  std::uint64_t divisor = 1;
  for (int i = decimals_of(unit); i > 0; --i) {
    divisor *= 10;
  }
  out += std::to_string(value / divisor);
  const std::uint64_t rest = value % divisor;
  if (rest != 0) {
    const std::string digits = std::to_string(divisor + rest);  // with the zeros in front, behind a 1
    out += '.';
    out.append(digits, 1, digits.find_last_not_of('0'));
  }
}

}  // namespace pgevents
