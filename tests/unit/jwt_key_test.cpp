// Key files with secrets or PEM: which are accepted, and which are rejected with which message.
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <functional>

#include "jwt_testing.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr char kPrivate[] = "it holds a private key; give the public key only";
constexpr char kDisguised[] = "it is a public key or certificate; give the key in PEM or as JWK";
constexpr char kBadAlg[] = "alg must be HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384 or ES512";
constexpr char kNotTogether[] = "its type, curve and alg do not match, or are not supported";
constexpr char kNoPublicKey[] = "it is PEM but contains no PUBLIC KEY";

// --- more keys ---

PublicKey generated(int type, const std::function<void(EVP_PKEY_CTX*)>& prepare) {
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_id(type, nullptr);
  if (context == nullptr || EVP_PKEY_keygen_init(context) != 1) {
    std::abort();
  }
  prepare(context);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_keygen(context, &key) != 1) {
    std::abort();
  }
  EVP_PKEY_CTX_free(context);
  return PublicKey(key);
}
PublicKey rsa_of(int bits) {
  return generated(EVP_PKEY_RSA, [bits](EVP_PKEY_CTX* context) { EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits); });
}
std::string pem_of(const PublicKey& key) {
  return written([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key.get()); });
}

using Encode = int (*)(const EVP_PKEY*, unsigned char**);
std::string der_of(const PublicKey& key, Encode encode) {
  std::string der(static_cast<std::size_t>(encode(key.get(), nullptr)), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  encode(key.get(), &at);
  return der;
}

struct Certificate {
  std::string pem;
  std::string der;
};
Certificate certificate() {
  const PublicKey key = openssl_key(rsa_key());
  X509* const x509 = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), 0);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  X509_set_pubkey(x509, key.get());
  if (X509_sign(x509, key.get(), EVP_sha256()) <= 0) {
    std::abort();
  }
  Certificate result{written([&](BIO* bio) { return PEM_write_bio_X509(bio, x509); }),
                     written([&](BIO* bio) { return i2d_X509_bio(bio, x509); })};
  X509_free(x509);
  return result;
}

std::string base64_of(const std::string& pem) {
  const std::size_t start = pem.find('\n') + 1;
  return pem.substr(start, pem.find("-----END") - start);
}

void expect_usable(std::string_view file, const std::string& token, std::string_view about) {
  assert_text(verdict_with(file, token), "good", about);
}

// --- secrets ---

START_TEST(a_secret_is_the_file_without_one_line_end) {
  expect_usable(kSecret, token_of("{}"), "no line end");
  expect_usable(kSecret + "\n", token_of("{}"), "a line end");
  expect_usable(kSecret + "\r\n", token_of("{}"), "a line end of the other kind");
  expect_usable(kSecret + "\n\n", token(oct_key(kSecret + "\n"), "HS256"), "one only");
  expect_usable(' ' + kSecret + ' ', token(oct_key(' ' + kSecret + ' '), "HS256"), "spaces are part of it");
  std::string bytes(64, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 37 + 128);
  }
  expect_usable(bytes, token(oct_key(bytes), "HS256"), "any bytes");
}
END_TEST

START_TEST(a_secret_is_as_long_as_its_hash) {
  struct {
    std::size_t size;
    const char* good;  // algorithms
  } const cases[] = {{32, "HS256"}, {47, "HS256"}, {48, "HS256 HS384"}, {63, "HS256 HS384"}, {64, "HS256 HS384 HS512"}};
  for (const auto& each : cases) {
    const std::string secret(each.size, 'x');
    for (const std::string alg : {"HS256", "HS384", "HS512"}) {
      const bool good = std::string(each.good).find(alg) != std::string::npos;
      // libjose does not sign with a secret that is too short, so no such token exists, but its alg must be rejected.
      const std::string with = base64url(R"({"alg":")" + alg + R"("})") + ".e30." + base64url(std::string(48, 'x'));
      if (good) {
        expect_usable(secret, token(oct_key(secret), alg, "{}"), alg);
      }
      if (!good) {
        assert_text(verdict_with(secret, with), "no key allows its \"alg\"", alg);
      }
    }
  }
}
END_TEST

START_TEST(a_short_secret_is_rejected) {
  assert_text(complaint_about_key(""), "the secret is too short; it must have at least 32 bytes");
  assert_text(complaint_about_key("\n"), "the secret is too short; it must have at least 32 bytes");
  assert_text(complaint_about_key(std::string(31, 'x')), "the secret is too short; it must have at least 32 bytes");
  assert_text(complaint_about_key(std::string(31, 'x') + "\n"),
              "the secret is too short; it must have at least 32 bytes");
  assert_text(complaint_about_key(std::string(47, 'x'), "", "HS384"),
              "the secret is too short; it must have at least 48 bytes");
  assert_text(complaint_about_key(std::string(63, 'x'), "", "HS512"),
              "the secret is too short; it must have at least 64 bytes");
  assert_text(complaint_about_key(oct_key(std::string(31, 'x'))),
              "the secret is too short; it must have at least 32 bytes");
  assert_text(complaint_about_key(oct_key(std::string(40, 'x'), R"(,"alg":"HS512")")),
              "the secret is too short; it must have at least 64 bytes");
}
END_TEST

