// Reads a verified token's claims: each claim that pgevents uses must have its type; all others are ignored.
#include "core/jwt/read_claims.hpp"

#include <algorithm>
#include <cmath>

#include "core/text/name_pattern.hpp"

namespace pgevents {
namespace {

using Fault = std::optional<std::string>;

Fault wrong(const char* name, const char* what) {
  return std::string("its claim \"") + name + "\" is not " + what;
}

// A realm or user. An empty one is an error, not an absent one.
Fault read_name(const json_t* token, const char* name, std::string& to) {
  const json_t* const value = json_object_get(token, name);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto text = string_of(value);
  if (!text || !name_is_sane(*text)) {
    return wrong(name, "a name of 1 to 255 bytes without control characters");
  }
  to = *text;
  return std::nullopt;
}

Fault read_user(const json_t* token, std::string& to) {
  const json_t* const value = json_object_get(token, "sub");
  if (!json_is_integer(value)) {
    return read_name(token, "sub", to);
  }
  to = std::to_string(json_integer_value(value));
  return std::nullopt;
}

Fault read_issuer(const json_t* token, std::string& to) {
  const json_t* const value = json_object_get(token, "iss");
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto text = string_of(value);
  if (!text) {
    return wrong("iss", "a string");
  }
  to = *text;
  return std::nullopt;
}

bool read_strings(const json_t* list, std::vector<std::string>& to) {
  if (!json_is_array(list)) {
    return false;
  }
  for (std::size_t i = 0; i < json_array_size(list); ++i) {
    const auto text = string_of(json_array_get(list, i));
    if (!text) {
      return false;
    }
    to.emplace_back(*text);
  }
  return true;
}

Fault read_audience(const json_t* token, std::vector<std::string>& to) {
  const json_t* const value = json_object_get(token, "aud");
  if (value == nullptr) {
    return std::nullopt;
  }
  if (const auto one = string_of(value)) {
    to.emplace_back(*one);
    return std::nullopt;
  }
  if (!read_strings(value, to)) {
    return wrong("aud", "a string or a list of strings");
  }
  return std::nullopt;
}

Fault read_grants(const json_t* token, Claims& claims) {
  const json_t* const grants = json_object_get(token, "pgevents");
  if (grants == nullptr) {
    return std::nullopt;
  }
  if (!json_is_object(grants)) {
    return wrong("pgevents", "an object");
  }
  const json_t* const subscribe = json_object_get(grants, "subscribe");
  if (subscribe != nullptr && !read_strings(subscribe, claims.subscribe)) {
    return wrong("pgevents.subscribe", "a list of strings");
  }
  const json_t* const publish = json_object_get(grants, "publish");
  if (publish != nullptr && !read_strings(publish, claims.publish)) {
    return wrong("pgevents.publish", "a list of strings");
  }
  return std::nullopt;
}

Fault read_date(const json_t* token, const char* name, std::optional<double>& to) {
  const json_t* const value = json_object_get(token, name);
  if (value == nullptr) {
    return std::nullopt;
  }
  const double seconds = json_number_value(value);
  if (!json_is_number(value) || !std::isfinite(seconds)) {
    return wrong(name, "a number");
  }
  to = std::clamp(seconds, -kMaxClaimedTime, kMaxClaimedTime);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> read_claims(const json_t* token, Claims& claims) {
  if (auto fault = read_user(token, claims.user)) {
    return fault;
  }
  if (auto fault = read_name(token, "realm", claims.realm)) {
    return fault;
  }
  if (auto fault = read_issuer(token, claims.issuer)) {
    return fault;
  }
  if (auto fault = read_audience(token, claims.audience)) {
    return fault;
  }
  if (auto fault = read_grants(token, claims)) {
    return fault;
  }
  if (auto fault = read_date(token, "exp", claims.expires_at)) {
    return fault;
  }
  if (auto fault = read_date(token, "nbf", claims.not_before)) {
    return fault;
  }
  return read_date(token, "iat", claims.issued_at);
}

}  // namespace pgevents
