#!/usr/bin/env bash
# Fetches the nginx source of Debian's package and prints its directory, in build/nginx-source/.
#   tests/builds/nginx-source.sh [SUITE]
# SUITE names another release of Debian, for another nginx (for example trixie). Needs no root, and changes nothing of
# apt's: apt's data for it is kept beside the source.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
suite=${1:-}
place=$PWD/build/nginx-source/${suite:-own}
sources=$place/sources.list

die() {
  printf '%s\n' "nginx-source.sh: $1" "${@:2}" >&2
  exit 1
}

# Runs apt with separate lists and sources; its network settings (proxies, certificates) are the system's.
own_apt() {
  local command=$1
  shift
  "$command" -q -o Dir::Etc::SourceList="$sources" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::lists="$place/lists" \
    -o Dir::Cache="$place/cache" -o APT::Sandbox::User= "$@"
}

# apt knows its sources in whatever file and form they are, and from the archive itself which of them are Debian's.
write_sources() {
  local format options='' key keys=/usr/share/keyrings/debian-archive-keyring
  local filter=('Origin: Debian' 'Component: main')
  [[ -z $suite ]] || filter+=('Label: Debian') # not its security updates, whose suites have names of their own
  for key in "$keys.gpg" "$keys.pgp"; do
    [[ ! -r $key ]] || options="[signed-by=$key] "
  done
  # shellcheck disable=SC2016 # the dollars are apt's
  format='$(REPO_URI) $(RELEASE) $(COMPONENT)'
  apt-get indextargets --format "deb-src $options$format" 'Created-By: Packages' "${filter[@]}" |
    sort -u >"$sources"
  [[ -s $sources ]] || die "apt has no source of Debian." \
    "As root: apt-get update; apt-get indextargets 'Origin: Debian'"
  [[ -n $suite ]] || return 0
  awk -v suite="$suite" '{ $(NF - 1) = suite; print; exit }' "$sources" >"$sources.new"
  mv -- "$sources.new" "$sources"
}

# Prints URI and checksum of every original source, newest first, with the one of the installed nginx before the others.
# The rest of a source package is not needed, and may be missing: archives delete superseded updates.
originals() {
  local version installed='' uris
  [[ -n $suite ]] || installed=$(dpkg-query -W -f '${Version}' nginx 2>/dev/null || true)
  for version in $installed $(own_apt apt-cache madison nginx | awk -F ' *[|] *' '{ print $2 }'); do
    uris=$(own_apt apt-get source --download-only --print-uris "nginx=$version" 2>/dev/null) || continue
    sed -n "s/^'\([^']*\)' nginx_[^ ]*\.orig\.tar\.gz [0-9]* \([A-Za-z0-9]*:[0-9a-f]*\)\$/\1 \2/p" <<<"$uris"
  done | awk '!seen[$0]++'
}

fetch() {
  local uri sum
  while read -r uri sum; do
    own_apt /usr/lib/apt/apt-helper download-file "$uri" "$place/nginx.tar.gz" "$sum" >&2 && return
  done < <(originals)
  die "No source of nginx could be fetched; see apt's messages above." "The sources are in $sources"
}

unpack() {
  rm -rf -- "$place/new" "$place/nginx"
  mkdir -- "$place/new"
  tar -xzf "$place/nginx.tar.gz" -C "$place/new" --strip-components 1 --no-same-owner
  mv -- "$place/new" "$place/nginx"
}

mkdir -p -- "$place/lists/partial" "$place/cache/archives/partial"
exec 8>"$place/.lock"
flock 8
if [[ ! -d $place/nginx ]]; then
  write_sources
  own_apt apt-get update >&2
  fetch
  unpack
  rm -rf -- "$place/lists" "$place/cache"
fi
printf '%s\n' "$place/nginx"
