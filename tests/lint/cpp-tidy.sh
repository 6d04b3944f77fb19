#!/usr/bin/env bash
# clang-tidy finds nothing in core, postgres, fallback and module.
# $1: the build directory, with CMake's compile_commands.json and nginx's Makefile (in nginx-build), from which the
# commands of the module are made.
set -euo pipefail
tidy() { xargs -P "$(nproc)" -n 4 clang-tidy -p "$1" --quiet --warnings-as-errors='*'; }
git ls-files -- 'core/**.cpp' 'postgres/*.cpp' 'fcgi_fallback/*.cpp' | tidy "$1"
node tests/lint/module-commands.mjs "$1" build/lint
git ls-files -- 'ngx_module/**.cpp' | tidy build/lint
