"""What was stored under former settings, under the present ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.decode import Router
from forecaster.pipeline.stored import remembered, source_of
from forecaster.ports import Columns
from forecaster.records import Message, Reading, Series
from forecaster.settings import Aggregate, Group, Source, Step
from forecaster.testing import a_group, a_source, at

NAN = np.nan
QUARTER = Step(unit="second", count=900, text="15m")
HOUR = Step(unit="second", count=3600, text="1h")
DAY = Step(unit="day", count=1, text="1d")
MINUTE_MS = 60_000

SOURCES = (
    a_source(topic="sensor/a/power"),
    a_source(topic="sensor/b/energy", kind="meter", aggregate="sum"),
    a_source(topic="home/{home}/{meter}/energy"),
    a_source(topic="home/{home}/heat", name="{home}/heat"),
    a_source(topic="array/{home}", value="$.watts[*]"),
    a_source(topic="loose/+/{meter}"),
    a_source(topic="named/+/{meter}", name="{meter}!"),
    a_source(topic="weather/temperature", role="past"),
    a_source(topic="weather/wind", role="past"),
    a_source(topic="weather/{home}", value="$.sun[*]", role="past"),
    a_source(topic="weather/{home}", value="$.rain", role="past"),
)
SAID = [
    ("sensor/a/power", b"1"),
    ("sensor/b/energy", b"1"),
    ("home/x/y/energy", b"1"),
    ("home/x/heat", b"1"),
    ("array/x", b'{"watts": [1, 2]}'),
    ("loose/p/q", b"1"),
    ("named/p/q", b"1"),
    ("weather/temperature", b"1"),
    ("weather/wind", b"1"),
    ("weather/x", b'{"sun": [1, 2], "rain": 3}'),
]


def series_of(sources: tuple[Source, ...]) -> list[Series]:
    """As they become known when everything is said once."""
    router = Router([a_group(sources=sources)])
    read = [item for topic, payload in SAID for _, item in router.read(Message(topic, payload, at("10:00")))]
    return [Series(name=one.stream, source=one.source, labels=one.labels) for one in read if isinstance(one, Reading)]


def test_every_series_is_known_again_wherever_its_source_stands_now() -> None:
    """Sources in the other order: each series goes with the same source as before, and none has another's name."""
    before = series_of(SOURCES)
    turned = tuple(reversed(SOURCES))

    assert len({one.name for one in before}) == len(before) == 13
    assert [turned[source_of(one, turned) or 0] for one in before] == [SOURCES[one.source] for one in before]
    assert {one.name for one in series_of(turned)} == {one.name for one in before}


@pytest.mark.parametrize("gone", range(len(SOURCES)))
def test_a_series_goes_with_its_source(gone: int) -> None:
    """Of a source that is no longer there no other takes what it told."""
    left = SOURCES[:gone] + SOURCES[gone + 1 :]

    for one in series_of(SOURCES):
        found = source_of(one, left)
        assert (found is None) == (one.source == gone)


def a_stored(step: Step, aggregate: Aggregate, zone: str = "UTC") -> tuple[Group, Grid]:
    source = a_source(kind="amount", aggregate=aggregate) if aggregate == "sum" else a_source(aggregate=aggregate)
    return a_group(sources=(source,), step=step, timezone=zone), Grid(step, zone)


def columns(starts_ms: list[int], values: list[float]) -> Columns:
    return Columns(series=np.zeros(len(starts_ms), np.int32), start_ms=np.array(starts_ms), values=np.array(values))


ONE = (Series(name="a", source=0, labels=(("home", "a"),)),)


@pytest.mark.parametrize(
    ("aggregate", "expected"), [("sum", 10.0), ("mean", 2.5), ("min", 1.0), ("max", 4.0), ("last", 4.0)]
)
def test_steps_that_were_shorter_are_put_together(aggregate: Aggregate, expected: float) -> None:
    """Four quarters are an hour, three are none, nor is the hour of the change; what is stored since is as it is."""
    group, grid = a_stored(HOUR, aggregate)
    quarters = [at("10:00") + 15 * MINUTE_MS * k for k in range(9)]
    hours = [at("13:00"), at("14:00"), at("15:00")]
    steps = columns([*quarters, *hours], [1, 2, 3, 4, 5, 6, NAN, 8, 9, 20, NAN, 30])

    found = remembered(ONE, steps, group, grid)

    assert found.first == grid.index(at("10:00"))
    eleven = {"last": 8.0}.get(aggregate, NAN)
    np.testing.assert_array_equal(found.values, [[expected, eleven, NAN, 20, NAN, 30]])


