// What other users of the machine may do with a file, by its mode and the modes of the directories above it. For
// warnings at configuration: access control lists are not read.
#pragma once

#include "ngx_module/nginx.hpp"

#include <string>

namespace pgevents::nginx {

struct OthersAccess {
  bool read = false;
  bool write = false;
};

// Access of users that neither own the file nor are in its group. None if the file does not exist.
OthersAccess others_access(const std::string& path) noexcept;

}  // namespace pgevents::nginx
