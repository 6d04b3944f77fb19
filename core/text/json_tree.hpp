// JSON as jansson's values, for small texts that are needed as a tree: tokens, keys, parameters. Parsing is strict.
#pragma once

#include <jansson.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgevents {

struct ReleaseJson {
  void operator()(json_t* value) const noexcept { json_decref(value); }
};
using Json = std::unique_ptr<json_t, ReleaseJson>;

// A JSON object without duplicate names, in valid UTF-8, without NUL in any string; null for any other text.
Json parse_object(std::string_view text) noexcept;

// The string `value`, without a copy; nothing if it is not a string (or a null pointer).
std::optional<std::string_view> string_of(const json_t* value) noexcept;

// Its text, without white space. Throws std::bad_alloc.
std::string json_dump(const json_t* value);

}  // namespace pgevents
