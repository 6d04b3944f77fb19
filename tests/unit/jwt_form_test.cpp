// The form of a token: three parts of strict base64url, and a strict header. Any other form is rejected.
#include "jwt_testing.hpp"

#include <utility>

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr char kNotThreeParts[] = "it does not have three parts";
constexpr char kNotBase64url[] = "a part of it is not base64url";
constexpr char kBadHeader[] = "its header is not a JSON object without duplicate names";
constexpr char kBadClaims[] = "its claims are not a JSON object without duplicate names";

std::string verdict_here(const std::string& token) {
  return verdict_with(kSecret, token);
}
std::string verdict_on_header(std::string_view header) {
  return verdict_here(sign(oct_key(), header, "{}"));
}
// For headers that libjose would not sign: their signature is never verified.
std::string verdict_on_unsigned(std::string_view header) {
  return verdict_here(base64url(header) + ".e30." + base64url(std::string(32, 'x')));
}

// --- parts ---

START_TEST(a_token_has_exactly_three_parts) {
  const std::string good = token_of(R"({"sub":"10"})");
  const std::string payload = good.substr(good.find('.'));
  assert_text(verdict_here(good), "good");
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), std::string("..."),
                                 std::string("a"), good.substr(0, good.rfind('.')), good.substr(0, good.rfind('.') + 1),
                                 payload, good.substr(0, good.find('.')) + '.' + good.substr(good.rfind('.'))}) {
    assert_text(verdict_here(bad), kNotThreeParts, bad);
  }
  for (const std::string& bad :
       {good + '.', '.' + good, good + ".e30", good + "..", good.substr(0, 5) + '.' + good.substr(5)}) {
    assert_that(verdict_here(bad) != "good", bad);
  }
}
END_TEST

START_TEST(a_token_cut_at_any_byte_does_not_verify) {
  for (const RfcExample& example : kRfcExamples) {
    JwtKeys keys;
    add(keys, example.jwk);
    const std::string good = example.token();
    for (std::size_t size = 0; size < good.size(); ++size) {
      assert_that(verdict(keys, good.substr(0, size)) != "good", "verifies when cut at the end");
      assert_that(verdict(keys, good.substr(good.size() - size)) != "good", "verifies when cut in front");
    }
    assert_text(verdict(keys, good), "good");
  }
}
END_TEST

START_TEST(no_byte_can_be_inserted_or_removed) {
  const std::string good = token_of(R"({"sub":"10"})");
  JwtKeys keys;
  add(keys, kSecret);
  for (std::size_t i = 0; i <= good.size(); ++i) {
    for (const char byte : {'A', '.', '=', ' ', '\n', '\0', '+', '\x80'}) {
      std::string bad = good;
      bad.insert(i, 1, byte);
      assert_that(verdict(keys, bad) != "good", "verifies with a byte put in");
      if (i == good.size() || good[i] == byte) {
        continue;
      }
      bad = good;
      bad[i] = byte;
      assert_that(verdict(keys, bad) != "good", "verifies with a byte changed");
    }
  }
}
END_TEST

START_TEST(padding_and_the_alphabet_of_plain_base64_are_rejected) {
  const std::string good = token_of(R"({"sub":"10"})");
  const std::size_t first = good.find('.');
  const std::size_t second = good.rfind('.');
  for (const std::string& bad :
       {good + '=', good + "==", good.substr(0, first) + '=' + good.substr(first),
        good.substr(0, second) + '=' + good.substr(second), good.substr(0, second + 1) + '+' + good.substr(second + 2),
        good.substr(0, second + 1) + '/' + good.substr(second + 2), good + '\n', ' ' + good,
        good + std::string(1, '\0')}) {
    assert_text(verdict_here(bad), kNotBase64url, bad);
  }
}
END_TEST