START_TEST(a_secret_serves_hmac_only) {
  for (const char* const alg : {"RS256", "ES256"}) {
    assert_text(complaint_about_key(kSecret, "", alg), "a secret is for HS256, HS384 and HS512 only", alg);
  }
  for (const char* const alg : {"none", "hs256", "HS1", "PS256", "EdDSA", "HS256 ", "*"}) {
    assert_text(complaint_about_key(kSecret, "", alg), kBadAlg, alg);
  }
}
END_TEST

START_TEST(a_public_key_in_any_form_is_not_a_secret) {
  const PublicKey rsa = openssl_key(rsa_key());
  const PublicKey ec = openssl_key(ec_key());
  const Certificate cert = certificate();
  for (const std::string& key :
       {der_of(rsa, i2d_PUBKEY), der_of(ec, i2d_PUBKEY), der_of(rsa, i2d_PublicKey), cert.der}) {
    assert_text(complaint_about_key(key), kDisguised, "DER");
    assert_text(complaint_about_key(key + "\n"), kDisguised, "DER and a line end");
    assert_text(complaint_about_key(base64url(key)), kDisguised, "base64url of DER");
    assert_text(complaint_about_key(oct_key(key)), kDisguised, "DER in a JWK");
  }
  for (const std::string& pem : {public_pem(rsa_key()), public_pem(ec_key()), cert.pem}) {
    assert_text(complaint_about_key(base64_of(pem)), kDisguised, "PEM without its first and last line");
    std::string line;
    for (const char c : base64_of(pem)) {
      if (c != '\n') {
        line.push_back(c);
      }
    }
    assert_text(complaint_about_key(line), kDisguised, "the same in one line");
    assert_that(complaint_about_key(oct_key(pem)) != "", "PEM in a JWK");
  }
  assert_text(complaint_about_key("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 ann@example"), kDisguised);
  assert_text(complaint_about_key("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY ann@example"), kDisguised);
}
END_TEST

START_TEST(text_in_front_of_a_public_key_does_not_make_it_a_secret) {
  const std::string pem = public_pem(rsa_key());
  const std::string jwk = public_part(rsa_key());
  const std::string rs256 = token(rsa_key(), "RS256");
  for (const std::string preface : {"\n", "  ", "\t\r\n", "\xEF\xBB\xBF", "\xEF\xBB\xBF\n"}) {
    expect_usable(preface + pem, rs256, "PEM");
    expect_usable(preface + jwk, rs256, "JWK");
  }
  expect_usable("Our key of May:\n" + pem + "Ask Ann.\n", rs256, "words around PEM");
}
END_TEST

// --- PEM ---

START_TEST(pem_of_other_things_is_rejected) {
  assert_text(complaint_about_key(private_pem(rsa_key())), kPrivate);
  assert_text(complaint_about_key(private_pem(ec_key())), kPrivate);
  assert_text(complaint_about_key(public_pem(ec_key()) + private_pem(ec_key())), kPrivate);
  for (const char* const label :
       {"RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"}) {
    const std::string text = std::string("-----BEGIN ") + label + "-----\nAAAA\n-----END " + label + "-----\n";
    assert_text(complaint_about_key(text), kPrivate, label);
  }
  assert_text(complaint_about_key(certificate().pem),
              "it holds a certificate; give its public key (openssl x509 -pubkey -noout)");
  const std::string pkcs1 = der_of(openssl_key(rsa_key()), i2d_PublicKey);
  assert_text(complaint_about_key(written([&](BIO* bio) {
                const auto* const bytes = reinterpret_cast<const unsigned char*>(pkcs1.data());
                return PEM_write_bio(bio, "RSA PUBLIC KEY", "", bytes, static_cast<long>(pkcs1.size())) > 0 ? 1 : 0;
              })),
              "it holds a key in PKCS#1; give it as PUBLIC KEY (openssl rsa -RSAPublicKey_in -pubout)");
  assert_text(complaint_about_key("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"), kNoPublicKey);
  assert_text(complaint_about_key("-----BEGIN DH PARAMETERS-----\n"), kNoPublicKey);
  assert_text(complaint_about_key(kSecret + "-----BEGIN"), kNoPublicKey);
}
END_TEST

START_TEST(damaged_pem_is_rejected_at_every_length) {
  const std::string pem = public_pem(ec_key());
  for (std::size_t size = pem.find('\n') + 1; size < pem.find("-----END"); ++size) {
    assert_text(complaint_about_key(pem.substr(0, size)), "its public key cannot be read");
  }
  std::string wrong = pem;
  wrong[wrong.find('\n') + 3] ^= 1;
  assert_that(complaint_about_key(wrong) != "", "a bit of the head is wrong");
}
END_TEST

START_TEST(two_keys_in_pem_are_rejected) {
  assert_text(complaint_about_key(public_pem(ec_key()) + public_pem(rsa_key())),
              "it holds more than one key; give each its own file");
}
END_TEST

