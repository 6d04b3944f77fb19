// Signatures: every algorithm, the examples of RFC 7515, keys by `kid`, and attempts to use a key as another type.
#include <openssl/err.h>
#include <unistd.h>

#include <cstdio>

#include "jwt_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr char kWrongSignature[] = "its signature is wrong";
constexpr char kWrongAlg[] = "no key allows its \"alg\"";
constexpr char kWrongKid[] = "no key has its \"kid\"";

// --- algorithms ---

START_TEST(the_examples_of_rfc_7515_verify) {
  for (const RfcExample& example : kRfcExamples) {
    assert_text(verdict_with(example.jwk, example.token()), "good", example.alg);
  }
}
END_TEST

struct AlgorithmCase {
  const char* alg;
  const char* key;  // template
};
constexpr AlgorithmCase kAlgorithmCases[] = {
    {"HS256", R"({"kty":"oct","bytes":32})"},
    {"HS384", R"({"kty":"oct","bytes":48})"},
    {"HS512", R"({"kty":"oct","bytes":64})"},
    {"ES256", R"({"kty":"EC","crv":"P-256"})"},
    {"ES384", R"({"kty":"EC","crv":"P-384"})"},
    {"ES512", R"({"kty":"EC","crv":"P-521"})"},
    {"RS256", ""},
    {"RS384", ""},
    {"RS512", ""},
};
std::string key_of(const AlgorithmCase& algorithm) {
  return *algorithm.key == '\0' ? rsa_key() : new_key(algorithm.key);
}

START_TEST(every_algorithm_verifies_with_its_key_and_with_no_other) {
  for (const AlgorithmCase& algorithm : kAlgorithmCases) {
    const std::string key = key_of(algorithm);
    const std::string signed_token = token(key, algorithm.alg);
    assert_text(verdict_with(public_part(key), signed_token), "good", algorithm.alg);
    const std::string other = *algorithm.key == '\0' ? kRfcExamples[1].jwk : public_part(key_of(algorithm));
    assert_text(verdict_with(other, signed_token), kWrongSignature, algorithm.alg);
  }
}
END_TEST

START_TEST(public_keys_verify_from_pem_as_well) {
  for (const AlgorithmCase& algorithm : kAlgorithmCases) {
    if (algorithm.alg[0] == 'H') {
      continue;
    }
    const std::string key = key_of(algorithm);
    assert_text(verdict_with(public_pem(key), token(key, algorithm.alg)), "good", algorithm.alg);
  }
}
END_TEST

START_TEST(a_changed_header_payload_or_signature_does_not_verify) {
  const std::string good = token(rsa_key(), "RS256");
  const std::string other = token(rsa_key(), "RS256", R"({"sub":"11"})");
  const auto part = [](const std::string& text, int number) {
    std::size_t start = 0;
    for (int i = 0; i < number; ++i) {
      start = text.find('.', start) + 1;
    }
    return text.substr(start, text.find('.', start) - start);
  };
  const std::string key = public_part(rsa_key());
  assert_text(verdict_with(key, part(good, 0) + '.' + part(other, 1) + '.' + part(good, 2)), kWrongSignature);
  assert_text(verdict_with(key, part(good, 0) + '.' + part(good, 1) + '.' + part(other, 2)), kWrongSignature);
  const std::string header = base64url(R"({"alg":"RS256","x":1})");
  assert_text(verdict_with(key, header + '.' + part(good, 1) + '.' + part(good, 2)), kWrongSignature);
}
END_TEST

// All bits, also the unused ones of the last character (which give another text for the same bytes).
START_TEST(no_bit_of_a_signature_can_be_changed) {
  for (const RfcExample& example : kRfcExamples) {
    JwtKeys keys;
    add(keys, example.jwk);
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const std::string good = example.token();
    for (std::size_t i = good.rfind('.') + 1; i < good.size(); ++i) {
      for (int bit = 0; bit < 6; ++bit) {
        std::string bad = good;
        bad[i] = alphabet[alphabet.find(good[i]) ^ (std::size_t{1} << bit)];
        assert_that(verdict(keys, bad) != "good", std::string(example.alg) + " verifies with a bit changed");
      }
    }
    assert_text(verdict(keys, good), "good", example.alg);
  }
}
END_TEST

