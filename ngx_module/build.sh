#!/usr/bin/env bash
# Builds the module as OUT_DIR/ngx_http_pgevents_module.so against the nginx source or Debian's nginx-dev.
#   ngx_module/build.sh OUT_DIR [--asan] [--nginx-source DIR]
# With --nginx-source also links OUT_DIR/nginx, a server with the same options, to load the module into.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:?usage: ngx_module/build.sh OUT_DIR [--asan] [--nginx-source DIR]}
shift
sanitize=
source=
while [ $# -gt 0 ]; do
  case $1 in
    --asan) sanitize=yes ;;
    --nginx-source) source=${2:?--nginx-source needs a directory}; shift ;;
    *) echo "ngx_module/build.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
mkdir -p "$out"
out=$(cd "$out" && pwd)

# nginx itself is not free of undefined behaviour (memcpy of nothing from nowhere), so that sanitizer looks at the module only. NGX_DEBUG_PALLOC
# makes every allocation from a pool one of its own, which the address sanitizer can watch.
cc_opt='-g -O2'
ld_opt=
if [ -n "$sanitize" ]; then
  cc_opt='-g -O1 -fno-omit-frame-pointer -fsanitize=address -DNGX_DEBUG_PALLOC=1'
  ld_opt='-fsanitize=address,undefined'
  export PGEVENTS_CXXFLAGS='-fsanitize=undefined -fno-sanitize-recover=undefined'
fi

# Debian ships its nginx's configure, headers and flags in nginx-dev; a source tree brings its own.
if [ -n "$source" ]; then
  tree=$source
  flags=(--with-compat --with-debug --with-http_ssl_module --with-http_v2_module --with-http_dav_module
    --with-http_auth_request_module --with-http_stub_status_module --with-threads)
else
  tree=/usr/share/nginx/src
  if [ ! -r "$tree/conf_flags" ]; then
    echo "ngx_module/build.sh: $tree/conf_flags is missing; install nginx-dev, or name a source with --nginx-source" >&2
    exit 1
  fi
  # shellcheck disable=SC1091
  . "$tree/conf_flags"
  flags=("${NGX_CONF_FLAGS[@]}")
fi

# configure writes into its working directory, so it gets a copy; it runs again only when something about it changes.
work=$out/nginx-build
key=$(
  cd "$root"
  echo "$tree $sanitize ${flags[*]} ${CC:-}"
  cat config config.make
  ls core/*.cpp core/*.hpp ngx_module/*.cpp ngx_module/*.hpp
)
if [ ! -f "$work/.key" ] || [ "$key" != "$(cat "$work/.key")" ]; then
  rm -rf "$work"
  mkdir -p "$work"
  cp -r "$tree/." "$work/"
  cd "$work"
  ./configure --builddir=objs "${flags[@]}" --add-dynamic-module="$root" \
    --with-cc="${CC:-gcc}" --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" >"$out/configure.log" 2>&1 || {
    echo "ngx_module/build.sh: configure failed; the end of $out/configure.log:" >&2
    tail -5 "$out/configure.log" >&2
    exit 1
  }
  echo "$key" >"$work/.key"
fi
cd "$work"
make -f objs/Makefile -j"$(nproc)" modules

# A new file, and only when it is another one: a running nginx has the old one mapped, and writing into that kills its workers.
module=ngx_http_pgevents_module.so
cmp -s "objs/$module" "$out/$module" || install -m 755 "objs/$module" "$out/$module"
if [ -n "$source" ]; then
  make -f objs/Makefile -j"$(nproc)" >"$out/nginx-make.log" 2>&1
  cp objs/nginx "$out/.new.nginx"
  mv "$out/.new.nginx" "$out/nginx"
fi
