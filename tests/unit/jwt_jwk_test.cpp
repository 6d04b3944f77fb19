// Keys as JWK and JWK Set (RFC 7517): which are accepted, skipped in a set, or rejected with which message.
#include "jwt_testing.hpp"

#include <utility>

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr char kPrivate[] = "it holds a private key; give the public key only";
constexpr char kNotTogether[] = "its type, curve and alg do not match, or are not supported";
constexpr char kBadMember[] = "a member of its public key is missing or is not base64url";
constexpr char kNothing[] = "its JWK Set holds no key that can be used here";

void expect_usable(std::string_view file, const std::string& token, std::string_view about) {
  assert_text(verdict_with(file, token), "good", about);
}

// --- one JWK ---

START_TEST(a_private_jwk_is_rejected) {
  assert_text(complaint_about_key(rsa_key()), kPrivate);
  assert_text(complaint_about_key(ec_key()), kPrivate);
  assert_text(complaint_about_key(R"({"keys":[)" + public_part(ec_key()) + ',' + rsa_key() + "]}"),
              std::string("key 2: ") + kPrivate);
}
END_TEST

START_TEST(a_malformed_jwk_is_rejected) {
  const char* const no_json = "it begins as a JWK but is not a JSON object without duplicate names";
  for (const char* const bad : {"{", "{}x", "{\"kty\":\"oct\",\"kty\":\"oct\"}", "{\"kty\":\"\xff\"}",
                                "{\"a\\u0000\":1}", "{0123456789abcdef0123456789abcdef"}) {
    assert_text(complaint_about_key(bad), no_json, bad);
  }
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "it is not a JWK: \"kty\" is missing"},
      {R"({"kty":1})", "it is not a JWK: \"kty\" is missing"},
      {R"({"kty":"oct"})", "its \"k\" is missing or is not base64url"},
      {R"({"kty":"oct","k":1})", "its \"k\" is missing or is not base64url"},
      {R"({"kty":"oct","k":"AAA="})", "its \"k\" is missing or is not base64url"},
      {R"({"kty":"RSA"})", kBadMember},
      {R"({"kty":"RSA","n":"AQAB"})", kBadMember},
      {R"({"kty":"RSA","n":"","e":"AQAB"})", kBadMember},
      {R"({"kty":"RSA","n":"AQAB","e":"A+=="})", kBadMember},
      {R"({"kty":"RSA","n":"AQAB","e":65537})", kBadMember},
      {R"({"kty":"EC","crv":"P-256","x":"AAAA"})", kBadMember},
      {R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})", "its public key cannot be read"},
      {R"({"kty":"EC","x":"AAAA","y":"AAAA"})", kNotTogether},
      {R"({"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"})", kNotTogether},
      {R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})", kNotTogether},
      {R"({"kty":"ec","crv":"P-256","x":"AAAA","y":"AAAA"})", kNotTogether},
  };
  for (const auto& [jwk, wanted] : cases) {
    assert_text(complaint_about_key(jwk), wanted, jwk);
  }
}
END_TEST

// With an exponent of 1 every message is its own signature.
START_TEST(an_rsa_key_with_exponent_1_is_rejected) {
  for (const char* const exponent : {R"({"e":"AQ"})", R"({"e":"AA"})", R"({"e":"Ag"})"}) {
    assert_that(complaint_about_key(public_part(rsa_key(), exponent)) != "", exponent);
  }
}
END_TEST

START_TEST(a_point_off_its_curve_is_rejected) {
  const Json jwk(json_loads(kRfcExamples[2].jwk, 0, nullptr));
  std::string y(string_of(json_object_get(jwk.get(), "y")).value());
  y[5] = y[5] == 'A' ? 'B' : 'A';
  assert_that(complaint_about_key(public_part(kRfcExamples[2].jwk, (R"({"y":")" + y + "\"}").c_str())) != "",
              "off the curve");
}
END_TEST

START_TEST(a_jwk_not_meant_to_verify_is_rejected) {
  for (const char* const more : {R"({"use":"enc"})", R"({"use":1})", R"({"key_ops":["sign"]})", R"({"key_ops":[]})",
                                 R"({"key_ops":"verify"})"}) {
    assert_text(complaint_about_key(public_part(ec_key(), more)), "its use is not to verify signatures", more);
  }
  assert_text(complaint_about_key(public_part(ec_key(), R"({"use":"sig","key_ops":["sign","verify"]})")), "");
}
END_TEST

START_TEST(kid_and_alg_of_a_jwk_are_strings) {
  assert_text(complaint_about_key(public_part(ec_key(), R"({"kid":1})")), "its \"kid\" is not a string");
  assert_text(complaint_about_key(public_part(ec_key(), R"({"alg":null})")), "its \"alg\" is not a string");
}
END_TEST