// The value r or s of an ECDSA signature must not be 0, nor as large as the order of the curve.
START_TEST(degenerate_signatures_do_not_verify) {
  const RfcExample& es256 = kRfcExamples[2];
  const std::string start = std::string(es256.header) + '.' + kRfcPayload + '.';
  for (const std::size_t size : {1, 32, 63, 64, 65, 128, 1000}) {
    for (const char byte : {'\0', '\1', '\xff'}) {
      assert_text(verdict_with(es256.jwk, start + base64url(std::string(size, byte))), kWrongSignature);
    }
  }
  const RfcExample& rs256 = kRfcExamples[1];
  for (const std::size_t size : {1, 255, 256, 257, 1000}) {
    for (const char byte : {'\0', '\1', '\xff'}) {
      const std::string forged =
          std::string(rs256.header) + '.' + kRfcPayload + '.' + base64url(std::string(size, byte));
      assert_text(verdict_with(rs256.jwk, forged), kWrongSignature);
    }
  }
}
END_TEST

// --- which key ---

START_TEST(a_key_whose_alg_is_narrowed_verifies_no_other) {
  const std::string key = public_part(rsa_key());
  for (const char* const alg : {"RS256", "RS384", "RS512"}) {
    JwtKeys keys;
    add(keys, key, "", "RS384");
    assert_text(verdict(keys, token(rsa_key(), alg)), alg == std::string("RS384") ? "good" : kWrongAlg, alg);
    const std::string narrowed = public_part(rsa_key(), R"({"alg":"RS512"})");
    assert_text(verdict_with(narrowed, token(rsa_key(), alg)), alg == std::string("RS512") ? "good" : kWrongAlg, alg);
  }
}
END_TEST

START_TEST(an_ec_key_verifies_by_the_algorithm_of_its_curve_only) {
  const std::string signature = '.' + base64url(R"({"sub":"10"})") + '.' + base64url(std::string(96, '\1'));
  const std::string key = public_part(new_key(R"({"kty":"EC","crv":"P-256"})"));
  for (const char* const alg : {"ES384", "ES512", "ES256K"}) {
    const std::string header = base64url(R"({"alg":")" + std::string(alg) + R"("})");
    assert_text(verdict_with(key, header + signature), kWrongAlg, alg);
  }
}
END_TEST

START_TEST(keys_are_chosen_by_kid) {
  const std::string secrets[] = {std::string(32, 'a') + 'x', std::string(32, 'b') + 'x', std::string(32, 'c') + 'x'};
  JwtKeys keys;
  add(keys, secrets[0], "old");
  add(keys, oct_key(secrets[1], R"(,"kid":"new")"));
  add(keys, secrets[2]);
  const auto with_kid = [&](int secret, const std::string& kid) {
    return sign(oct_key(secrets[secret]), R"({"alg":"HS256","kid":")" + kid + R"("})", R"({"sub":"10"})");
  };
  assert_text(verdict(keys, with_kid(0, "old")), "good");
  assert_text(verdict(keys, with_kid(1, "new")), "good");
  assert_text(verdict(keys, with_kid(0, "new")), kWrongSignature);
  assert_text(verdict(keys, with_kid(1, "old")), kWrongSignature);
  assert_text(verdict(keys, with_kid(2, "old")), kWrongSignature, "a key without kid is for tokens without");
  assert_text(verdict(keys, with_kid(2, "whatever")), kWrongKid);
  assert_text(verdict(keys, with_kid(1, "whatever")), kWrongKid);
  for (const std::string& secret : secrets) {
    assert_text(verdict(keys, token(oct_key(secret), "HS256")), "good", "a token without kid is tried with all keys");
  }
}
END_TEST

START_TEST(an_unknown_kid_and_a_wrong_signature_have_different_faults) {
  JwtKeys keys;
  add(keys, kSecret, "a");
  assert_text(verdict(keys, sign(oct_key(), R"({"alg":"HS256","kid":"b"})", "{}")), kWrongKid);
  assert_text(verdict(keys, sign(oct_key(), R"({"alg":"HS256","kid":"A"})", "{}")), kWrongKid);
  // Also if the only key has no name.
  JwtKeys unnamed;
  add(unnamed, kSecret);
  assert_text(verdict(unnamed, sign(oct_key(), R"({"alg":"HS256","kid":"b"})", "{}")), kWrongKid);
  assert_text(verdict(unnamed, sign(oct_key(), R"({"alg":"HS256","kid":""})", "{}")), "good");
}
END_TEST

START_TEST(keys_may_be_added_later) {
  JwtKeys keys;
  ck_assert(keys.empty());
  assert_text(verdict(keys, token_of("{}")), kWrongKid);
  add(keys, std::string(40, 'x'));
  ck_assert(!keys.empty());
  assert_text(verdict(keys, token_of("{}")), kWrongSignature);
  add(keys, kSecret);
  assert_text(verdict(keys, token_of("{}")), "good");
}
END_TEST

// --- forgeries ---

