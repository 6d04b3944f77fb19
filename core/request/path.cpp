// See path.hpp. Normalises as nginx and the other web servers do (RFC 3986, section 5.2.4; nginx's merge_slashes).
#include "core/request/path.hpp"

#include "core/text/url.hpp"

namespace pgevents {

namespace {

using Segments = std::vector<PathSegment>;

bool is_separator(std::string_view escape) {
  return escape.size() == 3 && escape[1] == '2' && std::string_view("FfCc").find(escape[2]) != std::string_view::npos;
}

// `%2F` or `%2C`: without one of them the decoded path has the same segments and names.
bool has_encoded_separator(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('%', at)) != std::string_view::npos; ++at) {
    if (is_separator(text.substr(at, 3))) {
      return true;
    }
  }
  return false;
}

Segments split_decoded(std::string_view path) {
  Segments segments;
  for (const std::string_view part : split(path, '/')) {
    segments.push_back({std::string(part), {}});
  }
  return segments;
}

std::optional<Segments> split_encoded(std::string_view path) {
  Segments segments;
  for (const std::string_view part : split(path, '/')) {
    auto text = percent_decode(part);
    if (!text) {
      return std::nullopt;
    }
    segments.push_back({std::move(*text), part});
  }
  return segments;
}

// Resolves `.` and `..`, and drops empty segments where slashes are merged. Nothing if the path leads above the root.
std::optional<Segments> normalised(const Segments& segments, bool merge_slashes) {
  Segments out;
  for (const PathSegment& segment : segments) {
    const bool up = segment.text == "..";
    if (up && out.empty()) {
      return std::nullopt;
    }
    if (up) {
      out.pop_back();
    }
    const bool kept = !up && segment.text != "." && !(merge_slashes && segment.text.empty());
    if (kept) {
      out.push_back(segment);
    } else if (&segment == &segments.back()) {
      out.emplace_back();  // the rest is a folder: `/a/.` is `/a/`
    }
  }
  return out;
}

std::string joined(const Segments& segments) {
  std::string path;
  for (const PathSegment& segment : segments) {
    path.append("/").append(segment.text);
  }
  return path;
}

// `segments` normalised, with or without merged slashes, if the result equals `path`.
std::optional<Segments> that_make(const std::string& path, const std::optional<Segments>& segments) {
  if (!segments) {
    return std::nullopt;
  }
  for (const bool merge_slashes : {true, false}) {
    auto found = normalised(*segments, merge_slashes);
    if (found && joined(*found) == path) {
      return found;
    }
  }
  return std::nullopt;
}

// Takes the segments of `mount` from the front. False if it ends within one.
bool drop_mount(Segments& segments, std::string_view mount) {
  std::size_t length = 0;
  auto end = segments.begin();
  while (length < mount.size() && end != segments.end()) {
    length += 1 + (end++)->text.size();
  }
  segments.erase(segments.begin(), end);
  return length == mount.size();
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> PathSegment::parts() const {
  return split(encoded.data() == nullptr ? std::string_view(text) : encoded, ',');
}

std::string PathSegment::name_of(std::string_view part) const {
  return encoded.data() == nullptr ? std::string(part) : percent_decode(part).value_or("");
}

std::optional<std::vector<PathSegment>> split_path(const RequestPath& request) {
  if (request.path.empty() || request.path.front() != '/') {
    return Segments{};
  }
  const std::string_view decoded = request.path.substr(1);
  const std::string_view target = request.target.substr(0, request.target.find_first_of("?#"));
  if (target.empty() || target.front() != '/' || !has_encoded_separator(target)) {
    return split_decoded(decoded);
  }
  const std::string whole = std::string(request.mount) + std::string(request.path);
  if (auto segments = that_make(whole, split_encoded(target.substr(1)))) {
    if (drop_mount(*segments, request.mount)) {
      return segments;
    }
    return std::nullopt;
  }
  const auto text = percent_decode(target.substr(1));
  if (text && that_make(whole, split_decoded(*text))) {
    return std::nullopt;
  }
  return split_decoded(decoded);
}

}  // namespace pgevents