// 32 bytes take 43 characters; two bits of the last one are unused, and an encoder writes them as zeros.
START_TEST(unused_bits_must_be_zero) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const std::string good = kRfcExamples[0].token();
  const std::size_t last = alphabet.find(good.back());
  ck_assert_uint_eq(last % 4, 0);
  for (std::size_t bits = 1; bits < 4; ++bits) {
    assert_text(verdict_with(kRfcExamples[0].jwk, good.substr(0, good.size() - 1) + alphabet[last + bits]),
                kNotBase64url);
  }
}
END_TEST

START_TEST(base64url_is_decoded_as_in_rfc_4648) {
  const std::pair<const char*, const char*> good[] = {
      {"", ""},           {"Zg", "f"},          {"Zm8", "fo"},           {"Zm9v", "foo"},
      {"Zm9vYg", "foob"}, {"Zm9vYmE", "fooba"}, {"-_-_", "\xfb\xff\xbf"}};
  for (const auto& [text, bytes] : good) {
    assert_text(decode_base64url(text).value_or("?"), bytes, text);
  }
  for (const char* const bad : {"Z", "Zm9vY", "Zh", "Zm9", "Zm9vYn", "Zg==", "Zm 9v", "+_-_", "-/-_", "Zm8\n"}) {
    assert_that(!decode_base64url(bad), bad);
  }
}
END_TEST

// --- size ---

std::string token_of_size(std::size_t size) {
  std::string payload(R"({"sub":"10","x":""})");
  payload.insert(payload.size() - 2, size * 3 / 4 - 80, 'x');
  std::string result = token_of(payload);
  while (result.size() < size) {
    payload.insert(payload.size() - 2, 1, 'x');
    result = token_of(payload);
  }
  return result;
}

START_TEST(a_token_of_8192_bytes_is_the_longest) {
  JwtKeys keys;
  add(keys, kSecret);
  const std::string longest = token_of_size(kMaxTokenBytes - 1);
  ck_assert_uint_ge(longest.size(), kMaxTokenBytes - 1);
  ck_assert_uint_le(longest.size(), kMaxTokenBytes);
  assert_text(verdict(keys, longest), "good");
  const std::string too_long = token_of_size(kMaxTokenBytes + 1);
  const auto result = keys.verify(too_long, kNow);
  assert_text(std::get<TokenFault>(result).msg, "The token is too long");
  ck_assert(std::holds_alternative<TokenFault>(keys.verify(std::string(kMaxTokenBytes + 1, 'a'), kNow)));
  assert_text(std::get<TokenFault>(keys.verify(std::string(kMaxTokenBytes, 'a'), kNow)).msg, "Invalid token");
  assert_text(std::get<TokenFault>(keys.verify(std::string(std::size_t{100} << 20, '.'), kNow)).msg,
              "The token is too long");
}
END_TEST

// --- header ---

START_TEST(a_header_is_an_object_with_an_alg) {
  assert_text(verdict_on_header(R"({"alg":"HS256"})"), "good");
  assert_text(verdict_on_header(R"( { "typ":"at+jwt", "alg":"HS256", "x":[1,{"y":null}] } )"), "good");
  for (const char* const bad :
       {"x", "[]", "\"HS256\"", "null", "{", R"({"alg":"HS256"}x)", R"({"alg":"HS256"}{})", "{'alg':1}",
        R"([{"alg":"HS256"}])", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", R"({"alg":"HS256","x":"\ud800"})",
        R"({"alg":"HS256","x":"a\u0000b"})", R"({"alg":"HS256","x\u0000":1})"}) {
    assert_text(verdict_on_unsigned(bad), kBadHeader, bad);
  }
  for (const char* const bad :
       {"{}", R"({"alg":null})", R"({"alg":256})", R"({"alg":["HS256"]})", R"({"ALG":"HS256"})"}) {
    assert_text(verdict_on_unsigned(bad), "the \"alg\" of its header is missing or not a string", bad);
  }
}
END_TEST

