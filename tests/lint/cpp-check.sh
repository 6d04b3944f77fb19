#!/usr/bin/env bash
# cppcheck finds nothing in core, postgres, fallback and module.
set -euo pipefail
folders=()
for folder in core postgres fcgi_fallback ngx_module; do
  [[ ! -d $folder ]] || folders+=("$folder")
done
cppcheck --quiet --std=c++17 --language=c++ --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
  --suppress=missingInclude --suppress=unknownMacro "${folders[@]}"
