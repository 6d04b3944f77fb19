// See conninfo_syntax.hpp. The scanners read what libpq reads, in the same order, up to the first fault (fe-connect.c:
// conninfo_parse() and conninfo_uri_parse_options()).
#include "postgres/conninfo_syntax.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

#include "postgres/conninfo.hpp"

namespace pgevents::postgres {
namespace {

constexpr std::string_view kUnknownForm = "the connection string is not valid; give keyword=value pairs or a URI";
constexpr std::size_t kLongestKeyword = 32;

bool is_space(char c) noexcept {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

// What has been read so far, and what may be repeated of it.
class Keywords {
 public:
  Keywords() : known_(parse_conninfo("")) {}

  const PQconninfoOption* find(std::string_view keyword) const noexcept {
    const PQconninfoOption* option = known_.get();
    while (option != nullptr && option->keyword != nullptr && option->keyword != keyword) {
      ++option;
    }
    return option != nullptr && option->keyword != nullptr ? option : nullptr;
  }
  void read(const PQconninfoOption& option) noexcept {
    last_ = option.keyword;
    after_secret_ = after_secret_ || option.dispchar[0] != '\0';  // "*": a password; "D": a key, among others
  }
  std::string unknown(std::string_view keyword) const {
    if (may_show(keyword)) {
      return "unknown keyword \"" + std::string(keyword) + "\"" + std::string(place());
    }
    return "an unknown keyword" + place() + "; quote a value that contains spaces or quotes";
  }
  std::string missing_equals(std::string_view word) const {
    if (find(word) != nullptr) {
      return "\"=\" is missing after keyword \"" + std::string(word) + "\"";
    }
    return "a word without \"=\"" + place() + "; quote a value that contains spaces";
  }

 private:
  // Letters behind a password may be the rest of it.
  bool may_show(std::string_view word) const noexcept {
    return !after_secret_ && !word.empty() && word.size() <= kLongestKeyword &&
           std::all_of(word.begin(), word.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  }
  std::string place() const { return last_ == nullptr ? "" : " behind the value of \"" + std::string(last_) + "\""; }

  ConninfoOptions known_;
  const char* last_ = nullptr;
  bool after_secret_ = false;
};

std::string_view skip_spaces(std::string_view text) noexcept {
  return text.substr(std::min(
      text.size(), static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_space) - text.begin())));
}

// Removes a value from the front of `text`. False if a quote is not closed.
bool skip_value(std::string_view& text) noexcept {
  const bool quoted = !text.empty() && text.front() == '\'';
  for (std::size_t i = quoted ? 1 : 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (quoted ? text[i] == '\'' : is_space(text[i])) {
      text.remove_prefix(i + 1);
      return true;
    }
  }
  text = {};
  return !quoted;
}

std::string pairs_fault(std::string_view text) {
  Keywords keywords;
  for (text = skip_spaces(text); !text.empty(); text = skip_spaces(text)) {
    const auto* const end =
        std::find_if(text.data(), text.data() + text.size(), [](char c) { return c == '=' || is_space(c); });
    const std::string_view keyword = text.substr(0, static_cast<std::size_t>(end - text.data()));
    text = skip_spaces(text.substr(keyword.size()));
    if (text.empty() || text.front() != '=') {
      return keywords.missing_equals(keyword);
    }
    text = skip_spaces(text.substr(1));
    const PQconninfoOption* const option = keywords.find(keyword);
    if (!skip_value(text)) {
      return "the quote of a value is not closed" +
             (option != nullptr ? "; see keyword \"" + std::string(option->keyword) + "\"" : std::string());
    }
    if (option == nullptr) {
      return keywords.unknown(keyword);
    }
    keywords.read(*option);
  }
  return std::string(kUnknownForm);
}

bool is_bad_percent(std::string_view text) noexcept {
  const auto is_hex = [&](std::size_t i) {
    return i < text.size() && std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
  };
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (!is_hex(i + 1) || !is_hex(i + 2) || text.substr(i + 1, 2) == "00") {
      return true;
    }
  }
  return false;
}

// One `keyword=value` behind the `?` of a URI. Empty: no fault.
std::string parameter_fault(std::string_view parameter, Keywords& keywords) {
  const std::size_t equals = parameter.find('=');
  const std::string_view keyword = parameter.substr(0, equals);
  const PQconninfoOption* const option = keywords.find(keyword);
  if (equals == std::string_view::npos) {
    return keywords.missing_equals(keyword);
  }
  if (parameter.find('=', equals + 1) != std::string_view::npos) {
    return "a second \"=\"" + (option != nullptr ? " after keyword \"" + std::string(keyword) + "\"" : std::string()) +
           "; write %3D";
  }
  if (option == nullptr && keyword != "ssl" && keyword.find('%') == std::string_view::npos) {
    return keywords.unknown(keyword);
  }
  if (option != nullptr) {
    keywords.read(*option);
  }
  return {};
}

// `text` begins behind "//".
std::string uri_fault(std::string_view text) {
  if (is_bad_percent(text)) {
    return "\"%\" must be followed by two hexadecimal digits; write %25 for the character itself";
  }
  const std::size_t user_end = text.find_first_of("@/");
  if (user_end != std::string_view::npos && text[user_end] == '@') {
    text.remove_prefix(user_end + 1);
  }
  const std::string_view hosts = text.substr(0, text.find_first_of("/?"));
  if (std::count(hosts.begin(), hosts.end(), '[') != std::count(hosts.begin(), hosts.end(), ']')) {
    return "\"]\" is missing behind the address of a host";
  }
  const std::size_t mark = text.find('?');
  std::string_view parameters = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1);
  Keywords keywords;
  while (!parameters.empty()) {
    const std::string_view parameter = parameters.substr(0, parameters.find('&'));
    if (std::string fault = parameter_fault(parameter, keywords); !fault.empty()) {
      return fault;
    }
    parameters.remove_prefix(std::min(parameter.size() + 1, parameters.size()));
  }
  return "the URI is not valid; its form is postgresql://user@host:port/database?keyword=value";
}

}  // namespace

std::string syntax_fault(const std::string& conninfo) {
  for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
    if (conninfo.compare(0, scheme.size(), scheme) == 0) {
      return uri_fault(std::string_view(conninfo).substr(scheme.size()));
    }
  }
  return pairs_fault(conninfo);
}

}  // namespace pgevents::postgres
