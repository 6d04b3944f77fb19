// A request's path in segments. It is split first and decoded then, once: an encoded `/` or `,` belongs to the name in
// which it stands. Knows nothing of what the segments mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgevents {

// How a web server describes the path of a request.
struct RequestPath {
  std::string_view path;    // decoded and normalised (`.`, `..`, `//`): what its rules go by
  std::string_view target;  // as the client sent it, perhaps with a query; empty: not known
  std::string_view mount;   // decoded; stands before `path` in `target` (CGI's SCRIPT_NAME)
};

struct PathSegment {
  std::string text;          // decoded
  std::string_view encoded;  // as the client sent it; without data (null) when only the decoded one is known

  // Its parts between commas, still encoded where the segment is; name_of() decodes one.
  std::vector<std::string_view> parts() const;
  std::string name_of(std::string_view part) const;
};

// The segments behind the first `/`. `target` is used where it decodes to just this path; where it does not (a rewrite,
// an internal redirect), the decoded path is split, and an encoded separator separates. So rules on the decoded path
// apply to all that is read here. Nothing: the target is the same path only if an encoded slash counts as one
// (`a%2F..`), and then it cannot be told which names were meant.
std::optional<std::vector<PathSegment>> split_path(const RequestPath& request);

// The parts of `text` between separators; one, which may be empty, when there is no separator.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace pgevents
