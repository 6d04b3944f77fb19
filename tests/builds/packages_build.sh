#!/usr/bin/env bash
# Builds the Debian packages in a bare root (root.sh), of which nothing but the build dependencies is needed, and checks
# them with lintian. The results are in /src/packages. Their version ends with the release of Debian, because a package
# belongs to the nginx of that release.
set -euo pipefail
printf '%s\n' 'APT::Get::Assume-Yes "true";' 'APT::Install-Recommends "false";' 'Dpkg::Use-Pty "false";' \
  >/etc/apt/apt.conf.d/90script
apt-get update -q
apt-get install -q build-essential lintian

release=$(sed 's/\..*//' /etc/debian_version)
mkdir /src/build
cp -a /src/pgevents /src/build/pgevents
cd /src/build/pgevents
{
  sed -n "1s/)/+deb$release)/p" debian/changelog
  printf '\n  * Build for Debian %s.\n\n' "$release"
  date=$(dpkg-parsechangelog -S Date)
  printf ' -- %s  %s\n\n' "$(dpkg-parsechangelog -S Maintainer)" "$(LC_ALL=C date -u -R -d "$date + 1 minute")"
  cat /src/pgevents/debian/changelog
} >debian/changelog.new
mv debian/changelog.new debian/changelog

apt-get build-dep -q ./
nice -n 10 dpkg-buildpackage -us -uc -J"$(nproc)"
cd /src/build
# As a user, because lintian warns of root. What it only informs of differs between its versions: that
# Standards-Version is older, say.
chown -R nobody .
runuser -u nobody -- env HOME=/tmp lintian --display-info --fail-on=error,warning ./*.changes
rm -rf pgevents
mkdir /src/packages
cp -- * /src/packages/
