// libFuzzer's entry and the helpers of the targets.
#include "fuzzing.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace pgevents::fuzzing {

namespace {

constexpr int kShownBytes = 2000;

void print(const char* label, std::string_view text) {
  std::fprintf(stderr, "%s%.*s\n", label, std::min(kShownBytes, static_cast<int>(text.size())), text.data());
}

}  // namespace

void require(bool holds, std::string_view property, std::string_view about) {
  if (holds) {
    return;
  }
  print("\nDOES NOT HOLD: ", property);
  if (!about.empty()) {
    print("about: ", about);
  }
  std::abort();
}

void require_equal(std::string_view got, std::string_view wanted, std::string_view property) {
  if (got == wanted) {
    return;
  }
  print("\ngot:    ", got);
  print("wanted: ", wanted);
  require(false, property);
}

bool repeats(std::string_view message, std::string_view secret) {
  for (std::size_t start = 0; start + secret.size() <= message.size(); ++start) {
    std::size_t same = 0;
    while (same < secret.size() && message[start + same] == secret[same]) {
      ++same;
    }
    if (same == secret.size()) {
      return true;
    }
  }
  return false;
}

std::string_view take(std::string_view& rest, char end) {
  const std::size_t size = std::min(rest.find(end), rest.size());
  const std::string_view taken = rest.substr(0, size);
  rest.remove_prefix(std::min(size + 1, rest.size()));
  return taken;
}

std::string corpus_file(const std::string& name) {
  std::ifstream file(std::string(PGEVENTS_CORPUS) + '/' + name, std::ios::binary);
  require(file.is_open(), "the file of the corpus exists", name);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> corpus_files(const std::string& folder, std::string_view prefix) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(PGEVENTS_CORPUS) + '/' + folder)) {
    const std::string name = entry.path().filename().string();
    if (name.compare(0, prefix.size(), prefix) == 0) {
      names.push_back(folder + '/' + name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace pgevents::fuzzing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pgevents::fuzzing::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
