"""Readings become closed steps: when, and with which value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from forecaster.pipeline.align import Aligner
from forecaster.pipeline.calendar import Grid
from forecaster.settings import Group, Source, Step
from forecaster.testing import a_group, a_source, at

MINUTE = Step(unit="second", count=60, text="1m")
NAN = float("nan")


def an_aligner(source: Source, **changes: object) -> tuple[Aligner, Source, Grid]:
    group: Group = a_group(sources=(source,), step=MINUTE, lookback=10, **changes)
    grid = Grid(group.step, group.timezone)
    aligner = Aligner(group, grid)
    aligner.add(source)
    return aligner, source, grid


def closed(
    readings: Sequence[tuple[str, float]], clock: str | None = None, source: Source | None = None, **changes: object
) -> dict[str, float]:
    """Start of each closed step (mm:ss after 12 o'clock) and its value, after readings and a last look at the clock."""
    aligner, source, grid = an_aligner(source or a_source(), **changes)
    for when, value in readings:
        aligner.accept(0, source, at(f"12:{when}"), value)
    if clock is not None:
        aligner.pass_time(at(f"12:{clock}"))
    found = {}
    for index, _, values, _ in aligner.settle():
        offset_s = (grid.start(index) - at("12:00")) // 1000
        found |= {f"{offset_s // 60:02}:{offset_s % 60:02}": value for value in values.tolist()}
    return found


@pytest.mark.parametrize(
    ("aggregate", "value"), [("mean", 3.0), ("last", 2.0), ("min", 1.0), ("max", 6.0), ("sum", 9.0)]
)
def test_readings_of_a_step_become_its_value(aggregate: str, value: float) -> None:
    """Last goes by the time of measurement, not of arrival."""
    readings = [("00:10", 1.0), ("00:50", 2.0), ("00:30", 6.0)]
    source = a_source(kind="amount" if aggregate == "sum" else "gauge", aggregate=aggregate)
    assert closed(readings, clock="01:00", source=source) == {"00:00": value}


def test_a_later_reading_closes_the_steps_before_it() -> None:
    """A series need not wait for the clock; steps without a reading are gaps, not zeros."""
    found = closed([("00:10", 1.0), ("03:00", 2.0)])
    assert list(found) == ["00:00", "01:00", "02:00"]
    np.testing.assert_array_equal(list(found.values()), [1.0, NAN, NAN])


def test_a_silent_sensor_still_closes_its_steps() -> None:
    """A step closes when the clock passes it, even if no reading ever arrives."""
    found = closed([("00:10", 1.0)], clock="02:00")
    np.testing.assert_array_equal(list(found.values()), [1.0, NAN])


def test_lateness_keeps_a_step_open() -> None:
    """Neither the clock nor a newer reading closes it before its end plus the lateness."""
    readings = [("00:10", 1.0), ("01:04", 5.0), ("00:59", 3.0)]
    assert closed(readings, clock="01:04", lateness_s=5.0) == {}
    assert closed(readings, clock="01:05", lateness_s=5.0) == {"00:00": 2.0}


@pytest.mark.parametrize(
    ("readings", "reasons"),
    [
        ([("00:10", 1.0), ("00:10", 1.0)], [None, "duplicate"]),
        ([("00:10", 1.0), ("00:20", 1.0), ("00:10", 1.0)], [None, None, "duplicate"]),
        ([("00:10", 1.0), ("00:20", 1.0), ("00:15", 1.0)], [None, None, None]),
        ([("00:10", 1.0), ("02:00", 1.0), ("00:30", 1.0)], [None, None, "late"]),
    ],
)
def test_what_is_not_taken_says_why(readings: list[tuple[str, float]], reasons: list[str | None]) -> None:
    """A reading is known by its series and time; out of order is no fault while its step is open."""
    aligner, source, _ = an_aligner(a_source())
    assert [aligner.accept(0, source, at(f"12:{when}"), value) for when, value in readings] == reasons


def test_a_group_with_covariates_waits_for_the_clock() -> None:
    """So that a step finds all its inputs; no reading closes anything."""
    covariate = a_source(topic="weather", role="past")
    group = a_group(sources=(a_source(), covariate), step=MINUTE, lookback=10)
    aligner = Aligner(group, Grid(group.step, group.timezone))
    aligner.add(group.sources[0])
    for when in ("00:10", "01:10", "02:10"):
        aligner.accept(0, group.sources[0], at(f"12:{when}"), 1.0)
    assert list(aligner.settle()) == []

    aligner.pass_time(at("12:02:00"))

    assert [float(values[0]) for _, _, values, _ in aligner.settle()] == [1.0, 1.0]


def test_a_long_silence_is_not_walked_through() -> None:
    """Past the lookback a series sleeps; its next reading starts it afresh instead of closing a thousand gaps."""
    aligner, source, _ = an_aligner(a_source())
    aligner.accept(0, source, at("12:00:10"), 1.0)
    for minute in range(1, 60):
        aligner.pass_time(at(f"12:{minute:02}:00"))
    steps = list(aligner.settle())
    assert not aligner.awake[0]
    assert len(steps) <= 12

    aligner.accept(0, source, at("14:00:10"), 2.0)
    aligner.pass_time(at("14:01:00"))
    *_, (_, rows, values, _) = aligner.settle()

    assert aligner.awake[0]
    assert (rows.tolist(), values.tolist()) == ([0], [2.0])


def test_a_state_brings_open_cells_back() -> None:
    """What was half a step before the snapshot becomes a whole one after it."""
    aligner, source, _ = an_aligner(a_source())
    aligner.accept(0, source, at("12:00:10"), 1.0)
    other, _, _ = an_aligner(a_source())

    other.restore(aligner.state())
    other.accept(0, source, at("12:00:20"), 3.0)
    other.pass_time(at("12:01:00"))

    assert [values.tolist() for _, _, values, _ in other.settle()] == [[2.0]]


METER = a_source(kind="meter", aggregate="sum")


def test_a_meter_gives_each_step_what_was_used_in_it() -> None:
    """An increase is spread over the time it covers, across the boundary of two steps."""
    readings = [("00:00", 100.0), ("00:40", 104.0), ("01:20", 108.0), ("02:00", 110.0)]
    assert closed(readings, clock="02:00", source=METER) == pytest.approx({"00:00": 6.0, "01:00": 4.0})


def test_a_boundary_loses_no_energy() -> None:
    """What the last reading before a step closed could not show is counted in the next step."""
    aligner, source, _ = an_aligner(METER)
    total = 0.0
    for second in range(0, 651, 25):
        now_ms = at("12:00") + 1000 * second
        aligner.pass_time(now_ms)
        aligner.accept(0, source, now_ms, 100.0 + second)
        total += sum(float(values[0]) for _, _, values, _ in aligner.settle())
    aligner.pass_time(at("12:11:00"))
    total += sum(float(values[0]) for _, _, values, _ in aligner.settle())
    assert total == pytest.approx(650.0)


@pytest.mark.parametrize("second", [1, 10, 20, 29, 31, 50, 59])
def test_a_meter_that_reports_once_a_step_may_do_so_at_any_time_of_it(second: int) -> None:
    """Each step has what was counted since the report before, though it closes five seconds after its end."""
    aligner, source, _ = an_aligner(a_source(kind="meter"), lateness_s=5.0)
    found = []
    for minute in range(10):
        now_ms = at("12:00:00") + 1000 * (60 * minute + second)
        aligner.pass_time(now_ms)
        assert aligner.accept(0, source, now_ms, 100.0 + 6 * minute) is None
        aligner.pass_time(now_ms + 60_000 - 1000 * second + 5000)
        found += [values[0] for _, _, values, _ in aligner.settle() for _ in range(len(values))]

    np.testing.assert_allclose(found[1:], 6.0)
    assert len(found) == 10


def test_a_gap_of_a_meter_does_not_become_a_spike() -> None:
    """Steps that closed without a reading stay gaps; the step after has its own share only."""
    aligner, source, _ = an_aligner(METER)
    aligner.accept(0, source, at("12:00:00"), 0.0)
    aligner.accept(0, source, at("12:01:00"), 60.0)
    aligner.pass_time(at("12:05:00"))
    aligner.accept(0, source, at("12:05:30"), 330.0)
    aligner.accept(0, source, at("12:06:00"), 360.0)
    aligner.pass_time(at("12:06:00"))

    found = [float(values[0]) for _, _, values, _ in aligner.settle()]

    np.testing.assert_allclose(found, [60.0, NAN, NAN, NAN, NAN, 60.0])


def test_a_static_covariate_lasts() -> None:
    """Said once, true at every step."""
    source = a_source(role="static")
    found = closed([("00:10", 7.0)], clock="03:00", source=source)
    assert list(found.values()) == [7.0, 7.0, 7.0]


@pytest.mark.parametrize("gap", [11, 12, 15, 38])
def test_nothing_is_lost_around_a_long_silence(gap: int) -> None:
    """What lay in open steps before it is closed, and the reading after it counts, though the ring goes round."""
    last = f"{gap + 20:02}:30"
    readings = [("00:10", 1.0), ("01:10", 2.0), (f"{gap + 1:02}:10", 3.0), (last, 4.0)]

    found = closed(readings, lateness_s=120.0)

    assert {when: value for when, value in found.items() if value == value} == {
        "00:00": 1.0,
        "01:00": 2.0,
        f"{gap + 1:02}:00": 3.0,
    }