def test_hours_become_days_where_the_clock_changes() -> None:
    """23 hours are the whole of 29 March 2026 in Berlin, and 23 of 24 are not a day."""
    group, grid = a_stored(DAY, "sum", "Europe/Berlin")
    begin = at("2026-03-27T23:00")
    hours = [begin + 60 * MINUTE_MS * k for k in range(24 + 23 + 23)]

    found = remembered(ONE, columns(hours, [1.0] * len(hours)), group, grid)

    np.testing.assert_array_equal(found.values, [[24, 23]])


def test_steps_that_were_longer_tell_nothing() -> None:
    """The sum of an hour is not that of its first quarter."""
    group, grid = a_stored(QUARTER, "sum")
    hours = [at("06:00"), at("07:00"), at("08:00")]
    quarters = [at("09:15") + 15 * MINUTE_MS * k for k in range(4)]

    found = remembered(ONE, columns([*hours, *quarters], [4, 4, 4, 1, 2, NAN, 3]), group, grid)

    assert found.first == grid.index(at("09:15"))
    np.testing.assert_array_equal(found.values, [[1, 2, NAN, 3]])
    assert remembered(ONE, columns(hours, [4, 4, 4]), group, grid).values.size == 0


def test_steps_that_do_not_divide_tell_nothing() -> None:
    """Twenty minutes are neither a quarter of an hour nor several."""
    group, grid = a_stored(QUARTER, "sum")
    twenties = [at("06:00") + 20 * MINUTE_MS * k for k in range(9)]

    assert remembered(ONE, columns(twenties, [4] * 9), group, grid).values.size == 0


def test_each_stretch_is_read_in_the_step_it_was() -> None:
    """Hours, then days, then hours again: what is left of them in hours are the hours."""
    group, grid = a_stored(HOUR, "sum")
    before = [at("2026-03-01T00:00") + 60 * MINUTE_MS * k for k in range(48)]
    days = [at("2026-03-03T00:00") + 24 * 60 * MINUTE_MS * k for k in range(1, 5)]
    after = [at("2026-03-08T00:00") + 60 * MINUTE_MS * k for k in range(24)]

    found = remembered(ONE, columns([*before, *days, *after], [1] * 48 + [24] * 4 + [1] * 24), group, grid)

    assert np.nansum(found.values) == 72
    assert np.nanmax(found.values) == 1


def test_days_of_another_time_zone_stay_days() -> None:
    """1 June of Paris begins on 31 May in UTC, and is 1 June there too."""
    group, grid = a_stored(DAY, "sum")
    paris = Grid(DAY, "Europe/Paris")
    first = paris.index(at("2026-06-01T12:00"))

    found = remembered(ONE, columns(paris.starts(np.arange(first, first + 3)).tolist(), [1, 2, 3]), group, grid)

    assert found.first == grid.index(at("2026-06-01T12:00"))
    np.testing.assert_array_equal(found.values, [[1, 2, 3]])


def test_a_source_that_names_its_topic_comes_before_one_that_takes_many() -> None:
    """``+`` is one level, and ``gas/main`` belongs to the source that asks for just that."""
    many, gas = a_source(topic="+/main"), a_source(topic="gas/main", name="gas")
    one = Series(name="gas", source=0, labels=())

    assert source_of(one, (many, gas)) == 1
    assert source_of(replace(one, name="a/b"), (many,)) is None
    assert source_of(replace(one, name="a/b"), (a_source(topic="#"),)) == 0


def test_what_was_told_once_stays() -> None:
    """A value that belongs to a place is told before the first two steps of any stream, and is no longer step."""
    place = a_source(topic="home/{home}/peak", role="static")
    group, grid = a_group(sources=(a_source(), place), step=HOUR), Grid(HOUR, "UTC")
    series = (*ONE, Series(name="~home/a/peak", source=1, labels=(("home", "a"),)))
    steps = Columns(
        series=np.array([0, 0, 1], np.int32),
        start_ms=np.array([at("10:00"), at("11:00"), at("06:00")]),
        values=np.array([1.0, 2.0, 5.0]),
    )

    np.testing.assert_array_equal(remembered(series, steps, group, grid).values[1], [5, NAN, NAN, NAN, NAN, NAN])
