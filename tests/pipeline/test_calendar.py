"""The grid: which cell an instant is in, where cells begin, what the local calendar says there."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.pipeline.calendar import Grid, offsets, standard_offset, width
from forecaster.settings import Step

HOUR = 3_600_000
SECOND_STEPS = [Step(unit="second", count=n, text=f"{n}s") for n in (1, 60, 900, 1800, 3600, 7200, 21_600, 25_200)]
CALENDAR_STEPS = [Step(unit="day", count=1, text="1d"), Step(unit="week", count=1, text="week")]
CALENDAR_STEPS += [Step(unit="month", count=1, text="month")]
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]
HOURLY, DAILY, WEEKLY, MONTHLY = SECOND_STEPS[4], *CALENDAR_STEPS
GRIDS = {(step.text, zone): Grid(step, zone) for step in SECOND_STEPS + CALENDAR_STEPS for zone in ZONES}

grids = st.sampled_from(sorted(GRIDS)).map(lambda key: GRIDS[key])
instants = st.integers(-2_000_000_000_000, 4_000_000_000_000)  # 1906 to 2096


def at(text: str) -> int:
    """Epoch milliseconds of an ISO time, UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1000


@given(grids, instants)
@settings(max_examples=300)
def test_every_instant_lies_in_the_cell_it_is_given(grid: Grid, time_ms: int) -> None:
    """start(i) <= t < start(i + 1), and an edge belongs to the cell it begins."""
    index = grid.index(time_ms)

    assert grid.start(index) <= time_ms < grid.start(index + 1)
    assert grid.index(grid.start(index)) == index
    assert grid.index(grid.start(index) - 1) == index - 1


@given(grids, st.lists(instants, max_size=20))
def test_many_instants_are_placed_as_one_by_one(grid: Grid, times: list[int]) -> None:
    """The array forms agree with the scalar ones."""
    indices = grid.indices(np.array(times, np.int64))

    assert indices.dtype == np.int64
    assert indices.tolist() == [grid.index(time) for time in times]
    assert grid.starts(indices).tolist() == [grid.start(index) for index in indices.tolist()]


@pytest.mark.parametrize(
    ("step", "zone", "time", "start"),
    [
        (HOURLY, "UTC", "2026-11-20T12:59:59", "2026-11-20T12:00:00"),
        (HOURLY, "Asia/Kolkata", "2026-11-20T12:15:00", "2026-11-20T11:30:00"),
        (SECOND_STEPS[6], "Europe/Paris", "2026-11-20T12:00:00", "2026-11-20T11:00:00"),
        (DAILY, "Europe/Paris", "2026-11-20T23:30:00", "2026-11-20T23:00:00"),
        (WEEKLY, "Europe/Paris", "2026-11-20T12:00:00", "2026-11-15T23:00:00"),
        (MONTHLY, "America/New_York", "2026-12-01T04:59:59", "2026-11-01T04:00:00"),
    ],
)
def test_cells_begin_where_people_begin_them(step: Step, zone: str, time: str, start: str) -> None:
    """Hours at full local hours, six hours from local midnight, weeks on Monday, months on the first."""
    grid = Grid(step, zone)

    assert grid.start(grid.index(at(time))) == at(start)


def test_days_of_daylight_saving_have_23_and_25_hours() -> None:
    """A local day lasts from midnight to midnight, however long that takes."""
    grid = Grid(DAILY, "Europe/Paris")
    first = grid.index(at("2026-03-28T12:00"))
    autumn = grid.index(at("2026-10-24T12:00"))

    assert [(b - a) / HOUR for a, b in pairwise(grid.starts(np.arange(first, first + 4)))] == [24, 23, 24]
    assert [(b - a) / HOUR for a, b in pairwise(grid.starts(np.arange(autumn, autumn + 4)))] == [24, 25, 24]


def test_a_day_without_a_midnight_begins_at_the_change() -> None:
    """In São Paulo the clock went from 0:00 to 1:00; the day began at that moment."""
    grid = Grid(DAILY, "America/Sao_Paulo")

    assert grid.start(grid.index(at("2018-11-04T12:00"))) == at("2018-11-04T03:00")


def test_cell_numbers_count_days_weeks_and_months_from_1970() -> None:
    """The numbers are part of stored history: they must never change."""
    time = at("2026-11-20T12:00")

    assert Grid(DAILY, "Europe/Paris").index(time) == 20777
    assert Grid(WEEKLY, "Europe/Paris").index(time) == 2968
    assert Grid(MONTHLY, "Europe/Paris").index(time) == 56 * 12 + 10
    assert Grid(HOURLY, "Europe/Paris").index(time) == time // HOUR
    assert Grid(SECOND_STEPS[5], "Europe/Paris").index(time) == (time + HOUR) // (2 * HOUR)


