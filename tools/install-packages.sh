#!/usr/bin/env bash
# Installs Debian packages (as root) without starting services: pgevents runs servers of its own, so Debian's nginx and
# the servers of the benchmark stay off, and no PostgreSQL cluster is created. Files changed for this are restored at
# the end. Called by ./run.
set -euo pipefail

policy=/usr/sbin/policy-rc.d
kept=$policy.kept-by-pgevents
cluster_rule=/etc/postgresql-common/createcluster.d/pgevents.conf
fresh=()
for program in /usr/sbin/nginx /usr/bin/redis-server /usr/bin/pushpin /usr/bin/zurl /usr/bin/prometheus \
  /usr/bin/etcd /usr/bin/patroni /usr/sbin/haproxy; do
  [[ -e $program ]] || fresh+=("$program")
done

put_back() {
  rm -f "$policy" "$cluster_rule"
  [[ ! -e $kept && ! -L $kept ]] || mv -f "$kept" "$policy"
}
trap put_back EXIT
trap 'exit 1' INT TERM HUP

# The saved file already exists if an earlier run was killed: then the current policy is ours.
if [[ ! -e $kept && ! -L $kept ]] && [[ -e $policy || -L $policy ]]; then
  mv "$policy" "$kept"
fi
printf '#!/bin/sh\n%s\nexit 101\n' >"$policy" \
  '# Created by pgevents while it installs packages: do not start services (invoke-rc.d(8)).'
chmod 755 "$policy"
mkdir -p "${cluster_rule%/*}"
echo "create_main_cluster = false" >"$cluster_rule"

export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold install -y --no-install-recommends "$@"

# New services must not start at the next boot either.
for program in "${fresh[@]}"; do
  if [[ -e $program && -d /run/systemd/system ]]; then
    systemctl disable "${program##*/}"
  fi
done
