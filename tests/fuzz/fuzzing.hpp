// What the fuzz targets share: the entry, properties that have to hold, and inputs made of lines of text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgevents::fuzzing {

// What a target defines: feeds one input to the code and requires what has to hold. Called for every input; the input's
// bytes end where its memory ends.
void fuzz(std::string_view input);

// When a property does not hold, the program ends and libFuzzer keeps the input. `about` is shown.
void require(bool holds, std::string_view property, std::string_view about = "");

// Two texts that have to be equal.
void require_equal(std::string_view got, std::string_view wanted, std::string_view property);

// Whether `message` holds `secret`. The fuzzer watches memcmp() and all that is built on it, and learns from it what
// would be found; from this it does not.
bool repeats(std::string_view message, std::string_view secret);

// A copy of a part of an input in memory of its own size, so that the sanitizer sees who reads beyond it.
class Part {
 public:
  explicit Part(std::string_view text) : bytes_(text.begin(), text.end()) {}
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

// Takes what stands before the next `end` (or all that is left) from the front of `rest`, and `end` with it.
std::string_view take(std::string_view& rest, char end);

// The content of a file below tests/fuzz/corpus. Ends the program when there is none: a target without its inputs would
// check nothing.
std::string corpus_file(const std::string& name);
std::vector<std::string> corpus_files(const std::string& folder, std::string_view prefix);  // their names, sorted

}  // namespace pgevents::fuzzing
