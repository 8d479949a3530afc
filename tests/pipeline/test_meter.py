"""What a meter counted, through resets, dips and rollovers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.pipeline.meter import Meters


def counted(values: list[float], rollover: float | None = None) -> list[float | str | None]:
    """Increase of each reading of a fresh meter, the reason where it was not believed, None for the first."""
    meters = Meters()
    meters.add()
    found: list[float | str | None] = []
    for second, value in enumerate(values):
        increase, _, reason = meters.increase(0, 1000 * second, value, rollover)
        found.append(reason or increase)
    return found


def test_ordinary_readings_count_their_differences() -> None:
    """The first reading only sets the start."""
    assert counted([100, 101, 101, 103]) == [None, 1, 0, 2]


def test_a_dip_to_zero_counts_nothing_twice() -> None:
    """Zeros that are taken back are refused, and the count goes on from before."""
    assert counted([100, 101, 0, 0, 102]) == [None, 1, "reset", "reset", 1]


def test_a_reset_counts_from_zero_once_it_counts_on() -> None:
    """A daily meter falls at midnight; what it shows after the fall was used since."""
    assert counted([99, 100, 0.5, 1.5]) == [None, 1, "reset", 1.5]


def test_a_replaced_meter_starts_where_it_stands() -> None:
    """A new meter does not begin at zero: its stand was not used here."""
    assert counted([9000, 9001, 120, 121]) == [None, 1, "reset", 1]


def test_a_rollover_counts_through_the_top() -> None:
    """With the top of the counter known, the fall is ordinary use."""
    assert counted([998, 999, 1], rollover=1000) == [None, 1, 2]


def test_a_small_fall_is_no_rollover() -> None:
    """Only a fall from the upper to the lower half of the counter went through the top."""
    assert counted([400, 399, 401], rollover=1000) == [None, "reset", 1]


@given(st.lists(st.integers(0, 100), min_size=2, max_size=30))
def test_the_counts_of_a_rising_meter_add_up(steps: list[int]) -> None:
    """Nothing is lost and nothing invented."""
    stands = [sum(steps[: i + 1]) for i in range(len(steps))]
    increases = counted([float(stand) for stand in stands])[1:]
    assert sum(one for one in increases if isinstance(one, float)) == pytest.approx(stands[-1] - stands[0])
