#!/usr/bin/env bash
# C++ is formatted by .clang-format.
set -euo pipefail
mapfile -t files < <(git ls-files -- '*.cpp' '*.hpp')
clang-format --dry-run -Werror "${files[@]}" || {
  echo "To repair: clang-format -i FILE"
  exit 1
}
