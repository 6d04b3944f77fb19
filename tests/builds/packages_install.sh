#!/usr/bin/env bash
# Takes the Debian packages in /src/given through their life in a bare root (root.sh) with nginx and PostgreSQL:
# installs them, follows the documented commands to a delivered event, upgrades, removes, purges, and installs again.
# All of it happens in a network namespace, where the ports are free; apt has downloaded what the packages depend on.
set -euo pipefail
printf '%s\n' 'APT::Get::Assume-Yes "true";' 'APT::Install-Recommends "false";' 'Dpkg::Use-Pty "false";' \
  >/etc/apt/apt.conf.d/90script
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get update -q
apt-get install -q curl iproute2 nginx postgresql procps
apt-get install -q --download-only /src/given/*.deb

cat >/src/life <<'LIFE'
set -euo pipefail
ip link set lo up
cd /src/pgevents
. debian/tests/documented
page=/src/pgevents/docs/operations.md
packages=(libnginx-mod-http-pgevents pgevents-doc pgevents-fcgi pgevents-schema)
install='## Install on an existing site'
say() { printf '\n== %s\n' "$*"; }

# The same packages with a higher version.
make_next() {
  local deb
  mkdir /src/next
  for deb in /src/given/*.deb; do
    dpkg-deb -R "$deb" /src/unpacked
    sed -i 's/^Version: .*/&+next/' /src/unpacked/DEBIAN/control
    dpkg-deb --root-owner-group -b /src/unpacked "/src/next/${deb##*/}"
    rm -r /src/unpacked
  done
}

states() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "${packages[@]}"; }

# Nothing is left but the events and the user, the state of systemd's helper apart.
leftovers() {
  find / -xdev -name '*pgevents*' -not -path '/src/*' -not -path '/proc/*' -not -path '/var/cache/*' \
    -not -path '/run/*' -not -path '/tmp/*' -not -path '/var/lib/postgresql/*'
}

say 'a site before pgevents'
make_site
say 'install'
cd /src/given
follow "$install"
publish second
delivers second
systemd-analyze verify --man=no pgevents-fcgi.service pgevents-fcgi.socket
id pgevents

say 'the fallback'
fallback_delivers third
runuser -u postgres -- pgevents-schema check -d app
runuser -u postgres -- pgevents-schema status -d app

say 'upgrade, with an older schema in another database'
runuser -u postgres -- createdb -E UTF8 -T template0 old
runuser -u postgres -- psql -qd old -v to=7 -f /usr/share/pgevents/sql/install.sql
status=0
runuser -u postgres -- pgevents-schema check -d old || status=$?
((status == 3))
echo '# changed' >>/etc/default/pgevents-fcgi
make_next
cd /src/next
master=$(cat /run/nginx.pid)
follow '### New packages'
states
[[ $(states | grep -c '^installed .*+next$') == 4 ]]
grep -q '^# changed' /etc/default/pgevents-fcgi
[[ $(cat /run/nginx.pid) != "$master" ]]
runuser -u postgres -- pgevents-schema upgrade -d old
runuser -u postgres -- pgevents-schema check -d old
publish fourth
delivers fourth

say 'remove'
follow '### Removing the packages' '^apt '
apt-get remove -q "${packages[@]}"
nginx -t
[[ -e /etc/default/pgevents-fcgi && ! -e /etc/nginx/modules-enabled/50-mod-http-pgevents.conf ]]
say 'install again, over what was left'
cd /src/given
apt-get install -q --allow-downgrades ./*.deb
[[ -e /etc/nginx/modules-enabled/50-mod-http-pgevents.conf ]]
grep -q '^# changed' /etc/default/pgevents-fcgi

say 'purge'
follow '### Removing the packages' '^(rm|sed|nginx) '
leftovers
[[ -z $(leftovers) ]]
nginx -t

say 'install again'
follow "$install" '^runuser -u postgres -- (pgevents-schema|psql -d app -c .CREATE)'
publish fifth
delivers fifth
say 'the life of the packages is complete'
LIFE
unshare --net bash /src/life
