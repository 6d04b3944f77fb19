// Key files and origins; see access_files.hpp.
#include "fcgi_fallback/access_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>
#include <vector>

#include "core/jwt/key_options.hpp"

namespace pgevents::fallback {

namespace {

// The words of `FILE [kid=ID] [alg=ALG]`.
std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(std::move(word));
  }
  return words;
}

// An open file that closes itself. Opening a pipe must not block the program.
class KeyFile {
 public:
  explicit KeyFile(const std::string& name) : fd_(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~KeyFile() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  KeyFile(const KeyFile&) = delete;
  KeyFile& operator=(const KeyFile&) = delete;

  // Returns the reason of a failure.
  std::optional<std::string> read_into(std::string& text) const {
    struct stat info {};
    if (fd_ < 0 || fstat(fd_, &info) != 0) {
      return std::strerror(errno);
    }
    if (!S_ISREG(info.st_mode) || info.st_size > static_cast<off_t>(kMaxKeyFileBytes)) {
      return kNotKeyFile;
    }
    char piece[4096];
    ssize_t got = 0;
    while ((got = read(fd_, piece, sizeof piece)) > 0) {
      text.append(piece, static_cast<std::size_t>(got));
    }
    if (got < 0) {
      return std::strerror(errno);
    }
    return std::nullopt;
  }

 private:
  int fd_;
};

std::optional<std::string> add_key(const std::string& option, JwtKeys& keys) {
  const auto words = words_of(option);
  KeyOptions options;
  const bool good = !words.empty() && std::all_of(words.begin() + 1, words.end(),
                                                  [&](const std::string& word) { return options.take(word); });
  if (!good) {
    return "--jwt-key: give a file, and perhaps kid=ID and alg=ALG";
  }
  std::string text;
  auto problem = KeyFile(words.front()).read_into(text);
  if (!problem) {
    problem = keys.add(text, options.kid, options.alg);
  }
  if (problem) {
    problem = "--jwt-key: " + words.front() + ": " + *problem;
  }
  return problem;
}

}  // namespace

std::optional<std::string> read_access_files(const ProgramOptions& options, AccessFiles& files) {
  auto keys = std::make_unique<JwtKeys>();
  auto origins = std::make_unique<OriginRules>();
  for (const std::string& key : options.jwt_keys) {
    if (auto problem = add_key(key, *keys)) {
      return problem;
    }
  }
  for (const std::string& origin : options.allow_origins) {
    if (const auto problem = origins->add(origin)) {
      return "--allow-origin: " + *problem;
    }
  }
  files.keys = std::move(keys);
  files.origins = std::move(origins);
  return std::nullopt;
}

}  // namespace pgevents::fallback
