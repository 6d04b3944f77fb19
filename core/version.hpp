// The version of this release of pgevents (Semantic Versioning). This is the only place where it is written by hand for
// programs: CMake, debian/rules and ./run release read this file, and tests/lint/version.sh compares those that must
// repeat it. The schema has a number of its own (sql/install.sql).
#pragma once

namespace pgevents {

inline constexpr char kVersion[] = "0.10.0";

}  // namespace pgevents
