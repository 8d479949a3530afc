"""One day of three homes, with all that goes wrong in a day.

Meters that count kWh speak every five minutes, a weather station now and then, and a weather service at night tells
the temperature of the hours to come. No random numbers: each message can be worked out by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from forecaster.records import Event, Message, Tick
from forecaster.settings import Group, Mqtt, Settings, Source, Step
from forecaster.testing import at

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
START_MS = at("2026-03-01T00:00")

GROUP = Group(
    name="household",
    sources=(
        Source(
            topic="home/{home}/energy",
            value="$.ENERGY.Total",
            time="$.Time",
            kind="meter",
            aggregate="sum",
            unit="kWh",
            valid=(0.0, 100_000.0),
        ),
        Source(topic="weather/temperature", role="past", unit="°C"),
        Source(topic="weather/outlook", value="$.t[*].c", time="$.t[*].at", role="future", unit="°C"),
    ),
    step=Step(unit="second", count=3600, text="1h"),
    timezone="Europe/Paris",
    horizon=3,
    levels=(0.1, 0.5, 0.9),
    seasons=(6,),
    calendar=("hour",),
    lateness_s=120.0,
    lookback=48,
    bounds=(0.0, None),
    max_streams=3,
)
SETTINGS = Settings(mqtt=Mqtt(url="mqtt://broker"), groups=(GROUP,))

RATE = {"ann": 0.3, "bob": 0.6, "cleo": 1.2}
"""kWh an hour at night; twice as much from 06:00 to 09:00, three times from 18:00 to 22:00."""


def used(home: str, minutes: int) -> float:
    """What a home has used since midnight, kWh."""
    total = 0.0
    for hour in range(24):
        part = min(max(minutes - 60 * hour, 0), 60) / 60
        total += RATE[home] * part * (2 if 6 <= hour < 9 else 3 if 18 <= hour < 22 else 1)
    return total


def meter(home: str, minutes: int, total: float, *, after_s: float = 1.0) -> Message:
    """A reading taken some minutes after midnight, that arrives a little later."""
    time_ms = START_MS + minutes * MINUTE_MS
    payload = {"Time": time_ms // 1000, "ENERGY": {"Total": round(total, 6)}}
    return Message(f"home/{home}/energy", json.dumps(payload).encode(), time_ms + round(after_s * 1000))


def bad(minutes: int, payload: bytes, topic: str = "home/ann/energy") -> Message:
    return Message(topic, payload, START_MS + minutes * MINUTE_MS + 2000)


def readings() -> Iterator[Event]:
    """What the meters say. Ann's runs well; Bob's has a gap and a reset; Cleo's dips, is late and says things twice."""
    for minutes in range(0, 24 * 60 + 5, 5):
        yield meter("ann", minutes, 5000 + used("ann", minutes))
        if not 10 * 60 + 20 < minutes < 12 * 60 + 40:  # the plug was pulled out
            base = 800.0 if minutes < 15 * 60 else -used("bob", 15 * 60)  # exchanged at 15:00: counts from 0 again
            yield meter("bob", minutes, base + used("bob", minutes))
        dips = minutes == 7 * 60 + 30
        slow_s = 90.0 if 11 * 60 + 50 <= minutes <= 11 * 60 + 55 else 600.0 if minutes == 13 * 60 + 55 else 1.0
        yield meter("cleo", minutes, 0.0 if dips else 100 + used("cleo", minutes), after_s=slow_s)
        if minutes == 9 * 60:
            yield meter("cleo", minutes, 100 + used("cleo", minutes), after_s=3.0)


def nonsense() -> Iterator[Event]:
    yield bad(3 * 60 + 1, b'{"Time": ')
    yield bad(3 * 60 + 2, b'{"Time": 1772334120, "ENERGY": {}}')
    yield bad(3 * 60 + 3, b'{"Time": 1772334180, "ENERGY": {"Total": "offline"}}')
    yield bad(3 * 60 + 4, b'{"Time": 1772334240, "ENERGY": {"Total": NaN}}')
    yield bad(3 * 60 + 5, b'{"Time": 1772334300, "ENERGY": {"Total": -5}}')
    yield bad(3 * 60 + 6, b'{"Time": 1772427600, "ENERGY": {"Total": 5001}}')
    yield bad(3 * 60 + 7, b'{"Time": "soon", "ENERGY": {"Total": 5001}}')
    yield bad(3 * 60 + 8, b"7", "garden/gnome")
    yield meter("dora", 4 * 60, 1.0)  # a fourth home, where three are allowed


def weather() -> Iterator[Event]:
    for hour in range(24):
        if hour not in (16, 17):
            payload = f"{4 + abs(12 - hour) * -0.25 + 3:g}".encode()
            yield Message("weather/temperature", payload, START_MS + hour * HOUR_MS + 10 * MINUTE_MS)
    for issued in (1, 13):
        hours = range(issued, issued + 12)
        outlook = {"t": [{"at": (START_MS + hour * HOUR_MS) // 1000, "c": hour / 2} for hour in hours]}
        yield Message("weather/outlook", json.dumps(outlook).encode(), START_MS + issued * HOUR_MS + 5 * MINUTE_MS)


def events() -> list[Event]:
    """All of it in the order of arrival, with a tick when the last reading of each hour may have come."""
    ticks = [Tick(START_MS + hour * HOUR_MS + 120_000) for hour in range(25)]
    everything = [*readings(), *nonsense(), *weather(), *ticks]
    return sorted(everything, key=lambda event: event.now_ms if isinstance(event, Tick) else event.received_ms)
