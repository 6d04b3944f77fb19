// What the fuzz targets share: the entry point, checks of properties, and inputs made of lines of text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgevents::fuzzing {

// Defined by each target: feeds one input to the code and checks its properties. Called for every input; the input's
// bytes end where its memory ends.
void fuzz(std::string_view input);

// If a property does not hold, the program ends and libFuzzer keeps the input. `about` is shown.
void require(bool holds, std::string_view property, std::string_view about = "");

// The same for two texts that must be equal.
void require_equal(std::string_view got, std::string_view wanted, std::string_view property);

// Whether `message` contains `secret`. Unlike memcmp(), which the fuzzer watches to learn what would match, this gives
// the fuzzer no hint.
bool repeats(std::string_view message, std::string_view secret);

// A copy of a part of an input in memory of its own size, so that the sanitizer detects reads beyond it.
class Part {
 public:
  explicit Part(std::string_view text) : bytes_(text.begin(), text.end()) {}
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

// Takes the text up to the next `end` (or all the rest) from the front of `rest`, and `end` with it.
std::string_view take(std::string_view& rest, char end);

// The content of a file below tests/fuzz/corpus. Ends the program if the file is missing: a target without its inputs
// would check nothing.
std::string corpus_file(const std::string& name);
std::vector<std::string> corpus_files(const std::string& folder, std::string_view prefix);  // their names, sorted

}  // namespace pgevents::fuzzing
