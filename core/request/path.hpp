// Splits a request's path into segments. It is split first and decoded once afterwards: an encoded `/` or `,` belongs
// to the name that contains it. The meaning of the segments is not known here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgevents {

// How a web server describes the path of a request.
struct RequestPath {
  std::string_view path;    // decoded and normalised (`.`, `..`, `//`): what its rules compare
  std::string_view target;  // as the client sent it, perhaps with a query; empty: not known
  std::string_view mount;   // decoded; precedes `path` in `target` (CGI's SCRIPT_NAME)
};

struct PathSegment {
  std::string text;          // decoded
  std::string_view encoded;  // as the client sent it; without data (null) if only the decoded one is known

  // Its parts between commas, still encoded if the segment is; name_of() decodes one.
  std::vector<std::string_view> parts() const;
  std::string name_of(std::string_view part) const;
};

// The segments behind the first `/`. `target` is used if it decodes to exactly this path; otherwise (a rewrite, an
// internal redirect) the decoded path is split, and an encoded separator separates. So rules on the decoded path apply
// to all segments. Nothing if the target is the same path only with encoded slashes as separators (`a%2F..`): then the
// intended names are unknown.
std::optional<std::vector<PathSegment>> split_path(const RequestPath& request);

// The parts of `text` between separators; one part, perhaps empty, if it has no separator.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace pgevents
