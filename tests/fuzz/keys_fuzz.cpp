// JwtKeys::add() on arbitrary key files. The input's lines: kid, alg; the rest is the file.
#include <algorithm>

#include "core/jwt/jwt.hpp"
#include "fuzzing.hpp"
#include "tokens.hpp"

namespace pgevents::fuzzing {

namespace {

constexpr std::size_t kLeastSecret = 32;
constexpr std::size_t kTellingBytes = 20;
constexpr char kHeader[] = R"({"alg":"HS256"})";
constexpr char kPayload[] = R"({"sub":"10"})";

bool accepts(JwtKeys& keys, const std::string& token) {
  return std::holds_alternative<std::shared_ptr<const Claims>>(keys.verify(token, 0));
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string_view without_line_end(std::string_view text) {
  if (!text.empty() && text.back() == '\n') {
    text.remove_suffix(1);
  }
  if (!text.empty() && text.back() == '\r') {
    text.remove_suffix(1);
  }
  return text;
}

// Neither JSON nor PEM, also after a byte order mark.
bool is_secret(std::string_view text) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") {
    text.remove_prefix(3);
  }
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  return (start == std::string_view::npos || text[start] != '{') && !contains(text, "-----BEGIN");
}

// No message may contain words of the file that could be a secret or a part of one.
void check_message(std::string_view text, const std::string& message) {
  require(!message.empty(), "a rejection has a reason");
  const auto is_key_letter = [](char c) { return c > ' ' && c != '"' && c != ',' && c != ':'; };
  while (!text.empty()) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_key_letter);
    const std::string_view word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    require(word.size() < kTellingBytes || !repeats(message, word), "no part of a key is repeated", message);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
}

void check_taken(JwtKeys& keys, std::string_view text, std::string_view alg) {
  require(!keys.empty(), "an accepted key is stored");
  require(!contains(text, "PRIVATE KEY-----") || is_secret(text) || contains(text, "{"), "no private key is accepted",
          text);
  const std::string_view secret = without_line_end(text);
  const std::string token = hs256_token(kHeader, kPayload, secret);
  if (is_secret(text)) {
    require(secret.size() >= kLeastSecret, "a secret is long enough");
    require(accepts(keys, token) == (alg.empty() || alg == "HS256"), "a secret verifies what it signed", alg);
  } else {
    // The file itself, which is not a secret if it contains a public key.
    require(!accepts(keys, token), "a file of public keys is not a secret", text);
    require(!accepts(keys, hs256_token(kHeader, kPayload, text)), "a file of public keys is not a secret", text);
  }
  // HMAC fills keys up with NUL bytes, so an empty key and any number of NUL bytes are the same key.
  const bool all_nul = secret.find_first_not_of('\0') == std::string_view::npos;
  require(all_nul || !accepts(keys, hs256_token(kHeader, kPayload, "")), "an empty file is not a secret");
  require(!accepts(keys, hs256_token(R"({"alg":"none"})", kPayload, secret)), "the algorithm none is rejected");
  const std::string signed_text = token.substr(0, token.rfind('.') + 1);
  require(!accepts(keys, signed_text), "a token without a signature is rejected");
}

}  // namespace

void fuzz(std::string_view input) {
  const Part kid(take(input, '\n'));
  const Part alg(take(input, '\n'));
  const Part text(input);
  JwtKeys keys;
  if (const auto fault = keys.add(text.view(), kid.view(), alg.view())) {
    require(keys.empty(), "a rejected file adds nothing", *fault);
    check_message(text.view(), *fault);
  } else {
    check_taken(keys, text.view(), alg.view());
  }
}

}  // namespace pgevents::fuzzing
