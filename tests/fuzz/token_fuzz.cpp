// JwtKeys::verify() on arbitrary bytes. Only the application can make a token, so the corpus' own signed tokens must be
// accepted, byte for byte, and no other input.
#include <functional>
#include <set>

#include "core/jwt/jwt.hpp"
#include "fuzzing.hpp"
#include "tokens.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr std::size_t kTellingBytes = 12;

struct Known {
  JwtKeys keys;
  std::set<std::string, std::less<>> tokens;

  Known() {
    require(!keys.add(shared_secret(), "first", ""), "the secret is a key");
    for (const char* const name : {"rsa", "ec256", "ec384", "ec521"}) {
      const std::string file = corpus_file("keys/" + std::string(name) + ".pem");
      const std::string kid = name == std::string("ec256") ? "second" : "";
      require(!keys.add(file.substr(2), kid, ""), "the public key is a key", name);
    }
    for (const std::string& file : corpus_files("token", "signed-")) {
      const std::string token = corpus_file(file);
      const auto result = keys.verify(token, 0);
      const auto* const fault = std::get_if<TokenFault>(&result);
      require(fault == nullptr, "a signed token is accepted: " + file, fault != nullptr ? fault->log : "");
      tokens.insert(token);
    }
    require(tokens.size() >= 9, "the corpus has signed tokens of all algorithms");
  }
};

void check_fault(std::string_view token, const TokenFault& fault) {
  require(!fault.msg.empty() && !fault.log.empty(), "a rejection has reasons");
  while (!token.empty()) {
    const std::string_view part = take(token, '.');
    if (part.size() < kTellingBytes) {
      continue;
    }
    require(!repeats(fault.msg, part) && !repeats(fault.log, part), "no part of a token is repeated", fault.log);
  }
}

}  // namespace

void fuzz(std::string_view input) {
  static Known known;
  // Each time after the cache's minute; then once more, from the cache.
  static double now = 0;
  now += 100;
  for (int i = 0; i < 2; ++i) {
    const auto result = known.keys.verify(input, now);
    const auto* const fault = std::get_if<TokenFault>(&result);
    require((fault == nullptr) == (known.tokens.count(input) > 0), "only the signed tokens are accepted",
            fault != nullptr ? fault->log : input);
    if (fault != nullptr) {
      check_fault(input, *fault);
    }
  }
}

}  // namespace pgevents::fuzzing
