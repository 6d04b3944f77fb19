// Claims of signed tokens: the input's first line becomes the header of a token, the rest its payload, and both get a
// good HS256 signature, so that the input reaches all code after the signature's check.
#include <cmath>
#include <cstdlib>

#include "core/jwt/jwt.hpp"
#include "core/text/json_text.hpp"
#include "core/text/name_pattern.hpp"
#include "fuzzing.hpp"
#include "tokens.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr std::size_t kTellingBytes = 12;
constexpr char kKid[] = "secret";

// The secret twice: with a name, beside another key, and as the only key, without a name.
struct Keys {
  JwtKeys named;
  JwtKeys unnamed;

  Keys() {
    require(!named.add(shared_secret(), kKid, ""), "the secret is a key");
    const std::string pem = corpus_file("keys/rsa.pem");
    require(!named.add(pem.substr(2), "rsa", ""), "the public key is a key");
    require(!unnamed.add(shared_secret(), "", ""), "the secret is a key without a name");
  }
};

// The raw value of an object's member; empty if it has none.
std::string_view member(std::string_view object, std::string_view wanted) {
  std::string_view found;
  json_members(object, [&](const std::string& name, std::string_view value) {
    if (name == wanted) {
      found = value;
    }
  });
  return found;
}

// A token without a `kid` is tried with all keys, one with a `kid` with the keys of this name only.
void check_kid(std::string_view header, std::string_view name_of_key) {
  const std::string_view kid = member(header, "kid");
  require(kid.empty() || json_string(kid) == name_of_key, "the \"kid\" is that of the key", header);
}

void check_header(std::string_view header, std::string_view name_of_key) {
  require(json_string(member(header, "alg")) == "HS256", "the algorithm is that of the key", header);
  require(member(header, "crit").empty(), "a token with crit is rejected", header);
  check_kid(header, name_of_key);
}

void check_name(std::string_view value, const std::string& name, bool may_be_integer) {
  require(name.empty() || name_is_sane(name), "a name is sane", name);
  require(value.empty() == name.empty(), "a name is given or it is not", value);
  if (value.empty() || (may_be_integer && std::to_string(std::atoll(name.c_str())) == name && value == name)) {
    return;
  }
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

// No text of a rejected token may be repeated, neither to the client nor in the log.
void check_fault(std::string_view json, const TokenFault& fault) {
  json_members(json, [&fault](const std::string&, std::string_view value) {
    const auto text = json_string(value);
    if (!text || text->size() < kTellingBytes) {
      return;
    }
    require(!repeats(fault.log, *text), "no part of a token is repeated", fault.log);
  });
}

// Whether the keys accept the token.
bool check_verdict(JwtKeys& keys, std::string_view name_of_key, std::string_view header, std::string_view payload,
                   double now) {
  const auto result = keys.verify(hs256_token(header, payload, shared_secret()), now);
  if (const auto* const fault = std::get_if<TokenFault>(&result)) {
    check_fault(header, *fault);
    check_fault(payload, *fault);
    return false;
  }
  check_header(header, name_of_key);
  check_claims(payload, *std::get<std::shared_ptr<const Claims>>(result));
  return true;
}

struct Verdicts {
  bool named;
  bool unnamed;
};

Verdicts check(std::string_view header, std::string_view payload) {
  static Keys keys;
  static double now = 0;
  now += 100;  // after the cache's minute
  const Verdicts verdicts = {check_verdict(keys.named, kKid, header, payload, now),
                             check_verdict(keys.unnamed, "", header, payload, now)};
  const bool names_none = json_valid(header) && member(header, "kid").empty();
  require(!names_none || verdicts.named == verdicts.unnamed, "a token without \"kid\" needs no key of a name", header);
  return verdicts;
}

// Good tokens are accepted; those with a `kid` only by keys of that name.
bool check_sorts() {
  struct Row {
    const char* prefix;
    Verdicts wanted;
    std::size_t at_least;
  };
  static constexpr Row kRows[] = {
      {"good-", {true, true}, 3},         {"kid-of-a-key", {true, false}, 1},
      {"kid-empty", {false, true}, 1},    {"kid-of-another-key", {false, false}, 1},
      {"kid-unknown", {false, false}, 1},
  };
  for (const auto& [prefix, wanted, at_least] : kRows) {
    const auto files = corpus_files("claims", prefix);
    require(files.size() >= at_least, "the corpus has tokens of each kind", prefix);
    for (const std::string& file : files) {
      const std::string text = corpus_file(file);
      std::string_view payload = text;
      const std::string_view header = take(payload, '\n');
      const Verdicts got = check(header, payload);
      require(got.named == wanted.named && got.unnamed == wanted.unnamed, "a token is for the keys it names", file);
    }
  }
  return true;
}

}  // namespace

void fuzz(std::string_view input) {
  [[maybe_unused]] static const bool checked = check_sorts();
  const std::string_view header = take(input, '\n');
  check(header, input);
}

}  // namespace pgevents::fuzzing
