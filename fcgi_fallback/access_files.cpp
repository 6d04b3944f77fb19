// Key files and origins; see access_files.hpp.
#include "fcgi_fallback/access_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

namespace pgevents::fallback {

namespace {

constexpr off_t kMaxKeyFile = 1 << 20;  // far more than a set of the most keys that are taken

// `FILE [kid=ID] [alg=ALG]`
struct KeySpec {
  std::string file, kid, alg;
};

bool parse_key(const std::string& text, KeySpec& spec) {
  std::istringstream words(text);
  words >> spec.file;
  for (std::string word; words >> word;) {
    const std::string name = word.substr(0, 4);
    std::string* const target = name == "kid=" ? &spec.kid : name == "alg=" ? &spec.alg : nullptr;
    if (target == nullptr || !target->empty() || word.size() == name.size()) {
      return false;
    }
    *target = word.substr(name.size());
  }
  return !spec.file.empty();
}

// An open file that closes itself. What is no file (a pipe, say) must not hold the program up.
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

  // Returns what is wrong.
  std::optional<std::string> read_into(std::string& text) const {
    struct stat info {};
    if (fd_ < 0 || fstat(fd_, &info) != 0) {
      return std::strerror(errno);
    }
    if (!S_ISREG(info.st_mode) || info.st_size > kMaxKeyFile) {
      return "is no file, or larger than 1 MB";
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
  KeySpec spec;
  if (!parse_key(option, spec)) {
    return "--jwt-key: give a file, and perhaps kid=ID and alg=ALG";
  }
  std::string text;
  auto problem = KeyFile(spec.file).read_into(text);
  if (!problem) {
    problem = keys.add(text, spec.kid, spec.alg);
  }
  if (problem) {
    problem = "--jwt-key: " + spec.file + ": " + *problem;
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
