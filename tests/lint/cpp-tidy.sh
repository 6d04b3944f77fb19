#!/usr/bin/env bash
# clang-tidy finds nothing in core, postgres and fallback.
# $1: the build directory, which holds compile_commands.json. The module is compiled by nginx's own build and checked by
# gcc and clang with warnings as errors there (tests/builds).
set -euo pipefail
mapfile -t files < <(git ls-files -- 'core/**.cpp' 'postgres/*.cpp' 'fcgi_fallback/*.cpp')
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p "$1" --quiet --warnings-as-errors='*'