def test_calendar_of_hand_computed_cells() -> None:
    """Friday 2026-11-20 18:00 in Paris, and midday of a Saturday."""
    grid = Grid(HOURLY, "Europe/Paris")
    friday, saturday = (grid.index(at(text)) for text in ("2026-11-20T17:00", "2026-11-21T11:00"))
    features = ["hour", "weekday", "month", "yearday"]

    rows = np.concatenate([grid.calendar(index, 1, features) for index in (friday, saturday)])

    week, year = 2 * np.pi * (4 + 0.75) / 7, 2 * np.pi * (323 + 0.75) / 365
    month = 2 * np.pi * 10 / 12
    assert width(features) == 9
    assert rows.dtype == np.float32
    np.testing.assert_allclose(
        rows[0],
        [-1, 0, np.sin(week), np.cos(week), -1, np.sin(month), np.cos(month), np.sin(year), np.cos(year)],
        atol=1e-6,
    )
    week = 2 * np.pi * 5.5 / 7
    np.testing.assert_allclose(rows[1, :5], [0, -1, np.sin(week), np.cos(week), 1], atol=1e-6)


@given(grids, st.integers(-1500, 1500), st.integers(0, 1200))
@settings(max_examples=60)
def test_calendar_and_shift_do_not_depend_on_how_they_are_asked(grid: Grid, near: int, count: int) -> None:
    """A run is the same cells whether cut from one block or joined from several, and stays in [-1, 1]."""
    first = grid.index(at("2026-03-29T00:00")) + near
    features = ("hour", "weekday", "month", "yearday")

    table, shift = grid.calendar(first, count, features), grid.shift(first, count)

    assert table.shape == (count, width(features))
    assert shift.shape == (count,)
    assert not count or np.abs(table).max() <= 1
    for cell in {0, count // 2, count - 1} & set(range(count)):
        assert table[cell].tolist() == grid.calendar(first + cell, 1, features)[0].tolist()
        assert shift[cell] == grid.shift(first + cell, 1)[0]


def test_a_calendar_without_features_has_no_columns() -> None:
    """A group may want none."""
    assert Grid(HOURLY, "UTC").calendar(5, 3, ()).shape == (3, 0)


def test_results_cannot_be_written_to() -> None:
    """They are views of what is kept for the next call."""
    assert not Grid(HOURLY, "UTC").calendar(0, 3, ["hour"]).flags.writeable
    assert not Grid(HOURLY, "UTC").shift(500, 30).flags.writeable


@pytest.mark.parametrize(
    ("count", "zone", "before", "after"),
    [
        (3600, "Europe/Paris", 1, 2),
        (900, "Europe/Paris", 4, 8),
        (3600, "UTC", 0, 0),
        (7200, "Europe/Paris", 0, 0),
        (21_600, "Europe/Paris", 0, 0),
        (3600, "America/New_York", -5, -4),
        (3600, "Asia/Kolkata", 5, 5),
        (3600, "Australia/Lord_Howe", 10, 10),
        (1800, "Australia/Lord_Howe", 21, 22),
    ],
)
def test_shift_is_the_local_offset_in_whole_steps(count: int, zone: str, before: int, after: int) -> None:
    """Half an hour of daylight saving moves half-hours, not hours; an hour does not move steps of two."""
    grid = Grid(Step(unit="second", count=count, text=""), zone)
    winter, summer = ("2026-07-01", "2026-01-01") if "Lord" in zone else ("2026-01-01", "2026-07-01")

    assert grid.shift(grid.index(at(winter)), 1).tolist() == [before]
    assert grid.shift(grid.index(at(summer)), 1).tolist() == [after]


def test_shift_finds_the_same_local_hour_across_a_change() -> None:
    """The rule in inputs.Inputs: one day earlier at the same local time, on both sides of the change."""
    grid = Grid(HOURLY, "Europe/Paris")
    first = grid.index(at("2026-03-28T00:00"))
    shift = grid.shift(first, 72)
    local = [datetime.fromtimestamp(grid.start(first + i) / 1000, ZoneInfo("Europe/Paris")) for i in range(72)]

    for i in range(26, 72):
        j = i - 24 + shift[i] - shift[i - 24]
        assert local[j].hour == local[i].hour or (local[i].hour, local[j].hour) == (2, 3)  # 2:00 was skipped


def test_days_do_not_shift() -> None:
    """Calendar steps follow the local clock by themselves."""
    assert Grid(DAILY, "Europe/Paris").shift(20_000, 400).tolist() == [0] * 400


@given(st.sampled_from([*ZONES, "Africa/Casablanca", "Asia/Kathmandu"]), st.integers(0, 4_000_000_000))
@settings(max_examples=200)
def test_offsets_agree_with_the_zone_database(zone: str, time_s: int) -> None:
    """The table of changes says what the database says, since 1970."""
    expected = datetime.fromtimestamp(time_s, ZoneInfo(zone)).utcoffset()

    assert expected is not None
    assert offsets(np.array([time_s * 1000]), zone).tolist() == [expected.total_seconds() * 1000]


def test_standard_time_is_winter_time_on_both_halves_of_the_earth() -> None:
    """Ireland calls its winter time the exception; we do not."""
    zones = ["Europe/Paris", "Europe/Dublin", "Australia/Sydney", "America/New_York"]

    assert [standard_offset(zone) / HOUR for zone in zones] == [1, 0, 10, -5]
