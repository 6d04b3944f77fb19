# shellcheck shell=bash
# Builds module, fallback and tests. Sourced by ./run.
build_dir=$repo/build/release

# build_release [WHAT TARGET]: builds the module, and this target of cmake instead of all.
# PGEVENTS_BUILT=1: does nothing. For tests that start the demo again and again, after `./run test` has built.
build_release() {
  local jobs
  [[ ${PGEVENTS_BUILT-} != 1 ]] || return 0
  jobs=$(nproc)
  step "configure" cmake cmake -S "$repo" -B "$build_dir" -DPGEVENTS_TESTS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
  step "${1-core, fallback, tests}" compile cmake --build "$build_dir" -j "$jobs" ${2+--target "$2"}
  step "nginx module" module "$repo/ngx_module/build.sh" "$build_dir"
}

# What the demo runs. The tests are a quarter of everything.
build_demo() { build_release "core, fallback" pgevents-fcgi; }

cmd_build() {
  need_packages demo
  build_release
  say "Built: $build_dir"
}
