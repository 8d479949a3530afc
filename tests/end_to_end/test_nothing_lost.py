"""Killed at any moment, nothing is lost, and the forecasts are those of a run that was not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from servers import Mosquitto, eventually
from service import Listener, Service, publish

pytestmark = pytest.mark.e2e

CONFIG = """
mqtt: {{url: "{url}", client_id: {name}}}
data: DATA
clock: {clock}
groups:
  household:
    streams: [{{topic: "home/{{home}}/power", value: $.v, time: $.t, unit: W}}]
    step: {step}
    horizon: 4
    season: [24]
    lateness: {lateness}
    retrain: {{every: never}}
publish: {{prefix: {name}}}
snapshot_every: {snapshot}
log: {{level: debug}}
"""
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def config(broker: Mosquitto, **changes: str) -> str:
    plain = {"name": "service", "clock": "events", "step": "1h", "lateness": "0s", "snapshot": "1s"}
    return CONFIG.format(url=broker.url, **plain | changes)


def hourly(first: int, last: int, homes: str = "abc") -> list[tuple[str, str]]:
    """Readings of these hours, four an hour and home, some doubled, some a little out of order."""
    random = np.random.default_rng(first)
    messages = []
    for hour in range(first, last):
        for quarter in (0, 2, 1, 3):
            for number, home in enumerate(homes):
                time = NEW_YEAR + timedelta(hours=hour, minutes=15 * quarter)
                value = 100 * (number + 1) + 50 * np.sin(2 * np.pi * hour / 24) + random.normal()
                messages.append((f"home/{home}/power", json.dumps({"v": round(value, 3), "t": rfc3339(time)})))
        messages.append(messages[-1])
    return messages


def rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def at_hour(hour: int) -> str:
    return (NEW_YEAR + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_service_killed_again_and_again_forecasts_as_one_that_was_not(
    service: Callable[..., Service], mosquitto: Mosquitto
) -> None:
    """Messages that come while it is down wait at the broker; those it had not acknowledged come again."""
    unbroken = service(config(mosquitto, name="unbroken"), "unbroken").start()
    killed = service(config(mosquitto, name="killed"), "killed").start()
    with Listener(mosquitto.port, "unbroken") as expected, Listener(mosquitto.port, "killed") as found:
        publish(mosquitto.port, hourly(0, 20))
        killed.kill()
        publish(mosquitto.port, hourly(20, 40))
        killed.begin()
        publish(mosquitto.port, hourly(40, 60))
        killed.kill()
        killed.start()
        publish(mosquitto.port, hourly(60, 70))
        killed.stop()
        publish(mosquitto.port, hourly(70, 80))
        killed.start()
        publish(mosquitto.port, hourly(80, 90))
        for home in "abc":
            one, other = expected.wait(home, at_hour(89)), found.wait(home, at_hour(89))
            assert one.keys() == other.keys()
            for lead, same in zip(one["leads"], other["leads"], strict=True):
                np.testing.assert_allclose(same["quantiles"], lead["quantiles"], rtol=1e-6)
    unbroken.stop()
    killed.stop()
    steps = unbroken.stored("household")
    assert len(steps) == 3 * 89
    assert not np.isnan(list(steps.values())).any()
    assert killed.stored("household") == steps


def test_what_was_measured_while_the_service_was_away_is_not_late(
    service: Callable[..., Service], mosquitto: Mosquitto
) -> None:
    """On the machine's clock, too: time stood still for it, until it has heard what waited for it."""
    away = service(config(mosquitto, clock="system", step="1s", lateness="0.5s")).start()
    measured: set[int] = set()

    def measure() -> int:
        """One reading each second, dated as it is measured."""
        now = datetime.now(UTC)
        second = int(now.timestamp())
        if second not in measured:
            publish(mosquitto.port, [("home/a/power", json.dumps({"v": second % 100, "t": rfc3339(now)}))])
            measured.add(second)
        return len(measured)

    eventually(lambda: measure() > 2, what="three seconds")
    away.kill()
    before = len(measured)
    eventually(lambda: measure() > 6, what="four seconds more")
    away.start()
    eventually(lambda: measure() > 8, what="two seconds more")
    eventually(lambda: away.handled() >= len(measured) - before, what="all readings handled")
    away.stop()

    seconds = {start_ms // 1000: value for (_, start_ms), value in away.stored("household").items()}
    closed = [second for second in sorted(measured) if second < max(measured) - 1]  # the others may be open still
    assert {second: seconds.get(second) for second in closed} == {second: second % 100 for second in closed}


def test_the_command_as_it_is_typed(service: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """A process of its own from the first import on: it comes up, and ends with 0 when told to."""
    typed = service(config(mosquitto))
    with typed.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "forecaster", "run", str(typed.config)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        typed.ready()
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(10)
    assert typed.said().rstrip().endswith("forecaster.daemon stopped")
