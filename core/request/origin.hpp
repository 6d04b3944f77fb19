// Which pages of other origins may read answers (CORS, in the Fetch standard), and the headers that tell their browsers
// so.
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
  // with credentials). Returns what is wrong.
  std::optional<std::string> add(std::string_view rule);

  // Named or matched: may read and, with credentials, change things. `*` does not count.
  bool allows(std::string_view origin) const noexcept;
  bool any() const noexcept;        // `*` was given
  bool by_origin() const noexcept;  // something else than `*` was
  bool empty() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What every answer to a request with this Origin (perhaps empty) carries. Empty when nothing is allowed anywhere.
std::vector<Header> cors_headers(const OriginRules* rules, std::string_view origin);

// What the answer to a preflight carries besides; empty when the origin is not allowed. `methods`: what the path
// allows.
std::vector<Header> preflight_headers(const OriginRules* rules, std::string_view origin, const std::string& methods);

}  // namespace pgevents
