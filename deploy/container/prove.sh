#!/bin/sh
# Runs the image as it should be run (not root, read-only, no capabilities, state in a volume) against a mosquitto of
# its own on loopback, and proves that it is healthy, forecasts, trains, stops at once, and goes on from its volume.
# Needs no container daemon. As root:
#   apt-get install podman runc mosquitto mosquitto-clients
#   deploy/container/prove.sh [IMAGE]
set -eu

image=${1:-localhost/forecaster:latest}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
name=forecaster-proof-$$

# Cgroups by hand and few open files: this also works inside containers, where there is no systemd.
podman() { command podman --cgroup-manager cgroupfs --events-backend file --runtime runc "$@"; }
start() { # start NAME-OF-CONTAINER-OR-EMPTY ARGUMENT…
    podman run --network host --read-only --tmpfs /tmp --cap-drop all --security-opt no-new-privileges \
        --no-healthcheck --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
fail() { echo "FAILED: $1" >&2; podman logs "$name" >&2 || true; exit 1; }
passed() { echo "ok  $1"; }

mqtt=$(free_port)
http=$(free_port)
cat >"$work/mosquitto.conf" <<CONF
user root
listener $mqtt 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 0
CONF
PATH=$PATH:/usr/sbin mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
broker=$!
clean_up() {
    podman rm --force --volumes "$name" >/dev/null 2>&1 || true
    podman volume rm --force "$name" >/dev/null 2>&1 || true
    kill "$broker" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

serve() {
    start --detach --name "$name" --volume "$name:/data" \
        --volume "$here/config/demo.yaml:/etc/forecaster/forecaster.yaml:ro" \
        --env "MQTT_URL=mqtt://127.0.0.1:$mqtt" --env "FORECASTER__HTTP__LISTEN=127.0.0.1:$http" \
        --env FORECASTER__GROUPS__HOMES__TRAINING__BUDGET=15s "$image" >/dev/null
    for _ in $(seq 60); do
        podman exec "$name" forecaster healthcheck --url "http://127.0.0.1:$http/readyz" >"$work/ready" && return
        sleep 0.5
    done
    fail "not ready within a minute: $(cat "$work/ready")"
}
stop() { # prints how long it took
    began=$(date +%s%N)
    podman stop --time 30 "$name" >/dev/null
    code=$(podman inspect --format '{{.State.ExitCode}}' "$name")
    [ "$code" = 0 ] || fail "exit code $code after SIGTERM"
    echo "$((($(date +%s%N) - began) / 1000000)) ms"
}
publish() { # publish FROM UNTIL
    start --rm "$image" publish households --url "mqtt://127.0.0.1:$mqtt" --streams 5 --speed max --quiet \
        --from "$1" --until "$2"
}
forecast() { # the newest of a home
    mosquitto_sub -p "$mqtt" -t forecaster/homes/home01/forecast -C 1 -W 30 | python3 -c '
import json, sys
forecast = json.load(sys.stdin)
print(forecast["origin"], "model", forecast["model"], "next", forecast["leads"][0]["quantiles"])'
}
forecast_from() { # waits until the newest forecast was made at TIME
    for _ in $(seq 60); do
        case $(forecast) in "$1"*) return ;; esac
        sleep 0.5
    done
    fail "no forecast made at $1; the newest: $(forecast)"
}

serve
passed "healthcheck inside: $(podman exec "$name" forecaster healthcheck)"
[ "$(podman exec "$name" id -u)" = 10001 ] || fail "runs as $(podman exec "$name" id -u)"
! podman exec "$name" touch /etc/forecaster/new 2>/dev/null || fail "the root can be written"
passed "user $(podman exec "$name" id -u), root read-only"

publish 2013-01-01 2013-01-04T00:00:00Z
forecast_from 2013-01-03T22:00:00Z # the last reading only opens its step, and the one before waits for late ones
passed "forecast: $(forecast)"

publish 2013-01-04T00:00:00Z 2013-01-07T00:00:00Z
forecast_from 2013-01-06T22:00:00Z
for _ in $(seq 60); do
    model=$(podman exec "$name" forecaster models list | grep -m 1 gru) && break
    sleep 1
done
[ -n "$model" ] || fail "no network was trained within a minute"
passed "trained: $model"

passed "stopped by SIGTERM in $(stop), exit code 0"
podman rm "$name" >/dev/null
serve
publish 2013-01-07T00:00:00Z 2013-01-07T06:00:00Z
forecast_from 2013-01-07T04:00:00Z
passed "goes on from its volume: $(forecast)"
passed "stopped again in $(stop)"
podman image inspect --format 'image size {{.Size}} bytes' "$image"