START_TEST(duplicate_names_are_rejected) {
  assert_text(verdict_on_header(R"({"alg":"none","alg":"HS256"})"), kBadHeader);
  assert_text(verdict_on_header(R"({"alg":"HS256","\u0061lg":"HS256"})"), kBadHeader);
  assert_text(verdict_here(token_of(R"({"sub":"10","sub":"11"})")), kBadClaims);
  assert_text(verdict_here(token_of(R"({"sub":"10","s\u0075b":"11"})")), kBadClaims);
  assert_text(verdict_here(token_of(R"({"pgevents":{"publish":[],"publish":["*"]}})")), kBadClaims);
}
END_TEST

START_TEST(crit_is_rejected) {
  for (const char* const crit : {R"(["exp"])", R"(["b64"])", "[]", "null", "\"x\""}) {
    assert_text(verdict_on_header(R"({"alg":"HS256","crit":)" + std::string(crit) + "}"), "its header has \"crit\"",
                crit);
  }
}
END_TEST

START_TEST(a_kid_is_a_string) {
  assert_text(verdict_on_header(R"({"alg":"HS256","kid":""})"), "good");
  for (const char* const kid : {"1", "null", "[]", "{\"a\":1}", "true"}) {
    assert_text(verdict_on_header(R"({"alg":"HS256","kid":)" + std::string(kid) + "}"),
                "the \"kid\" of its header is not a string", kid);
  }
}
END_TEST

// --- payload ---

START_TEST(claims_are_an_object) {
  assert_text(verdict_here(token_of("{}")), "good");
  for (const char* const bad : {"x", "[]", "null", "\"{}\"", "1", "{}{}", "{", "{\"sub\":}", "{\"sub\":\"\xc0\x80\"}",
                                R"({"sub":"a\u0000"})", R"({"a\u0000":1})", R"({"sub":"\udc00"})", "{\"exp\":1e999}"}) {
    assert_text(verdict_here(token_of(bad)), kBadClaims, bad);
  }
  assert_text(verdict_here(token_of(std::string_view("{}\0", 3))), kBadClaims, "NUL behind the object");
}
END_TEST

START_TEST(deep_nesting_does_no_harm) {
  const std::string deep = std::string(2900, '[') + std::string(2900, ']');
  assert_text(verdict_here(token_of("{\"x\":" + deep + '}')), kBadClaims);
  assert_text(verdict_on_unsigned(R"({"alg":"HS256","x":)" + deep + '}'), kBadHeader);
}
END_TEST

// --- messages ---

START_TEST(a_fault_repeats_nothing_of_the_token) {
  const char* const payloads[] = {R"({"sub":"SECRET","aud":1})", R"({"sub":["SECRET"]})", R"({"SECRET":1,"SECRET":1})",
                                  R"({"pgevents":{"subscribe":["SECRET",1]}})", R"({"exp":"SECRET"})"};
  for (const char* const payload : payloads) {
    JwtKeys keys;
    add(keys, kSecret);
    const auto result = keys.verify(token_of(payload), kNow);
    const TokenFault& fault = std::get<TokenFault>(result);
    assert_text(fault.msg, "Invalid token");
    assert_that(!fault.log.empty() && fault.log.find("SECRET") == std::string::npos, fault.log);
  }
  for (const char* const header : {R"({"alg":"SECRET"})", R"({"alg":"HS256","SECRET":1,"SECRET":2})"}) {
    const std::string log = verdict_on_unsigned(header);
    assert_that(log.find("SECRET") == std::string::npos, log);
  }
}
END_TEST

}  // namespace

int main() {
  return run("jwt_form", {
                             a_token_has_exactly_three_parts,
                             a_token_cut_at_any_byte_does_not_verify,
                             no_byte_can_be_inserted_or_removed,
                             padding_and_the_alphabet_of_plain_base64_are_rejected,
                             unused_bits_must_be_zero,
                             base64url_is_decoded_as_in_rfc_4648,
                             a_token_of_8192_bytes_is_the_longest,
                             a_header_is_an_object_with_an_alg,
                             duplicate_names_are_rejected,
                             crit_is_rejected,
                             a_kid_is_a_string,
                             claims_are_an_object,
                             deep_nesting_does_no_harm,
                             a_fault_repeats_nothing_of_the_token,
                         });
}
