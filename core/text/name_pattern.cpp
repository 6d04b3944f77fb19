// Name patterns on PCRE2. Matching is bounded: an operator's pattern with nested repetitions must not let a client
// stall the server.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/name_pattern.hpp"

#include <cstdint>
#include <utility>

#include <pcre2.h>

#include "core/text/utf8.hpp"

namespace pgevents {

namespace {

constexpr std::uint32_t kMatchLimit = 20000;
constexpr std::uint32_t kOptions = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C |
                                   PCRE2_NO_AUTO_CAPTURE | PCRE2_DOLLAR_ENDONLY;

std::string error_text(int code, PCRE2_SIZE offset) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(code, text, sizeof text) < 0) {
    return "unknown error";
  }
  return std::string(reinterpret_cast<const char*>(text)) + " at offset " + std::to_string(offset);
}

}  // namespace

struct NamePattern::Impl {
  pcre2_code* code = nullptr;
  pcre2_match_data* match = nullptr;
  pcre2_match_context* context = nullptr;

  ~Impl() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
    pcre2_code_free(code);
  }
};

NamePattern::~NamePattern() = default;

std::unique_ptr<NamePattern> NamePattern::compile(std::string_view pattern, std::string& error) {
  auto impl = std::make_unique<Impl>();
  int code = 0;
  PCRE2_SIZE offset = 0;
  impl->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), kOptions, &code, &offset, nullptr);
  if (impl->code == nullptr) {
    error = error_text(code, offset);
    return nullptr;
  }
  impl->match = pcre2_match_data_create_from_pattern(impl->code, nullptr);
  impl->context = pcre2_match_context_create(nullptr);
  if (impl->match == nullptr || impl->context == nullptr) {
    error = "no memory";
    return nullptr;
  }
  pcre2_set_match_limit(impl->context, kMatchLimit);
  pcre2_set_depth_limit(impl->context, kMatchLimit);
  std::unique_ptr<NamePattern> result(new NamePattern);
  result->impl_ = std::move(impl);
  return result;
}

bool NamePattern::matches(std::string_view name) const noexcept {
  if (!name_is_sane(name)) {
    return false;
  }
  const int count = pcre2_match(impl_->code, reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0, impl_->match,
                                impl_->context);
  return count >= 0;
}

bool name_is_sane(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxNameBytes && !has_control(name) && utf8_valid(name);
}

}  // namespace pgevents
