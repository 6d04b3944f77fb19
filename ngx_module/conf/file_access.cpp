// See file_access.hpp.
#include "ngx_module/conf/file_access.hpp"

#include <sys/stat.h>

#include <climits>
#include <cstdlib>
#include <cstring>

namespace pgevents::nginx {
namespace {

bool others_may(const char* path, mode_t mode) noexcept {
  struct stat info {};
  return stat(path, &info) == 0 && (info.st_mode & mode) == mode;
}

}  // namespace

OthersAccess others_access(const std::string& path) noexcept {
  char full[PATH_MAX];
  if (realpath(path.c_str(), full) == nullptr) {
    return {};
  }
  OthersAccess access{others_may(full, S_IROTH), others_may(full, S_IWOTH)};
  for (char* slash = full; (slash = std::strchr(slash + 1, '/')) != nullptr;) {
    *slash = '\0';
    if (!others_may(full, S_IXOTH)) {
      access = {};
    }
    *slash = '/';
  }
  return access;
}

}  // namespace pgevents::nginx
