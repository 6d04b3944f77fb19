// Memory is refused at any point: a token or key is then rejected, or accepted as usual. Nothing crashes, and nothing
// invalid is accepted.
#include "jwt_testing.hpp"

#include <utility>

using namespace pgevents;
using namespace pgevents::testing;

namespace {

// The allocations of jansson and libcrypto are counted. The one with the number `failing` fails; with `for_good` all
// later ones fail too.
struct Allocator {
  static inline long count = 0;
  static inline long failing = 0;
  static inline bool for_good = false;

  static bool fails() {
    if (failing == 0) {
      return false;
    }
    ++count;
    return count == failing || (for_good && count > failing);
  }
  static void* allocate(std::size_t size) { return fails() ? nullptr : std::malloc(size); }
  static void* crypto_allocate(std::size_t size, const char*, int) { return allocate(size); }
  static void* crypto_reallocate(void* old, std::size_t size, const char*, int) {
    return fails() ? nullptr : std::realloc(old, size);
  }
  static void crypto_release(void* memory, const char*, int) { std::free(memory); }
  static void install() {
    json_set_alloc_funcs(allocate, std::free);
    if (CRYPTO_set_mem_functions(crypto_allocate, crypto_reallocate, crypto_release) != 1) {
      std::abort();
    }
  }
};

// Calls `run` with each of its allocations failing in turn (after the 300th: only some of them), until all were tried.
// `judge` gets the result, and whether one failed.
template <typename Prepare, typename Run, typename Judge>
void with_each_allocation_failing(Prepare prepare, Run run, Judge judge) {
  for (const bool for_good : {false, true}) {
    bool failed = true;
    for (long failing = 1; failed; failing += 1 + failing / 300) {
      auto object = prepare();
      Allocator::for_good = for_good;
      Allocator::count = 0;
      Allocator::failing = failing;
      const std::string outcome = run(*object);
      failed = Allocator::count >= failing;
      Allocator::failing = 0;
      judge(outcome, failed);
    }
  }
}

auto no_keys() {
  return std::make_unique<JwtKeys>();
}
auto keys_with(const char* key) {
  return [key] {
    auto keys = std::make_unique<JwtKeys>();
    add(*keys, key);
    return keys;
  };
}

START_TEST(a_good_token_is_verified_or_rejected) {
  for (const RfcExample& example : kRfcExamples) {
    const std::string token = example.token();
    int refused = 0;
    with_each_allocation_failing(
        keys_with(example.jwk), [&](JwtKeys& keys) { return verdict(keys, token); },
        [&](const std::string& outcome, bool failed) {
          assert_that(outcome != "null", example.alg);
          if (!failed) {
            assert_text(outcome, "good", example.alg);
          }
          if (outcome != "good") {
            ++refused;
          }
        });
    ck_assert_int_gt(refused, 20);
  }
}
END_TEST

START_TEST(a_bad_token_is_rejected) {
  for (const RfcExample& example : kRfcExamples) {
    std::string token = example.token();
    token[token.size() - 20] = token[token.size() - 20] == 'A' ? 'B' : 'A';
    with_each_allocation_failing(
        keys_with(example.jwk), [&](JwtKeys& keys) { return verdict(keys, token); },
        [&](const std::string& outcome, bool) { assert_that(outcome != "good" && outcome != "null", example.alg); });
  }
}
END_TEST

// Incomplete claims must never pass for complete ones.
START_TEST(claims_are_whole_or_rejected) {
  const std::string token =
      token_of(R"({"sub":"10","aud":["a","b"],"pgevents":{"subscribe":["a","b"],"publish":["c"]}})");
  with_each_allocation_failing(
      keys_with(kSecret.c_str()),
      [&](JwtKeys& keys) -> std::string {
        const auto result = keys.verify(token, kNow);
        const auto* const claims = std::get_if<std::shared_ptr<const Claims>>(&result);
        if (claims == nullptr) {
          return "refused";
        }
        const Claims& got = **claims;
        const bool whole = got.user == "10" && got.audience.size() == 2 && got.subscribe.size() == 2;
        return whole && got.publish.size() == 1 ? "whole" : "a part";
      },
      [](const std::string& outcome, bool) { assert_that(outcome != "a part", outcome); });
}
END_TEST

// Without EC in PEM: there libjose 11 uses what libcrypto could not allocate, and crashes.
START_TEST(a_key_is_accepted_or_rejected) {
  const std::string pem = public_pem(kRfcExamples[1].jwk);
  const std::pair<std::string, const RfcExample*> files[] = {{kRfcExamples[0].jwk, &kRfcExamples[0]},
                                                             {kRfcExamples[1].jwk, &kRfcExamples[1]},
                                                             {kRfcExamples[2].jwk, &kRfcExamples[2]},
                                                             {pem, &kRfcExamples[1]}};
  for (const auto& [file, example] : files) {
    int refused = 0;
    with_each_allocation_failing(
        no_keys,
        [&, text = std::string_view(file), token = example->token()](JwtKeys& keys) {
          const auto fault = keys.add(text, "", "");
          Allocator::failing = 0;  // an accepted key must verify
          return fault ? (keys.empty() ? *fault : "half taken") : verdict(keys, token);
        },
        [&](const std::string& outcome, bool failed) {
          assert_that(outcome != "half taken" && outcome != "its signature is wrong", outcome);
          if (!failed) {
            assert_text(outcome, "good");
          }
          if (outcome != "good") {
            ++refused;
          }
        });
    ck_assert_int_gt(refused, 10);
  }
}
END_TEST

// libcrypto accepts other functions only before its first allocation, and libjose causes some when it is loaded.
[[gnu::section(".preinit_array"), gnu::used]] void (*const install_before_libraries)() = Allocator::install;

}  // namespace

int main() {
  return run("jwt_memory", {
                               a_good_token_is_verified_or_rejected,
                               a_bad_token_is_rejected,
                               claims_are_whole_or_rejected,
                               a_key_is_accepted_or_rejected,
                           });
}
