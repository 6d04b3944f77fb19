#!/usr/bin/env bash
# Builds the images of containers/ on a base image that debootstrap makes, because a machine for tests may reach
# Debian's archive but no registry of images. Needs root, debootstrap and buildah.
#   tests/containers/build.sh DIR
# DIR keeps the result of debootstrap. The images: localhost/pgevents-base, localhost/pgevents and
# localhost/pgevents-schema.
set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
dir=$(realpath -ms -- "${1:?usage: tests/containers/build.sh DIR}")
suite=trixie
base=localhost/pgevents-base

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  mkdir -p -- "$dir"
  bash "$repo/tests/builds/root.sh" "$dir" "$suite" /dev/null
  container=$(buildah from scratch)
  mount=$(buildah mount "$container")
  tar -C "$dir/$suite.work" --exclude=./src -cf - . | tar -C "$mount" -xf -
  buildah umount "$container" >/dev/null
  buildah commit --quiet --rm "$container" "$base" >/dev/null
fi

# The chroot isolation needs no other privilege than root's. Only Docker's format has health checks.
for target in schema nginx; do
  name=localhost/pgevents
  [[ $target == nginx ]] || name+=-$target
  buildah build --isolation chroot --format docker --layers --build-arg "BASE=$base" --target "$target" --tag "$name" \
    -f "$repo/containers/Containerfile" "$repo"
done
