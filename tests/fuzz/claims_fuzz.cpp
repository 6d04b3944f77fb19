// What signed tokens say: the input's first line becomes the header of a token, the rest its payload, and both get a good
// HS256 signature, so that all behind the signature's check is reached.
#include <cmath>
#include <cstdlib>

#include "fuzzing.hpp"
#include "json_text.hpp"
#include "jwt.hpp"
#include "name_pattern.hpp"
#include "tokens.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr std::size_t kTellingBytes = 12;

JwtKeys& keys() {
  static JwtKeys keys;
  if (keys.empty()) {
    require(!keys.add(shared_secret(), "", ""), "the secret is a key");
    const std::string pem = corpus_file("keys/rsa.pem");
    require(!keys.add(pem.substr(2), "rsa", ""), "the public key is a key");
  }
  return keys;
}

// The raw value of an object's member; empty when there is none.
std::string_view member(std::string_view object, std::string_view wanted) {
  std::string_view found;
  json_members(object, [&](const std::string& name, std::string_view value) {
    if (name == wanted) found = value;
  });
  return found;
}

void check_header(std::string_view header) {
  require(json_string(member(header, "alg")) == "HS256", "the algorithm is that of the key", header);
  require(member(header, "crit").empty(), "nothing has to be understood that is not", header);
}

void check_name(std::string_view value, const std::string& name, bool may_be_integer) {
  require(name.empty() || name_is_sane(name), "a name is sane", name);
  require(value.empty() == name.empty(), "a name is given or it is not", value);
  if (value.empty() || (may_be_integer && std::to_string(std::atoll(name.c_str())) == name && value == name)) return;
  // -0 is an integer as well.
  require(json_string(value) == name || (may_be_integer && json_is_number(value)), "the name is that of the token",
          value);
}

void check_time(std::string_view value, const std::optional<double>& time) {
  require(value.empty() == !time, "a time is given or it is not", value);
  require(!time || (std::isfinite(*time) && json_is_number(value)), "a time is a number", value);
  require(!time || std::fabs(*time) <= kMaxClaimedTime, "a time fits 64 bits of microseconds", value);
}

void check_patterns(std::string_view list, const std::vector<std::string>& patterns) {
  require(list.empty() ? patterns.empty() : list.front() == '[', "patterns are a list", list);
  for (const std::string& pattern : patterns) {
    const bool plain = pattern.find_first_of("\\\"/\b\f\n\r\t") == std::string::npos;
    require(!plain || list.find('\\') != std::string_view::npos || list.find('"' + pattern + '"') != list.npos,
            "a pattern is one of the list", pattern);
  }
}

void check_claims(std::string_view payload, const Claims& claims) {
  require(json_valid(payload), "the payload is valid JSON", payload);
  check_name(member(payload, "sub"), claims.user, true);
  check_name(member(payload, "realm"), claims.realm, false);
  check_time(member(payload, "exp"), claims.expires_at);
  check_time(member(payload, "nbf"), claims.not_before);
  check_time(member(payload, "iat"), claims.issued_at);
  const std::string_view grants = member(payload, "pgevents");
  check_patterns(member(grants, "subscribe"), claims.subscribe);
  check_patterns(member(grants, "publish"), claims.publish);
}

// No text of a refused token may come back, neither to the client nor into the log.
void check_fault(std::string_view json, const TokenFault& fault) {
  json_members(json, [&fault](const std::string&, std::string_view value) {
    const auto text = json_string(value);
    if (!text || text->size() < kTellingBytes) return;
    require(!repeats(fault.log, *text), "no part of a token is repeated", fault.log);
  });
}

void check(std::string_view header, std::string_view payload, bool has_to_be_good) {
  static double now = 0;
  now += 100;  // past the cache's minute
  const std::string token = hs256_token(header, payload, shared_secret());
  const auto result = keys().verify(token, now);
  if (const auto* const fault = std::get_if<TokenFault>(&result)) {
    require(!has_to_be_good, "a good token is accepted", fault->log);
    check_fault(header, *fault);
    check_fault(payload, *fault);
    return;
  }
  check_header(header);
  check_claims(payload, *std::get<std::shared_ptr<const Claims>>(result));
}

bool check_good_ones() {
  const auto files = corpus_files("claims", "good-");
  require(files.size() >= 3, "there are good tokens");
  for (const std::string& file : files) {
    const std::string text = corpus_file(file);
    std::string_view payload = text;
    const std::string_view header = take(payload, '\n');
    check(header, payload, true);
  }
  return true;
}

}  // namespace

void fuzz(std::string_view input) {
  static const bool checked = check_good_ones();
  const std::string_view header = take(input, '\n');
  check(header, input, !checked);
}

}  // namespace pgevents::fuzzing
