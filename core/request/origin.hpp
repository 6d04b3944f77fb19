// Which pages of other origins may read answers (CORS, in the Fetch standard), and the headers for their browsers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/reply.hpp"

namespace pgevents {

class OriginRules {
 public:
  OriginRules();
  ~OriginRules();
  OriginRules(const OriginRules&) = delete;
  OriginRules& operator=(const OriginRules&) = delete;

  // Adds `https://app.example`, `null`, `~pattern` (PCRE2, must match the whole origin) or `*` (any origin, but never
  // with credentials). Returns the reason of a rejection.
  std::optional<std::string> add(std::string_view rule);

  // True for an origin that is named or matches a pattern: its pages may read and, with credentials, change things. `*`
  // does not count.
  bool allows(std::string_view origin) const noexcept;
  bool any() const noexcept;        // `*` was given
  bool by_origin() const noexcept;  // something else than `*` was
  bool empty() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Headers for every answer to a request with this Origin (perhaps empty). Empty if no rule was added.
std::vector<Header> cors_headers(const OriginRules* rules, std::string_view origin);

// Further headers for the answer to a preflight; empty if the origin is not allowed. `methods`: those of the path.
std::vector<Header> preflight_headers(const OriginRules* rules, std::string_view origin, const std::string& methods);

}  // namespace pgevents
