#!/usr/bin/env bash
# Makes and checks the files of a release, for ./run release.
#   tools/release-files.sh source|npm|collect VERSION RUN_DIR
# The files go to RUN_DIR/release. `npm` works in the tarball that `source` has made; `collect` adds what ./run packages
# has made.
set -euo pipefail
command=$1
version=$2
run_dir=$3
release=$run_dir/release
unpacked=$run_dir/release-source
tarball=$release/pgevents-$version.tar.gz

archive() { git archive --format=tar --prefix="pgevents-$version/" HEAD | gzip -9 -n; }

# The tarball has the same bytes wherever it is made: git takes the files and their times from the commit. CMake reads
# the version in it.
make_source() {
  archive >"$tarball"
  archive | cmp - "$tarball"
  rm -rf -- "$unpacked"
  mkdir -p -- "$unpacked"
  tar -C "$unpacked" -xzf "$tarball"
  cmake -S "$unpacked/pgevents-$version" -B "$unpacked/build" -DPGEVENTS_TESTS=OFF
  grep "^CMAKE_PROJECT_VERSION:STATIC=$version\$" "$unpacked/build/CMakeCache.txt"
}

# Packs the client of the tarball, where nothing is installed, and takes the package as its users do.
make_npm() {
  local client=$unpacked/pgevents-$version/client package=$release/pgevents-$version.tgz user=$run_dir/release-user
  npm pack --prefix "$client" --pack-destination "$release" "$client"
  "$client/node_modules/.bin/publint" run --strict "$package"
  "$client/node_modules/.bin/attw" "$package" --profile esm-only --no-color
  rm -rf -- "$user"
  mkdir -p -- "$user"
  npm install --prefix "$user" --no-save --no-audit --no-fund "$package"
  cd -- "$user"
  node --input-type=module -e "
    import { EventChannel } from 'pgevents';
    import about from 'pgevents/package.json' with { type: 'json' };
    if (typeof EventChannel !== 'function' || about.version !== '$version') throw new Error(about.version);"
}

# The version of the Debian packages must be this one, with the release of Debian.
collect() {
  local suite package
  for suite in bookworm trixie; do
    for package in "$run_dir/packages/$suite"/*.deb; do
      dpkg-deb -f "$package" Package Version
      [[ $(dpkg-deb -f "$package" Version) == "$version+deb"* ]]
    done
    mkdir -- "$release/$suite"
    cp -- "$run_dir/packages/$suite"/* "$release/$suite/"
  done
  cd -- "$release"
  find . -type f -printf '%P\0' | sort -z | xargs -0 sha256sum >"$run_dir/SHA256SUMS"
  mv -- "$run_dir/SHA256SUMS" .
  cat SHA256SUMS
}

case $command in
  source) make_source ;;
  npm) make_npm ;;
  collect) collect ;;
  *) echo "usage: tools/release-files.sh source|npm|collect VERSION RUN_DIR" >&2 && exit 1 ;;
esac
