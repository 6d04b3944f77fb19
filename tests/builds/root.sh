#!/usr/bin/env bash
# Runs a script in a fresh root of a release of Debian, with a copy of this repository in /src/pgevents.
#   tests/builds/root.sh DIR SUITE SCRIPT [FOLDER]
# DIR/SUITE is the result of debootstrap, and is kept; each run works on a copy, DIR/SUITE.work, which stays for
# inspection. The script finds a copy of FOLDER in /src/given. The archive is apt's own. The mounts are in a separate
# namespace: they and all processes end with the script, however it ends. Needs root and debootstrap.
set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
usage='usage: tests/builds/root.sh DIR SUITE SCRIPT [FOLDER]'
dir=$(realpath -ms -- "${1:?$usage}")
suite=${2:?$usage}
script=$(cat -- "${3:?$usage}")
given=${4-}
pristine=$dir/$suite
work=$dir/$suite.work

die() {
  printf '%s\n' "root.sh: $1" "${@:2}" >&2
  exit 1
}

((EUID == 0)) || die "Run it as root."
command -v debootstrap >/dev/null || die "debootstrap is missing." "apt-get install debootstrap"

# apt knows its archives in whatever file and form they are.
archive() {
  # shellcheck disable=SC2016 # the dollar is apt's
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
    'Component: main' | head -n 1
}

# The root has another name until it is complete.
make_pristine() {
  local uri
  uri=$(archive)
  [[ -n $uri ]] || die "apt has no source of Debian." "apt-get update"
  rm -rf -- "$pristine.new"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$pristine.new" "$uri"
  mv -- "$pristine.new" "$pristine"
}

# The network settings (proxies, certificates) are the system's. A mirror may keep a state of unstable for longer than
# the week for which the archive's file Release allows it.
give_network() {
  cp -L -- /etc/resolv.conf /etc/hosts "$work/etc/"
  apt-config dump | grep -E '^Acquire::[a-z]+::(proxy|ca)' -i >"$work/etc/apt/apt.conf.d/50outside" || true
  echo 'Acquire::Check-Valid-Until "false";' >>"$work/etc/apt/apt.conf.d/50outside"
  cp -L -- /etc/ssl/certs/ca-certificates.crt "$work/etc/ca-outside.crt"
}

give_source() {
  mkdir -p -- "$work/src/pgevents"
  git -C "$repo" ls-files -z --cached --others --exclude-standard |
    (cd -- "$repo" && while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done) |
    tar -C "$repo" --null -T - -cf - | tar -C "$work/src/pgevents" --no-same-owner -xf -
}

mkdir -p -- "$dir"
exec 8>"$dir/.lock"
flock 8
[[ -d $pristine ]] || make_pristine
rm -rf -- "$work"
cp -a -- "$pristine" "$work"
give_network
give_source
[[ -z $given ]] || cp -r -- "$given" "$work/src/given"
printf '%s\n' "$script" >"$work/src/script"

# shellcheck disable=SC2016 # $1 is for the shell in the namespace
unshare --mount --pid --fork --kill-child -- sh -euc '
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount -t tmpfs tmp "$1/run"
  exec chroot "$1" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LANG=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive NODE_EXTRA_CA_CERTS=/etc/ca-outside.crt npm_config_cafile=/etc/ca-outside.crt \
    bash -c "cd /src/pgevents && exec bash -euo pipefail /src/script"' sh "$work" 8>&- </dev/null
