"""Long steps and short ones, days of 23 and 25 hours, clocks that jump."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from lives import Disk, Life, closed, forecasts

from forecaster.records import Closed, Event, Message, Tick
from forecaster.settings import Group, Step
from forecaster.testing import a_group, a_source, at

PARIS = ZoneInfo("Europe/Paris")
OWN_TIME = a_source(value="$.v", time="$.t", kind="amount", aggregate="sum")


def said(time_ms: int, value: float, received_ms: int | None = None, home: str = "a") -> Message:
    payload = json.dumps({"v": value, "t": time_ms})
    return Message(f"home/{home}/power", payload.encode(), time_ms if received_ms is None else received_ms)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def a_calendar_group(unit: str, **changes: object) -> Group:
    return a_group(step=Step(unit=unit, count=1, text=unit), timezone="Europe/Paris", sources=(OWN_TIME,), **changes)


def hourly(first: datetime, last: datetime) -> list[Event]:
    """1 for every hour that passes, however many a day has."""
    return [said(time, 1.0) for time in range(ms(first), ms(last), 3_600_000)]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23.0), ("2026-10-25", 25.0), ("2026-06-01", 24.0)])
def test_a_day_is_as_long_as_it_is(day: str, hours: float) -> None:
    """From midnight to midnight on the local clock; the forecast of the next days starts at midnight, too."""
    begin = datetime.fromisoformat(day).replace(tzinfo=PARIS)
    life = Life(Disk(), a_calendar_group("day"), clock="events")
    life.live(*hourly(begin - timedelta(days=3), begin + timedelta(days=2)))
    assert closed(life.effects)["a", ms(begin)] == hours
    origins = sorted(origin for _, origin in forecasts(life.effects))
    assert origins == [ms(begin + timedelta(days=days)) for days in (-2, -1, 0, 1)]


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    """However many days they have."""
    begin, end = datetime(2026, 1, 1, tzinfo=PARIS), datetime(2026, 5, 1, 1, tzinfo=PARIS)
    months, weeks = (
        Life(Disk(), a_calendar_group("month"), clock="events"),
        Life(Disk(), a_calendar_group("week"), clock="events"),
    )
    for life in (months, weeks):
        life.live(*hourly(begin, end))
    assert closed(months.effects) == {
        ("a", ms(datetime(2026, month, 1, tzinfo=PARIS))): hours
        for month, hours in {1: 744.0, 2: 672.0, 3: 743.0, 4: 720.0}.items()
    }
    starts = [datetime.fromtimestamp(start / 1000, PARIS) for _, start in closed(weeks.effects)]
    assert {start.weekday() for start in starts} == {0}
    assert {start.hour for start in starts} == {0}
    assert closed(weeks.effects)["a", ms(datetime(2026, 3, 23, tzinfo=PARIS))] == 167.0


def test_seconds_wait_as_long_as_they_are_told() -> None:
    """A lateness of many steps keeps as many open."""
    second = Step(unit="second", count=1, text="1s")
    life = Life(Disk(), a_group(step=second, lateness_s=120.0, sources=(OWN_TIME,), lookback=300))
    start = at("12:00")
    times = [start + 1000 * count for count in range(200)]
    for time in times[::2]:
        life.live(said(time, 1.0))
        late = time - 100_000
        if late >= start:
            life.live(said(late + 1000, 1.0, received_ms=time))
    life.live(Tick(start + 200_000))
    values = closed(life.effects)
    expected = {("a", start + 1000 * count): 1.0 for count in range(80)}
    assert values == expected


def test_a_clock_that_jumps_ahead_closes_what_it_passes() -> None:
    """As after the first synchronisation of a machine that woke up in the past: gaps, then life goes on."""
    life = Life(Disk(), a_group(sources=(OWN_TIME,)))
    life.live(Tick(at("00:00")), said(at("00:10"), 1.0))
    life.live(Tick(at("05:00")), said(at("05:10"), 2.0), Tick(at("06:00")))
    expected = [1.0, np.nan, np.nan, np.nan, np.nan, 2.0]
    np.testing.assert_array_equal(list(closed(life.effects).values()), expected)


def test_years_that_pass_at_once_cost_nothing() -> None:
    """A silence longer than the window starts the stream afresh instead of closing each of its steps."""
    life = Life(Disk(), a_group(sources=(OWN_TIME,)))
    life.live(Tick(at("2020-01-01T00:00")), said(at("2020-01-01T00:10"), 1.0))
    life.live(Tick(at("2026-01-01T00:00")), said(at("2026-01-01T00:10"), 2.0), Tick(at("2026-01-01T01:00")))
    assert len([effect for effect in life.effects if isinstance(effect, Closed)]) < 100
    assert closed(life.effects)["a", at("2026-01-01T00:00")] == 2.0


def test_a_sensor_that_is_ahead_closes_nobody_elses_steps() -> None:
    """Ten minutes of a wrong clock are allowed to it; the others are not late because of it."""
    minutes = Step(unit="second", count=60, text="1m")
    life = Life(Disk(), a_group(step=minutes, sources=(OWN_TIME,)))
    life.live(Tick(at("12:00")), said(at("12:00:10"), 1.0, home="b"))
    life.live(said(at("12:09"), 5.0, received_ms=at("12:00:20"), home="fast"))
    life.live(said(at("12:00:30"), 1.0, home="b"), Tick(at("12:01")))
    assert closed(life.effects)["b", at("12:00")] == 2.0
