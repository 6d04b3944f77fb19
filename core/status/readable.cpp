// See readable.hpp.
#include "core/status/readable.hpp"

#include <iterator>
#include <utility>

namespace pgevents {
namespace {

constexpr std::uint64_t kMillisecond = 1'000;
constexpr std::uint64_t kSecond = 1'000 * kMillisecond;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;

// value / unit with up to `decimals` digits, without zeros at the end.
std::string with_decimals(std::uint64_t value, std::uint64_t unit, unsigned decimals) {
  std::string text = std::to_string(value / unit);
  std::uint64_t rest = value % unit;
  std::string digits;
  for (; decimals > 0; --decimals) {
    rest *= 10;
    digits += static_cast<char>('0' + rest / unit);
    rest %= unit;
  }
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits.empty() ? text : text + "." + digits;
}

struct Unit {
  std::uint64_t us;
  const char* name;
};

// "3 min 20 s": `value` in `big`, and the rest in `small`.
std::string in_two_units(std::uint64_t value, const Unit& big, const Unit& small) {
  std::string text = readable_count(value / big.us) + " " + big.name;
  const std::uint64_t rest = value % big.us / small.us;
  return rest == 0 ? text : text + " " + std::to_string(rest) + " " + small.name;
}

std::string bound_text(std::size_t bucket) {
  constexpr std::size_t kLast = std::size(kBucketBounds) - 1;
  return bucket > kLast ? "more than " + readable_time(kBucketBounds[kLast]) : readable_time(kBucketBounds[bucket]);
}

}  // namespace

std::string readable_count(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string readable_bytes(std::uint64_t bytes) {
  constexpr std::uint64_t kStep = 1024;
  constexpr const char* kNames[] = {"B", "KB", "MB", "GB", "TB"};
  std::uint64_t unit = 1;
  std::size_t name = 0;
  while (bytes / unit >= kStep && name + 1 < std::size(kNames)) {
    unit *= kStep;
    ++name;
  }
  return with_decimals(bytes, unit, bytes / unit < 100 ? 1 : 0) + " " + kNames[name];
}

std::string readable_time(std::uint64_t us) {
  if (us < kSecond) {
    return with_decimals(us, kMillisecond, us < kMillisecond ? 2 : 1) + " ms";
  }
  if (us < kMinute) {
    return with_decimals(us, kSecond, us < 10 * kSecond ? 1 : 0) + " s";
  }
  if (us < kHour) {
    return in_two_units(us, {kMinute, "min"}, {kSecond, "s"});
  }
  if (us < kDay) {
    return in_two_units(us, {kHour, "h"}, {kMinute, "min"});
  }
  return in_two_units(us, {kDay, "d"}, {kHour, "h"});
}

std::uint64_t age_us(std::int64_t now_ms, std::uint64_t at_ms) noexcept {
  const auto now = static_cast<std::uint64_t>(now_ms < 0 ? 0 : now_ms);
  return now <= at_ms ? 0 : (now - at_ms) * kMillisecond;
}

std::optional<std::string> readable_quantile(const MetricsSnapshot& values, std::size_t word, unsigned percent) {
  const std::uint64_t all = values.observations(word);
  if (all == 0) {
    return std::nullopt;
  }
  std::uint64_t counted = 0;
  std::size_t bucket = 0;
  while (bucket < kBucketCount - 1) {
    counted += values.at(word + bucket);
    if (counted * 100 >= all * percent) {
      break;
    }
    ++bucket;
  }
  return bound_text(bucket);
}

std::string readable_bounds(char between) {
  std::string text;
  for (std::size_t bucket = 0; bucket < kBucketCount; ++bucket) {
    text += bound_text(bucket);
    if (bucket + 1 < kBucketCount) {
      text += between;
    }
  }
  return text;
}

}  // namespace pgevents
