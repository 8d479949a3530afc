#!/bin/sh
# Installs the mosquitto broker and its command-line clients for the tests, from the system's packages.
# Never leaves the distribution's own broker running: the tests start their own, on ports that are free.
# Where it cannot install it says what to do and ends well; the tests that need a broker are then skipped.
set -eu

advice() {
    echo "mosquitto is not installed, and $1." >&2
    echo "Install the packages mosquitto and mosquitto-clients yourself, or run this as root;" >&2
    echo "without them the tests that need a real broker are skipped." >&2
    exit 0
}

if command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ]; then
    exit 0
fi
command -v apt-get >/dev/null || advice "there is no apt-get here"
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    advice "installing it needs root"
fi

# A policy of our own keeps the package from starting its service; whoever had one keeps it.
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
$install mosquitto mosquitto-clients || { $as_root apt-get update --quiet && $install mosquitto mosquitto-clients; } ||
    advice "apt-get could not install it"
if command -v systemctl >/dev/null; then
    $as_root systemctl disable --now --quiet mosquitto || true # nor at the next boot
fi
