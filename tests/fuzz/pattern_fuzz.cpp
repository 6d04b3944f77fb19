// pattern_matches(): one pattern of a grant and a name. The input's lines: pattern, user, realm, name.
#include "core/request/access.hpp"
#include "fuzzing.hpp"
#include "grants.hpp"

namespace pgevents::fuzzing {

void fuzz(std::string_view input) {
  const Part pattern(take(input, '\n'));
  Identity identity;
  identity.user = take(input, '\n');
  identity.realm = take(input, '\n');
  const Part name(input);
  if (pattern.view().empty() || name.view().empty()) {
    return;
  }
  const bool matches = pattern_matches(pattern.view(), identity, name.view());
  require(matches == stands_for(std::string(pattern.view()), identity, std::string(name.view())),
          "a pattern matches what it stands for", pattern.view());
}

}  // namespace pgevents::fuzzing
