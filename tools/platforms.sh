# shellcheck shell=bash
# Tests of the module with another nginx, from its source, and in containers. Sourced by ./run.

# The files of tests/module that do not depend on what a certain nginx was built with.
kAgainst=(streams long_poll access access_nginx body_filters connection_past nginx_features outage pool presence
  protocols reconnects release_request switch wait_id settings http3)

# ./run build-against DIR [TEST…]: builds the nginx in DIR (a release or a checkout of nginx, Angie, freenginx) with the
# module inside and with the module to load, and runs tests of the module on both. The source is not changed.
cmd_build_against() {
  local source=${1:-} tests kind
  [[ -n $source ]] || die "Usage: ./run build-against DIR [TEST…]"
  [[ -r $source/src/core/nginx.h ]] || die "$source is not a source of nginx: it has no src/core/nginx.h."
  shift
  tests=("${@:-${kAgainst[@]}}")
  need_packages test
  need_npm
  build_release
  for kind in dynamic static; do build_kind "$source" "$kind"; done
  for kind in dynamic static; do test_kind "$kind" "${tests[@]}"; done
  say ''
  ((${#failed_suites[@]} == 0)) || say "failed: ${failed_suites[*]}"
  print_total '' "$total_passed" "$total_failed" "$total_skipped"
  ((${#failed_suites[@]} == 0))
}

# The HTTP/3 of nginx 1.25 and later is included.
build_kind() {
  local source=$1 kind=$2 out=$repo/build/against/$2 modules=() options
  options=(--nginx-source "$source")
  [[ $kind == dynamic ]] || options+=(--static)
  [[ ! -d $source/src/http/v3 ]] || modules=(--with-http_v3_module)
  step "$kind: nginx and module" "against-$kind" ngx_module/build.sh "$out" "${options[@]}" -- --with-debug \
    --with-compat --with-threads --with-http_ssl_module --with-http_v2_module "${modules[@]}" \
    --with-http_realip_module --with-http_dav_module --with-http_auth_request_module --with-http_stub_status_module \
    --with-http_addition_module --with-http_sub_module --with-http_gunzip_module --with-http_slice_module
  say "  $("$out/nginx" -v 2>&1)"
}

test_kind() {
  local out=$repo/build/against/$1 name log=$run_dir/log/suite-$1.log status=0 files=()
  local passed failed skipped
  for name in "${@:2}"; do files+=("tests/module/$name.test.mjs"); done
  say '' "== $1"
  PGEVENTS_NGINX=$out/nginx PGEVENTS_MODULE=$([[ $1 == static ]] || echo "$out/ngx_http_pgevents_module.so") \
    node --test --test-concurrency=2 --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="${log%.log}.tap" "${files[@]}" 9>&- | tee -- "$log" || status=1
  read -r passed failed skipped < <(count_node "$log")
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  total_skipped=$((total_skipped + skipped))
  ((status == 0 && failed == 0 && passed > 0)) || failed_suites+=("$1")
}

# ./run containers: builds the images of containers/ on a base made by debootstrap, and tests them. Needs root.
cmd_containers() {
  ((EUID == 0)) || die "Run it as root."
  need_packages containers
  need_npm
  build_release
  step "images" containers bash tests/containers/build.sh "$run_dir/roots"
  run_suites containers
}