// OpenSSL would ask for a password at the terminal.
START_TEST(encrypted_pem_is_rejected_without_a_prompt) {
  std::string pem = public_pem(ec_key());
  pem.insert(pem.find('\n') + 1, "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n");
  assert_text(complaint_about_key(pem), "its public key cannot be read");
}
END_TEST

START_TEST(weak_and_unsupported_public_keys_are_rejected) {
  assert_text(complaint_about_key(pem_of(rsa_of(1024))), "its RSA key must have 2048 to 8192 bits");
  assert_text(complaint_about_key(pem_of(rsa_of(2040))), "its RSA key must have 2048 to 8192 bits");
  const PublicKey ed25519 = generated(EVP_PKEY_ED25519, [](EVP_PKEY_CTX*) {});
  assert_text(complaint_about_key(pem_of(ed25519)), "its public key is neither RSA nor EC on P-256, P-384 or P-521");
  for (const int curve : {NID_secp256k1, NID_secp224r1, NID_brainpoolP256r1}) {
    const PublicKey key = generated(
        EVP_PKEY_EC, [curve](EVP_PKEY_CTX* context) { EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, curve); });
    assert_that(complaint_about_key(pem_of(key)) != "", OBJ_nid2sn(curve));
  }
}
END_TEST

START_TEST(a_key_must_fit_the_alg_it_is_given_for) {
  assert_text(complaint_about_key(public_pem(rsa_key()), "", "HS256"), kNotTogether);
  assert_text(complaint_about_key(public_pem(rsa_key()), "", "ES256"), kNotTogether);
  assert_text(complaint_about_key(public_pem(ec_key()), "", "ES384"), kNotTogether);
  assert_text(complaint_about_key(public_pem(ec_key()), "", "ES256"), "");
  assert_text(complaint_about_key(public_part(rsa_key(), R"({"alg":"RS256"})"), "", "RS512"), kNotTogether);
  assert_text(complaint_about_key(public_part(rsa_key(), R"({"alg":"PS256"})")), kNotTogether);
  assert_text(complaint_about_key(public_part(rsa_key(), R"({"alg":"HS256"})")), kNotTogether);
  assert_text(complaint_about_key(oct_key(kSecret, R"(,"alg":"RS256")")),
              "a secret is for HS256, HS384 and HS512 only");
}
END_TEST

// --- messages and limits ---

START_TEST(a_huge_file_is_rejected) {
  assert_text(complaint_about_key(std::string((std::size_t{1} << 20) + 1, 'x')), "it is larger than 1 MiB");
  assert_text(complaint_about_key(std::string(std::size_t{1} << 20, 'x')),
              "the secret is too long; it may have at most 1024 bytes");
  assert_text(complaint_about_key(std::string(1025, 'x')), "the secret is too long; it may have at most 1024 bytes");
}
END_TEST

START_TEST(the_longest_secret_verifies_what_it_signed) {
  const std::string secret(1024, 'x');
  JwtKeys keys;
  add(keys, secret);
  assert_text(verdict(keys, token(oct_key(secret), "HS512")), "good");
}
END_TEST

START_TEST(an_error_repeats_nothing_of_the_key) {
  const std::string secret = "SECRETSECRETSECRETSECRETSECRETSECRET";
  const std::string files[] = {"SECRET",
                               "{" + secret,
                               R"({"kty":")" + secret + R"("})",
                               R"({"kty":"oct","k":")" + secret + R"(="})",
                               R"({"kty":"oct","kid":1,"k":")" + secret + R"("})",
                               R"({"kty":"oct","alg":"SECRET","k":")" + secret + R"("})",
                               R"({"keys":[{"kty":"oct","k":"SECRET"}]})",
                               "-----BEGIN SECRET-----\n" + secret,
                               "-----BEGIN PUBLIC KEY-----\n" + secret + "\n-----END PUBLIC KEY-----\n",
                               "ssh-rsa " + secret};
  for (const std::string& file : files) {
    const std::string complaint = complaint_about_key(file);
    assert_that(!complaint.empty() && complaint.find("SECRET") == std::string::npos, complaint);
  }
  const std::string complaint = complaint_about_key(secret, "", "SECRET");
  assert_text(complaint, kBadAlg);
}
END_TEST

}  // namespace

int main() {
  return run("jwt_key", {
                            a_secret_is_the_file_without_one_line_end,
                            a_secret_is_as_long_as_its_hash,
                            a_short_secret_is_rejected,
                            a_secret_serves_hmac_only,
                            a_public_key_in_any_form_is_not_a_secret,
                            text_in_front_of_a_public_key_does_not_make_it_a_secret,
                            pem_of_other_things_is_rejected,
                            damaged_pem_is_rejected_at_every_length,
                            two_keys_in_pem_are_rejected,
                            encrypted_pem_is_rejected_without_a_prompt,
                            weak_and_unsupported_public_keys_are_rejected,
                            a_key_must_fit_the_alg_it_is_given_for,
                            a_huge_file_is_rejected,
                            the_longest_secret_verifies_what_it_signed,
                            an_error_repeats_nothing_of_the_key,
                        });
}
