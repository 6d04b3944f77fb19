// What the unit tests share: running a list of Check tests, and comparing texts with a message that shows both.
#pragma once

#include <check.h>

#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <string>
#include <string_view>

namespace pgevents::testing {

constexpr std::size_t kShownBytes = 400;

inline void assert_text(std::string_view got, std::string_view wanted, std::string_view about = "") {
  const std::string message = std::string(about) + "\n  got:    " + std::string(got.substr(0, kShownBytes)) +
                              "\n  wanted: " + std::string(wanted.substr(0, kShownBytes));
  ck_assert_msg(got == wanted, "%s", message.c_str());
}

inline void assert_that(bool holds, std::string_view about) {
  ck_assert_msg(holds, "%s", std::string(about).c_str());
}

// The processor time of this process: unlike wall-clock time it does not depend on the machine's load.
inline double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// Runs the tests in this order, all in this process unless CK_FORK=yes says otherwise: a crash under a sanitizer then
// ends the program with the sanitizer's report. Returns the exit status of the program.
inline int run(const char* name, std::initializer_list<const TTest*> tests) {
  Suite* const suite = suite_create(name);
  TCase* const cases = tcase_create(name);
  for (const TTest* const test : tests) {
    tcase_add_test(cases, test);
  }
  suite_add_tcase(suite, cases);
  SRunner* const runner = srunner_create(suite);
  if (std::getenv("CK_FORK") == nullptr) {
    srunner_set_fork_status(runner, CK_NOFORK);
  }
  srunner_run_all(runner, CK_NORMAL);
  const int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}

}  // namespace pgevents::testing
