// split_path(): the client's form of a path and the web server's. The input's lines: the mount, the path, the client's
// form.
#include "core/request/path.hpp"
#include "core/text/url.hpp"
#include "fuzzing.hpp"

namespace pgevents::fuzzing {

namespace {

// The path, joined again from its segments' texts and from their names.
void check_segments(const std::vector<PathSegment>& segments, std::string_view path) {
  std::string texts;
  std::string names;
  for (const PathSegment& segment : segments) {
    texts += '/' + segment.text;
    names += '/';
    const char* between = "";
    for (const std::string_view part : segment.parts()) {
      names += between + segment.name_of(part);
      between = ",";
      const bool encoded = segment.encoded.data() != nullptr;
      require(!encoded || segment.name_of(part) == percent_decode(part), "a name is decoded once", part);
    }
  }
  if (path.empty() || path.front() != '/') {
    return require(segments.empty(), "a path begins with a slash", path);
  }
  require_equal(texts, path, "the segments are those of the path that the web server's rules saw");
  require_equal(names, path, "the names are those of the path that the web server's rules saw");
}

}  // namespace

void fuzz(std::string_view input) {
  const Part mount(take(input, '\n'));
  const Part path(take(input, '\n'));
  const Part target(input);
  const auto segments = split_path({path.view(), target.view(), mount.view()});
  if (segments) {
    check_segments(*segments, path.view());
  }
  const auto decoded = split_path({path.view(), {}, {}});
  require(decoded.has_value(), "without parameters nothing is rejected", path.view());
  check_segments(*decoded, path.view());
}

}  // namespace pgevents::fuzzing
