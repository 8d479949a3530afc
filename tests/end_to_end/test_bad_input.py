"""Whatever arrives gets an answer, and the good beside it is used."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable

import pytest
from servers import Mosquitto, eventually
from service import Listener, Service, publish

pytestmark = pytest.mark.e2e

CONFIG = """
mqtt: {{url: "{url}", client_id: picky}}
data: DATA
groups:
  home:
    streams:
      - {{topic: "home/{{home}}/power", valid: [0, 10000], unit: W}}
      - {{topic: "home/{{home}}/tele", name: "{{home}}/tele", value: $.ENERGY.Power, time: $.Time}}
    step: 1s
    horizon: 3
    max_streams: 3
    retrain: {{every: never}}
metrics: {{per_stream: [home]}}
"""


def tele(value: object, at: object) -> str:
    return json.dumps({"Time": at, "ENERGY": {"Power": value}})


def test_each_bad_message_is_counted_under_its_reason(service: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """Nothing is raised, nothing is lost beside it, and the log tells each kind once."""
    picky = service(CONFIG.format(url=mosquitto.url)).start()
    now = time.time()
    bytes_of_any_kind = random.Random(1)
    bad = {
        "parse": [
            *(("home/a/power", one) for one in (b"", b"\xff\xfe\x00", b"12 W", b"{", b"[", b"0x10")),
            *(("home/a/power", b"\x80" + bytes_of_any_kind.randbytes(50)) for _ in range(50)),
            *(("home/a/tele", one) for one in (b"", b"\xff", b"{", b'{"Time"', b'{"ENERGY": {"Power": 1}} x')),
        ],
        "path": [("home/a/tele", one) for one in ("{}", "[]", "1", '"x"', '{"ENERGY": 7, "Time": 0}', tele([], 0))],
        "type": [("home/a/tele", tele(value, now)) for value in ("abc", None, {})],
        "not_finite": [("home/a/power", one) for one in (b"NaN", b"-Infinity", b"inf", b"1e999")],
        "range": [("home/a/power", one) for one in (b"-1", b"10001", b"1e300")],
        "time": [("home/a/tele", tele(1, at)) for at in ("yesterday", None, {}, -5, "0001-01-01T00:00:00Z")],
        "future": [("home/a/tele", tele(1, now + 3600)), ("home/a/tele", tele(1, "2150-01-01T00:00:00Z"))],
        "too_large": [("home/a/power", b"1" * 1_000_000), ("home/a/tele", b"[" * 1_000_000)],
        "unknown_topic": [(f"home/{'x' * 600}/power", b"1"), (f"home/{'y' * 600}/tele", b"2")],
    }
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, [("home/a/power", b"100"), ("home/a/tele", tele(50, now)), ("home/b/power", b"200")])
        eventually(lambda: picky.metric("samples_accepted_total") == 3, what="three streams")
        everything = [(message, None) for messages in bad.values() for message in messages]
        random.Random(2).shuffle(everything)
        publish(mosquitto.port, [message for message, _ in everything])
        publish(mosquitto.port, [("home/c/power", b"1"), ("home/d/power", b"1")])
        publish(mosquitto.port, [("home/a/tele", tele(50, now)), ("home/a/power", b"101"), ("home/b/power", b"201")])
        eventually(lambda: picky.metric("samples_accepted_total") == 5, what="the good ones beside them")

        expected = {reason: len(messages) for reason, messages in bad.items()}
        assert picky.rejects() == {**expected, "max_streams": 2, "duplicate": 1}
        eventually(lambda: {"a", "b", "a/tele"} <= {stream for stream, _ in listener.forecasts()}, what="forecasts")
    assert picky.status("/healthz") == 200
    assert picky.said().count("message refused reason=parse") == 2  # one for each stream
    assert "\\xff" not in picky.said()
    check_metrics(picky)
    picky.stop()


def check_metrics(live: Service) -> None:
    """What Prometheus' own tool thinks of the page."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "promtool is not installed; the package prometheus has it"
        return
    done = subprocess.run(
        [promtool, "check", "metrics"], input=live.get("/metrics")[1], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_flood_of_megabytes_neither_fills_memory_nor_stops_the_journal(
    service: Callable[..., Service], mosquitto: Mosquitto
) -> None:
    """A camera that publishes where sensors do: each picture is refused, and none is kept."""
    picky = service(CONFIG.format(url=mosquitto.url)).start()
    publish(mosquitto.port, [("home/a/power", b"x" * 4_000_000)] * 60)
    publish(mosquitto.port, [("home/a/power", b"100")])
    eventually(lambda: picky.metric("samples_accepted_total") == 1, 30, "the good one behind them")
    assert picky.rejects() == {"too_large": 60}
    assert sum(file.stat().st_size for file in picky.data.glob("journal*")) < 60_000_000
    picky.stop()
