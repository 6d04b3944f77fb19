# shellcheck shell=bash
# The Debian packages, built and tried in bare roots. Sourced by ./run.

# ./run packages [SUITE…]: builds the packages for these releases of Debian (bookworm and trixie) in bare roots, and
# takes them through their life in fresh ones. The packages are in .run/packages/SUITE.
cmd_packages() {
  local suite suites=("$@")
  ((${#suites[@]})) || suites=(bookworm trixie)
  ((EUID == 0)) || die "./run packages works in roots of Debian: run it as root."
  command -v debootstrap >/dev/null || die "debootstrap is missing." "apt-get install debootstrap"
  for suite in "${suites[@]}"; do
    [[ $suite =~ ^[a-z]+$ ]] || die "'$suite' is not the name of a release of Debian."
    step "packages for $suite" "packages-build-$suite" build_packages "$suite"
    step "their life on $suite" "packages-install-$suite" \
      in_root "$suite" packages_install.sh "$run_dir/packages/$suite"
    say "  $run_dir/packages/$suite: $(cd -- "$run_dir/packages/$suite" && echo *.deb)"
  done
}

in_root() { bash tests/builds/root.sh "$run_dir/roots" "$1" "tests/builds/$2" "${@:3}"; }

build_packages() {
  local out=$run_dir/packages/$1
  in_root "$1" packages_build.sh || return 1
  rm -rf -- "$out"
  mkdir -p -- "$out"
  cp -- "$run_dir/roots/$1.work/src/packages/"* "$out/"
}