START_TEST(alg_none_is_rejected_in_all_spellings) {
  JwtKeys keys;
  add(keys, kSecret);
  add(keys, public_part(rsa_key()));
  const std::string good = token_of(R"({"sub":"10"})");
  const std::string payload_and_signature = good.substr(good.find('.'));
  for (const char* const alg :
       {"none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS1", "PS256", "dir", "EdDSA"}) {
    const std::string header = base64url(R"({"alg":")" + std::string(alg) + R"("})");
    assert_text(verdict(keys, header + payload_and_signature), kWrongAlg, alg);
    assert_text(verdict(keys, header + payload_and_signature.substr(0, payload_and_signature.rfind('.') + 1)),
                "it does not have three parts", alg);
  }
}
END_TEST

// The well-known forgery: HMAC with the text of the public key as the secret.
START_TEST(a_public_key_is_never_a_secret) {
  for (const std::string& private_key : {rsa_key(), ec_key()}) {
    const std::string pem = public_pem(private_key);
    for (const std::string& secret : {pem, pem.substr(0, pem.size() - 1), public_part(private_key)}) {
      for (const std::string& key : {pem, public_part(private_key)}) {
        for (const char* const alg : {"HS256", "HS384", "HS512"}) {
          assert_text(verdict_with(key, token(oct_key(secret), alg)), kWrongAlg, alg);
        }
      }
    }
  }
}
END_TEST

START_TEST(a_key_in_the_tokens_header_is_not_used) {
  const std::string header = R"({"alg":"HS256","jwk":)" + oct_key(std::string(64, 'x')) + "}";
  assert_text(verdict_with(kSecret, sign(oct_key(std::string(64, 'x')), header, "{}")), kWrongSignature);
  const std::string own = R"({"alg":"RS256","jwk":)" + public_part(rsa_key()) + "}";
  assert_text(verdict_with(kRfcExamples[1].jwk, sign(rsa_key(), own, "{}")), kWrongSignature);
}
END_TEST

// --- traces ---

START_TEST(nothing_is_left_in_openssls_error_queue) {
  ERR_clear_error();
  for (const RfcExample& example : kRfcExamples) {
    std::string bad = example.token();
    bad[bad.size() - 20] = bad[bad.size() - 20] == 'A' ? 'B' : 'A';
    assert_text(verdict_with(example.jwk, bad), kWrongSignature);
  }
  complaint_about_key("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
  complaint_about_key(R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})");
  complaint_about_key(kSecret);
  ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(what_others_left_in_openssls_error_queue_stays) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 42);
  assert_text(verdict_with(kRfcExamples[1].jwk, token(rsa_key(), "RS256")), kWrongSignature);
  ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 42);
  ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

// The standard error of a server is its error log, or closed.
class Stderr {
 public:
  Stderr() : file_(std::tmpfile()), saved_(dup(2)) { dup2(fileno(file_), 2); }
  ~Stderr() {
    end();
    std::fclose(file_);
  }
  long bytes() {
    end();
    return lseek(fileno(file_), 0, SEEK_END);
  }

 private:
  void end() {
    if (saved_ < 0) {
      return;
    }
    dup2(saved_, 2);
    close(saved_);
    saved_ = -1;
  }
  std::FILE* file_;
  int saved_;
};

START_TEST(nothing_is_written_to_stderr) {
  const std::string tokens[] = {token(rsa_key(), "RS256"), token_of("{}"), token(ec_key(), "ES256")};
  Stderr output;
  for (const RfcExample& example : kRfcExamples) {
    for (const std::string& other : tokens) {
      verdict_with(example.jwk, other);
    }
  }
  complaint_about_key(R"({"kty":"RSA","n":"AAAA","e":"AQAB"})");
  complaint_about_key(R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})");
  complaint_about_key("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
  ck_assert_int_eq(output.bytes(), 0);
}
END_TEST

}  // namespace

int main() {
  return run("jwt_signature", {
                                  the_examples_of_rfc_7515_verify,
                                  every_algorithm_verifies_with_its_key_and_with_no_other,
                                  public_keys_verify_from_pem_as_well,
                                  a_changed_header_payload_or_signature_does_not_verify,
                                  no_bit_of_a_signature_can_be_changed,
                                  degenerate_signatures_do_not_verify,
                                  a_key_whose_alg_is_narrowed_verifies_no_other,
                                  an_ec_key_verifies_by_the_algorithm_of_its_curve_only,
                                  keys_are_chosen_by_kid,
                                  an_unknown_kid_and_a_wrong_signature_have_different_faults,
                                  keys_may_be_added_later,
                                  alg_none_is_rejected_in_all_spellings,
                                  a_public_key_is_never_a_secret,
                                  a_key_in_the_tokens_header_is_not_used,
                                  nothing_is_left_in_openssls_error_queue,
                                  what_others_left_in_openssls_error_queue_stays,
                                  nothing_is_written_to_stderr,
                              });
}
