#!/usr/bin/env bash
# Builds the module as OUT_DIR/ngx_http_pgevents_module.so, against Debian's nginx-dev or an nginx source: a release, or
# a checkout of its repository, which has configure in auto/.
#   ngx_module/build.sh OUT_DIR [--nginx-source DIR] [--static] [--asan] [-- CONFIGURE_OPTION…]
# With --nginx-source also links OUT_DIR/nginx, a server with the same options that can load the module; with --static
# the server contains the module, and no .so is built. The words after -- are options of nginx's configure, instead of
# Debian's or a usual set. CC is the compiler (gcc), CC_OPT its options (-g -O2). Only what has changed is built again.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
usage='usage: ngx_module/build.sh OUT_DIR [--nginx-source DIR] [--static] [--asan] [-- CONFIGURE_OPTION…]'
case ${1:-} in
  '' | -*) echo "$usage" >&2; exit 2 ;;
esac
out=$1
shift
cc=${CC:-gcc}
add=--add-dynamic-module
sanitize=
source=
flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --asan) sanitize=yes ;;
    --static) add=--add-module ;;
    --nginx-source) source=$(cd -- "${2:?$usage}" && pwd); shift ;;
    --) shift; flags=("$@"); break ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
  shift
done
if [ "$add" = --add-module ] && [ -z "$source" ]; then
  echo "ngx_module/build.sh: --static needs the whole nginx: --nginx-source DIR" >&2
  exit 2
fi
mkdir -p -- "$out"
out=$(cd -- "$out" && pwd)
exec 8>"$out/.lock"
flock 8

# nginx itself has undefined behaviour (memcpy() of 0 bytes from a null pointer), so UBSan checks the module only.
# NGX_DEBUG_PALLOC makes every allocation from a pool a separate one, which AddressSanitizer can check.
cc_opt=${CC_OPT:--g -O2}
ld_opt=
if [ -n "$sanitize" ]; then
  cc_opt='-g -O1 -fno-omit-frame-pointer -fsanitize=address -DNGX_DEBUG_PALLOC=1'
  ld_opt='-fsanitize=address,undefined'
  export PGEVENTS_CXXFLAGS='-fsanitize=undefined -fno-sanitize-recover=undefined'
fi

# Debian ships its nginx's configure, headers and flags in nginx-dev; a source tree has its own.
if [ -n "$source" ]; then
  tree=$source
  usual=(--with-compat --with-debug --with-http_ssl_module --with-http_v2_module --with-http_dav_module
    --with-http_auth_request_module --with-http_stub_status_module --with-http_addition_module --with-http_sub_module
    --with-http_gunzip_module --with-http_slice_module --with-threads)
else
  tree=/usr/share/nginx/src
  if [ ! -r "$tree/conf_flags" ]; then
    echo "ngx_module/build.sh: $tree/conf_flags is missing; install nginx-dev, or name a source with --nginx-source" >&2
    exit 1
  fi
  # shellcheck disable=SC1091
  . "$tree/conf_flags"
  usual=("${NGX_CONF_FLAGS[@]}")
fi
[ ${#flags[@]} -gt 0 ] || flags=("${usual[@]}")

# What configure's result depends on: the nginx (Debian updates it in place), compiler, options, and the module's files.
configure_key() {
  cd -- "$root"
  echo "$tree $add $sanitize $cc_opt $ld_opt ${flags[*]}"
  find "$tree" \( -name .git -o -name .hg \) -prune -o -type f -printf '%P %s %T@\n' | sort | sha256sum
  sh -c "$cc --version" | head -n 1
  cat config config.make ngx_module/exports.map
  find core postgres ngx_module -name '*.[ch]pp' | sort
}

# configure writes into its working directory, so it gets a copy of the source. nginx's lists of files are separated by
# spaces, so the module is added by a link whose path has none.
configure() {
  local script=./configure
  rm -rf -- "$work"
  mkdir -p -- "$work"
  tar -C "$tree" --exclude-vcs -cf - . | tar -C "$work" --no-same-owner -xf -
  cd -- "$work"
  ln -s -- "$root" pgevents
  [ -x configure ] || script=auto/configure
  "$script" --builddir=objs "${flags[@]}" "$add=pgevents" --with-cc="$cc" --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" \
    >"$out/configure.log" 2>&1 || {
    echo "ngx_module/build.sh: configure failed; the end of $out/configure.log:" >&2
    tail -n 6 -- "$out/configure.log" >&2
    exit 1
  }
}

# put FILE [NAME]: installs it in OUT_DIR as a new file, if it differs from the one there. Never overwrites in place: a
# running nginx has the old file mapped, and writing into that kills its workers.
put() {
  local name=${2:-${1##*/}}
  cmp -s -- "$1" "$out/$name" && return
  install -m 755 -- "$1" "$out/.new.$name"
  mv -- "$out/.new.$name" "$out/$name"
}

work=$out/nginx-build
key=$(configure_key)
if [ ! -f "$work/.key" ] || [ "$key" != "$(cat -- "$work/.key")" ]; then
  configure
  echo "$key" >"$work/.key"
fi
cd -- "$work"
ln -sfn -- "$root" pgevents
jobs=$(nproc)
if [ "$add" = --add-dynamic-module ]; then
  make -f objs/Makefile -j"$jobs" modules
  put objs/ngx_http_pgevents_module.so
  echo "the module: $out/ngx_http_pgevents_module.so"
fi
if [ -n "$source" ]; then
  make -f objs/Makefile -j"$jobs" binary
  binary=objs/nginx
  [ -x "$binary" ] || binary=objs/angie # Angie's name for it
  put "$binary" nginx
  echo "the server: $out/nginx"
fi
