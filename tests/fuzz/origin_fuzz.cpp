// origin.hpp: an Origin (the first line) and the operator's rules (a line each).
#include "core/request/origin.hpp"

#include <algorithm>

#include "core/text/utf8.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

// The only value of a header, empty if it is absent.
std::string_view value_of(const std::vector<Header>& headers, std::string_view name) {
  std::string_view value;
  for (const Header& header : headers) {
    require(!has_control(header.name) && !has_control(header.value), "a header is one line", header.value);
    if (header.name != name) {
      continue;
    }
    require(value.empty(), "a header is given once", header.name);
    value = header.value;
  }
  return value;
}

void check_headers(const OriginRules& rules, std::string_view origin, bool named) {
  const auto headers = cors_headers(&rules, origin);
  const auto allowed = value_of(headers, "Access-Control-Allow-Origin");
  const auto credentials = value_of(headers, "Access-Control-Allow-Credentials");
  require(allowed.empty() || allowed == "*" || allowed == origin, "only this origin or any is allowed", allowed);
  require(credentials.empty() == (allowed.empty() || allowed == "*"), "credentials need an origin", allowed);
  require((allowed == "*") <= rules.any(), "`*` is sent only by a rule of the operator", origin);
  require(credentials.empty() || rules.allows(origin), "credentials need a rule", origin);
  require(!named || value_of(headers, "Vary") == "Origin", "answers vary if origins are named", origin);
  require(!rules.empty() || headers.empty(), "without rules no header is sent", origin);

  const auto preflight = preflight_headers(&rules, origin, "GET");
  require(preflight.empty() == (origin.empty() || !(rules.any() || rules.allows(origin))),
          "a preflight is answered for allowed origins", origin);
  value_of(preflight, "");
}

}  // namespace

void fuzz(std::string_view input) {
  const Part origin(take(input, '\n'));
  OriginRules rules;
  require(rules.empty() && !rules.allows(origin.view()), "without rules no origin is allowed", origin.view());
  bool any = false;
  bool named = false;
  bool exact = false;
  while (!input.empty()) {
    const Part rule(take(input, '\n'));
    if (rules.add(rule.view())) {
      continue;
    }
    any = any || rule.view() == "*";
    named = named || rule.view() != "*";
    if (rule.view() == "*" || rule.view().front() == '~') {
      continue;
    }
    exact = exact || rule.view() == origin.view();
    require(rules.allows(rule.view()), "a named origin is allowed", rule.view());
  }
  require(rules.any() == any && rules.empty() == !(any || named), "the rules report their content");
  require(!exact || rules.allows(origin.view()), "a named origin stays allowed", origin.view());
  check_headers(rules, origin.view(), named);
  require(cors_headers(nullptr, origin.view()).empty(), "no rules, no headers");
}

}  // namespace pgevents::fuzzing
