// SipHash-2-4 against the vectors of its authors (reference implementation, vectors_sip64): key 00 01 … 0f, text 00 01
// … of each length.
#include "core/shared/siphash.hpp"

#include <string>

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

constexpr SipKey kKey{{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

constexpr std::uint64_t kVectors[] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
    0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
    0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
};

START_TEST(the_authors_vectors) {
  std::string text;
  for (const std::uint64_t wanted : kVectors) {
    ck_assert_uint_eq(siphash(kKey, text), wanted);
    text.push_back(static_cast<char>(text.size()));
  }
}
END_TEST

START_TEST(keys_differ) {
  const SipKey one = random_sip_key();
  const SipKey other = random_sip_key();
  ck_assert(one.words[0] != other.words[0] && one.words[1] != other.words[1]);
  ck_assert_uint_ne(siphash(one, "a"), siphash(other, "a"));
}
END_TEST

}  // namespace

int main() {
  return run("siphash", {the_authors_vectors, keys_differ});
}
