# shellcheck shell=bash
# The scenarios of several machines, in network namespaces (tests/cluster). Sourced by ./run.

# ./run cluster [NAME…] [--rounds N]: plays all scenarios, or those of the files whose names begin so (tier, patroni),
# and writes the results into a table. ./run cluster demo: the chat on such hosts, until Ctrl-C.
cmd_cluster() {
  ((EUID == 0)) || die "./run cluster makes network namespaces, which needs root."
  if [[ ${1-} == demo ]]; then
    prepare_cluster
    exec env PGEVENTS_PORT="$port" node tests/cluster/demo.mjs
  fi
  local names=() files=() name rounds=1 status=0 records=$run_dir/cluster.jsonl
  while (($#)); do
    case $1 in
      --rounds)
        [[ ${2-} =~ ^[1-9][0-9]*$ ]] || die "Usage: ./run cluster [NAME…] [--rounds N]"
        rounds=$2
        shift
        ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  for name in "${names[@]-}"; do
    compgen -G "tests/cluster/$name*.test.mjs" >/dev/null || die "There is no scenario '$name'." \
      "Scenarios: $(cluster_names)"
    files+=(tests/cluster/"$name"*.test.mjs)
  done
  prepare_cluster
  rm -f -- "$records"
  PGEVENTS_CLUSTER=all PGEVENTS_CLUSTER_ROUNDS=$rounds PGEVENTS_CLUSTER_RECORDS=$records \
    node --test --test-concurrency=1 --test-reporter=spec "${files[@]}" || status=1
  [[ ! -e $records ]] || node tests/cluster/report.mjs "$records" "$run_dir/cluster.md"
  return "$status"
}

prepare_cluster() {
  need_packages cluster
  need_npm
  build_release
}

cluster_names() { basename -s .test.mjs tests/cluster/*.test.mjs | xargs; }
