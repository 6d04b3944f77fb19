// Strict JSON by jansson; see json_tree.hpp.
#include "core/text/json_tree.hpp"

#include <new>
#include <utility>

namespace pgevents {

Json parse_object(std::string_view text) noexcept {
  // Without JSON_ALLOW_NUL jansson rejects escaped NULs, but not a NUL byte behind a number. Its error message would
  // repeat the text, so it is not requested.
  if (text.find('\0') != std::string_view::npos) {
    return nullptr;
  }
  Json value(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, nullptr));
  return json_is_object(value.get()) ? std::move(value) : nullptr;
}

std::optional<std::string_view> string_of(const json_t* value) noexcept {
  if (!json_is_string(value)) {
    return std::nullopt;
  }
  return std::string_view(json_string_value(value), json_string_length(value));
}

std::string json_dump(const json_t* value) {
  std::string text;
  const auto append = [](const char* part, std::size_t size, void* out) {
    try {
      static_cast<std::string*>(out)->append(part, size);
      return 0;
    } catch (...) {
      return -1;
    }
  };
  if (json_dump_callback(value, append, &text, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
    throw std::bad_alloc();
  }
  return text;
}

}  // namespace pgevents