START_TEST(the_operators_kid_and_the_jwks_agree) {
  assert_text(complaint_about_key(public_part(ec_key(), R"({"kid":"a"})"), "a"), "");
  assert_text(complaint_about_key(public_part(ec_key()), "a"), "");
  assert_text(complaint_about_key(public_part(ec_key(), R"({"kid":"b"})"), "a"),
              "its \"kid\" is not the configured one");
}
END_TEST

// --- JWK Set ---

START_TEST(a_set_gives_all_its_keys) {
  const std::string set = R"({"keys":[)" + public_part(rsa_key(), R"({"kid":"r"})") + ',' +
                          public_part(ec_key(), R"({"kid":"e","use":"sig"})") + ',' + oct_key(kSecret) + "]}";
  expect_usable(set, token(rsa_key(), "RS512"), "RSA");
  expect_usable(set, token(ec_key(), "ES256"), "EC");
  expect_usable(set, token_of("{}"), "secret");
  expect_usable(set, sign(rsa_key(), R"({"alg":"RS256","kid":"r"})", "{}"), "by kid");
  assert_text(verdict_with(set, sign(rsa_key(), R"({"alg":"RS256","kid":"e"})", "{}")), "no key allows its \"alg\"");
}
END_TEST

START_TEST(keys_for_other_purposes_in_a_set_are_passed_over) {
  const std::string others =
      R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"},{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"},)" +
      public_part(rsa_key(), R"({"use":"enc","alg":"RSA-OAEP"})") + ',' + public_part(rsa_key(), R"({"alg":"PS256"})");
  assert_text(complaint_about_key("{\"keys\":[" + others + "]}"), kNothing);
  assert_text(complaint_about_key("{\"keys\":[]}"), kNothing);
  expect_usable("{\"keys\":[" + others + ',' + public_part(ec_key()) + "]}", token(ec_key(), "ES256"), "the last one");
  assert_text(verdict_with("{\"keys\":[" + others + ',' + public_part(ec_key()) + "]}", token(rsa_key(), "RS256")),
              "no key allows its \"alg\"");
}
END_TEST

START_TEST(a_set_is_narrowed_by_kid_and_alg) {
  const std::string set =
      R"({"keys":[)" + public_part(rsa_key(), R"({"kid":"r"})") + ',' + public_part(ec_key(), R"({"kid":"e"})") + "]}";
  JwtKeys keys;
  add(keys, set, "e");
  assert_text(verdict(keys, token(ec_key(), "ES256")), "good");
  assert_text(verdict(keys, token(rsa_key(), "RS256")), "no key allows its \"alg\"");
  assert_text(complaint_about_key(set, "x"), kNothing);
  assert_text(complaint_about_key(set, "e", "RS256"), kNothing);
  assert_text(complaint_about_key(set, "r", "RS256"), "");
}
END_TEST

START_TEST(a_wrong_key_in_a_set_spoils_it_all) {
  JwtKeys keys;
  const std::string good = public_part(ec_key());
  assert_text(keys.add("{\"keys\":[" + good + R"(,{"kty":"RSA","n":"AQAB"}]})", "", "").value_or(""),
              std::string("key 2: ") + kBadMember);
  assert_text(keys.add("{\"keys\":[" + good + ",1]}", "", "").value_or(""),
              "key 2: it is not a JWK: \"kty\" is missing");
  assert_text(keys.add("{\"keys\":{\"a\":" + good + "}}", "", "").value_or(""), "its \"keys\" is not a list");
  ck_assert(keys.empty());
}
END_TEST

START_TEST(there_are_at_most_64_keys) {
  JwtKeys keys;
  for (std::size_t i = 0; i < kMaxKeys - 1; ++i) {
    add(keys, kSecret, "kid-" + std::to_string(i));
  }
  const std::string two = "{\"keys\":[" + oct_key() + ',' + oct_key() + "]}";
  assert_text(keys.add(two, "", "").value_or(""), "there are more than 64 keys");
  add(keys, kSecret);
  assert_text(keys.add(kSecret, "", "").value_or(""), "there are more than 64 keys");
  assert_text(verdict(keys, token_of("{}")), "good");
  std::string many = oct_key();
  for (int i = 0; i < 1000; ++i) {
    many += ',' + oct_key();
  }
  assert_text(complaint_about_key("{\"keys\":[" + many + "]}"), "there are more than 64 keys");
}
END_TEST

}  // namespace

int main() {
  return run("jwt_jwk", {
                            a_private_jwk_is_rejected,
                            a_malformed_jwk_is_rejected,
                            an_rsa_key_with_exponent_1_is_rejected,
                            a_point_off_its_curve_is_rejected,
                            a_jwk_not_meant_to_verify_is_rejected,
                            kid_and_alg_of_a_jwk_are_strings,
                            the_operators_kid_and_the_jwks_agree,
                            a_set_gives_all_its_keys,
                            keys_for_other_purposes_in_a_set_are_passed_over,
                            a_set_is_narrowed_by_kid_and_alg,
                            a_wrong_key_in_a_set_spoils_it_all,
                            there_are_at_most_64_keys,
                        });
}
