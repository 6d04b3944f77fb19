// Which event types pass a subscriber's filter.
#include "core/request/type_filter.hpp"

#include "checks.hpp"

using namespace pgevents;
using namespace pgevents::testing;

namespace {

START_TEST(without_types_everything_passes) {
  const TypeFilter filter;
  ck_assert(filter.passes_all());
  ck_assert(filter.passes("a"));
  ck_assert(filter.passes(""));
}
END_TEST

START_TEST(only_the_types_listed_pass) {
  const TypeFilter filter{false, {"a", "b.c"}};
  ck_assert(!filter.passes_all());
  ck_assert(filter.passes("a"));
  ck_assert(filter.passes("b.c"));
  for (const char* other : {"", "A", "aa", "b", "b.cd", "a,b.c"}) {
    assert_that(!filter.passes(other), other);
  }
}
END_TEST

START_TEST(all_but_the_types_listed_pass) {
  const TypeFilter filter{true, {"typing"}};
  ck_assert(!filter.passes_all());
  ck_assert(!filter.passes("typing"));
  ck_assert(filter.passes("typing2"));
  ck_assert(filter.passes("Typing"));
}
END_TEST

START_TEST(types_of_pgevents_always_pass) {
  ck_assert((TypeFilter{false, {"a"}}.passes("pgevents.reset")));
  ck_assert((TypeFilter{true, {"pgevents.reset"}}.passes("pgevents.reset")));
  ck_assert(!(TypeFilter{false, {"a"}}.passes("pgevents")));
  ck_assert(!(TypeFilter{false, {"a"}}.passes("pgeventsx.reset")));
}
END_TEST

}  // namespace

int main() {
  return run("type_filter", {
                                without_types_everything_passes,
                                only_the_types_listed_pass,
                                all_but_the_types_listed_pass,
                                types_of_pgevents_always_pass,
                            });
}
