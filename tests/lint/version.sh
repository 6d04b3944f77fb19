#!/usr/bin/env bash
# The version is the same everywhere.
# core/version.hpp has it. These repeat it, because their readers take it from nowhere else.
set -euo pipefail
version=$(sed -n 's/.*kVersion\[\] = "\([0-9.]*\)".*/\1/p' core/version.hpp)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "core/version.hpp: no kVersion of the form 1.2.3"; exit 1; }
status=0
check() {
  [[ $2 != "$version" ]] || return 0
  echo "$1 has the version '$2', core/version.hpp has $version"
  status=1
}
check client/package.json "$(sed -n 's/^  "version": "\(.*\)",$/\1/p' client/package.json)"
check client/package-lock.json "$(sed -n '3s/^  "version": "\(.*\)",$/\1/p' client/package-lock.json)"
# After the version a Debian changelog may have a revision of the packaging.
[[ ! -e debian/changelog ]] || check debian/changelog "$(sed -n '1s/^pgevents (\([^)+~-]*\).*/\1/p' debian/changelog)"
# Each image of the example, and no other version.
[[ ! -e containers/kubernetes.yaml ]] ||
  check containers/kubernetes.yaml "$(sed -n 's/^ *image: .*:\(.*\)$/\1/p' containers/kubernetes.yaml | sort -u | xargs)"
exit "$status"
