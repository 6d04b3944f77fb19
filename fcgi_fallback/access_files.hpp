// What the operator's access options refer to: key files, and origins, which are compiled once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/jwt/jwt.hpp"
#include "core/request/origin.hpp"
#include "fcgi_fallback/options.hpp"

namespace pgevents::fallback {

struct AccessFiles {
  std::unique_ptr<JwtKeys> keys;
  std::unique_ptr<OriginRules> origins;
};

// Reads the key files and compiles the origins. Returns the reason of a failure, which names the file but repeats
// nothing of its content; `files` is unchanged then.
std::optional<std::string> read_access_files(const ProgramOptions& options, AccessFiles& files);

}  // namespace pgevents::fallback
