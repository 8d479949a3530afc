#!/bin/sh
# Installs what the tests run for real, from the system's packages: mosquitto and Prometheus (with promtool).
# Never leaves a service running: the tests start their own, on ports that are free.
# Where it cannot install them it says so and ends well; the tests that need them are then skipped.
set -eu

missing=""
PATH=$PATH:/usr/sbin
command -v mosquitto >/dev/null || missing="mosquitto mosquitto-clients"
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing="$missing prometheus"
[ -n "$missing" ] || exit 0

advice() {
    echo "Not installed: $missing; $1." >&2
    echo "Install them yourself, or run this as root; without them the tests that need them are skipped." >&2
    exit 0
}

command -v apt-get >/dev/null || advice "there is no apt-get here"
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    advice "installing needs root"
fi

# A policy of our own keeps packages from starting their services; whoever had one keeps it.
policy=/usr/sbin/policy-rc.d
ours=no
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    ours=yes
fi
forget_policy() { [ "$ours" = no ] || $as_root rm -f "$policy"; }
trap forget_policy EXIT

install="$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends"
# shellcheck disable=SC2086  # the words are meant to be split
$install $missing || { $as_root apt-get update --quiet && $install $missing; } || advice "apt-get could not install them"
if command -v systemctl >/dev/null; then
    for service in $missing; do # nor at the next boot
        $as_root systemctl disable --now --quiet "$service" 2>/dev/null || true
    done
fi
