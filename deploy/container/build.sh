#!/bin/sh
# Builds the image where there is no container engine and no registry: buildah works in a chroot, on a base that
# debootstrap makes. As root:
#   apt-get install buildah debootstrap
#   deploy/container/build.sh [IMAGE]
# Packages come from wherever pip on this machine is configured to take them (index, links, certificates).
#   TORCH_INDEX=   takes torch from there, too;  BASE=…  another base image, DEBIAN_MIRROR=…  another mirror
set -eu

image=${1:-localhost/forecaster:latest}
base=${BASE:-localhost/python-debian:bookworm}
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    echo "making the base image $base"
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
        bookworm "$work/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log" ||
        { tail "$work/debootstrap.log" >&2; exit 1; }
    rm -rf "$work/root/var/cache/apt" "$work/root/var/lib/apt/lists" "$work/root/usr/share/doc"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/root" / >/dev/null
    buildah commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf "$work/root"
fi

# What pip knows here, as one file, and every file or folder that it names: both are seen during the build only.
python3 - "$work/pip.conf" >"$work/volumes" <<'PYTHON'
import ast, pathlib, subprocess, sys

listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
options, seen = {}, {sys.argv[1]: "/etc/pip.conf"}
for line in listed.stdout.splitlines():  # global.find-links='/some/wheels'; the environment, listed first, wins
    name, _, value = line.partition("=")
    option = name.rpartition(".")[2]
    options.setdefault(option, ast.literal_eval(value))
for value in options.values():
    for word in value.split():
        path = pathlib.Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            # beside an index named simple there are the files it links to
            path = path.parent if path.name == "simple" else path
            seen[str(path)] = str(path)
lines = [f"{option} = {' '.join(value.split())}" for option, value in options.items()]
pathlib.Path(sys.argv[1]).write_text("\n".join(["[global]", *lines, ""]))
print(*(f"--volume {outside}:{inside}:ro" for outside, inside in seen.items()), sep="\n")
PYTHON

# shellcheck disable=SC2046  # the words are meant to be split
buildah bud --isolation chroot --pull-never --format docker --layers \
    --build-arg "BASE=$base" ${TORCH_INDEX+--build-arg "TORCH_INDEX=$TORCH_INDEX"} \
    --build-arg "REVISION=$(git -C "$here" rev-parse HEAD 2>/dev/null || echo unknown)" \
    --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
    $(cat "$work/volumes") --tag "$image" --file "$here/Dockerfile" "$here"
buildah images "$image"
