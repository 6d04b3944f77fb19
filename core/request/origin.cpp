// Compares the origins that a browser sends with the operator's list.
#include "core/request/origin.hpp"

#include <algorithm>
#include <utility>

#include "core/text/name_pattern.hpp"

namespace pgevents {

namespace {

constexpr char kExposed[] = "Last-Event-ID, Retry-After, X-PS-Reconnect-In, X-Shortpoll-Info";
constexpr char kPreflightHeaders[] = "Authorization, Content-Type, Flavor, Idempotency-Key, Last-Event-ID";
constexpr char kPreflightSeconds[] = "7200";
constexpr std::string_view kOpaque = "null";  // of a sandboxed frame or a file

bool consists_of(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [extra](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || extra.find(c) != std::string_view::npos;
  });
}

// What follows the host: nothing, or a colon and digits. Browsers leave out the scheme's own port.
bool is_port(std::string_view text, std::string_view scheme) {
  if (text.empty()) {
    return true;
  }
  const std::string_view digits = text.substr(1);
  if (text.front() != ':' || digits.empty() || digits.size() > 5 || digits.front() == '0') {
    return false;
  }
  return digits.find_first_not_of("0123456789") == std::string_view::npos && !(scheme == "https" && digits == "443") &&
         !(scheme == "http" && digits == "80");
}

// scheme "://" host [ ":" port ] just as browsers write it (RFC 6454, section 6.2): in lower case, names of other
// scripts in their ASCII form, nothing after it. Any other rule would never apply.
bool is_origin(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || text.size() > kMaxNameBytes) {
    return false;
  }
  const std::string_view scheme = text.substr(0, end);
  if (scheme.empty() || scheme.front() < 'a' || scheme.front() > 'z' || !consists_of(scheme, "+-.")) {
    return false;
  }
  text.remove_prefix(end + 3);
  const bool bracketed = !text.empty() && text.front() == '[';  // an IPv6 address
  const std::size_t behind = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (behind == std::string_view::npos) {
    return false;
  }
  const std::string_view host = bracketed ? text.substr(1, behind - 1) : text.substr(0, behind);
  return !host.empty() && consists_of(host, bracketed ? ":." : "-._") &&
         is_port(text.substr(bracketed ? behind + 1 : behind), scheme);
}

}  // namespace

struct OriginRules::Impl {
  std::vector<std::string> exact;
  std::vector<std::unique_ptr<NamePattern>> patterns;
  bool any = false;
};

OriginRules::OriginRules() : impl_(std::make_unique<Impl>()) {}
OriginRules::~OriginRules() = default;

std::optional<std::string> OriginRules::add(std::string_view rule) {
  if (rule == "*") {
    impl_->any = true;
    return std::nullopt;
  }
  if (!rule.empty() && rule.front() == '~') {
    std::string error;
    auto pattern = NamePattern::compile(rule.substr(1), error);
    if (pattern == nullptr) {
      return error;
    }
    impl_->patterns.push_back(std::move(pattern));
    return std::nullopt;
  }
  if (rule != kOpaque && !is_origin(rule)) {
    return "not an origin such as https://app.example";
  }
  impl_->exact.emplace_back(rule);
  return std::nullopt;
}

// A pattern selects among origins; text that is not an origin never matches, not even `~.*`.
bool OriginRules::allows(std::string_view origin) const noexcept {
  if (std::find(impl_->exact.begin(), impl_->exact.end(), origin) != impl_->exact.end()) {
    return true;
  }
  return (origin == kOpaque || is_origin(origin)) &&
         std::any_of(impl_->patterns.begin(), impl_->patterns.end(),
                     [origin](const auto& pattern) { return pattern->matches(origin); });
}

bool OriginRules::any() const noexcept {
  return impl_->any;
}

bool OriginRules::by_origin() const noexcept {
  return !impl_->exact.empty() || !impl_->patterns.empty();
}

bool OriginRules::empty() const noexcept {
  return !any() && !by_origin();
}

// If the headers depend on the origin, `Vary` must inform caches (Fetch standard, "CORS protocol and HTTP caches").
std::vector<Header> cors_headers(const OriginRules* rules, std::string_view origin) {
  if (rules == nullptr || rules->empty()) {
    return {};
  }
  std::vector<Header> headers;
  const bool allowed = rules->allows(origin);
  if (allowed) {
    headers.push_back({"Access-Control-Allow-Origin", std::string(origin)});
    headers.push_back({"Access-Control-Allow-Credentials", "true"});
  } else if (rules->any()) {
    headers.push_back({"Access-Control-Allow-Origin", "*"});
  }
  if (!headers.empty()) {
    headers.push_back({"Access-Control-Expose-Headers", kExposed});
  }
  if (rules->by_origin()) {
    headers.push_back({"Vary", "Origin"});
  }
  return headers;
}

std::vector<Header> preflight_headers(const OriginRules* rules, std::string_view origin, const std::string& methods) {
  if (rules == nullptr || origin.empty() || !(rules->allows(origin) || rules->any())) {
    return {};
  }
  return {{"Access-Control-Allow-Methods", methods},
          {"Access-Control-Allow-Headers", kPreflightHeaders},
          {"Access-Control-Max-Age", kPreflightSeconds}};
}

}  // namespace pgevents
