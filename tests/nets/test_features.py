"""Simple forecasts of two seasons, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import dataset, hourly_group

from forecaster.nets.batches import whole
from forecaster.nets.features import Usual, choices, extract
from forecaster.nets.shape import shape_of
from forecaster.records import Array

DAY, WEEK, LOOKBACK, HORIZON = 4, 12, 44, 8
"""Days of four steps, weeks of three days; the lookback holds three weeks and two days."""


def lifted(target: Array, origin: int) -> Array:
    """The last of the simple forecasts of the week, at one origin; (H,)."""
    shape = shape_of(hourly_group(seasons=(DAY, WEEK), lookback=LOOKBACK, horizon=HORIZON), 0)
    leads = origin + np.arange(1, HORIZON + 1)[None]
    shift = np.zeros(len(target) + HORIZON, np.int64)
    candidates, _, _ = choices(target[None], np.array([origin]), leads, shift, shape)
    return candidates[0, 0, :, -1]


def a_week(steps: int) -> Array:
    """The same week again and again."""
    week = np.array([1.0, 4.0, 6.0, 2.0, 1.0, 5.0, 6.0, 2.0, 3.0, 3.0, 3.0, 3.0])
    return np.resize(week, steps)


def test_a_week_is_lifted_by_how_far_the_last_day_lies_above_such_days() -> None:
    """A rise that happened since the last week is there a week later too, the day of the week as well."""
    target = a_week(96)
    target[72:] += 10.0
    origin = 72 + DAY - 1  # a day after the rise

    found = lifted(target[: origin + 1], origin)

    np.testing.assert_allclose(found, a_week(96)[origin + 1 : origin + 1 + HORIZON] + 10.0)


def test_what_is_forgotten_changes_nothing() -> None:
    """What lies before the lookback is not there when serving, so it must not count in training."""
    target = a_week(96)
    origin = 95
    absurd = target.copy()
    absurd[: origin + 1 - LOOKBACK] = 1e6

    np.testing.assert_array_equal(lifted(absurd, origin), lifted(target, origin))


@pytest.mark.parametrize("gap", [slice(60, 72), slice(92, 96), slice(0, 80)])
def test_a_gap_leaves_the_rest(gap: slice) -> None:
    """A week, the last day, or all but the last week is missing: the other weeks tell, or nothing does."""
    target = a_week(96)
    target[gap] = np.nan

    found = lifted(target, 95)

    known = np.isfinite(found)
    assert known.all() or not known.any()
    np.testing.assert_allclose(found[known], a_week(96 + HORIZON)[96:][known])


def test_a_quiet_time_of_the_season_is_told() -> None:
    """Of a stream silent by night and never twice the same by day, after some days; at first nothing is known of it."""
    group = hourly_group(lookback=24 * 14)
    hours = np.arange(24 * 20)
    busy = (hours % 24 >= 8) & (hours % 24 < 20)
    load = np.where(busy, np.random.default_rng(0).gamma(2.0, 1.0, len(hours)), 0.01)
    shape = shape_of(group, 2)
    strip = whole(dataset(load[None], group), group.horizon, group.lookback, len(hours))

    lively = extract(strip, shape, Usual(np.zeros(1), np.ones(1))).leads[0, :, 0, 0]  # one hour ahead of each

    known = slice(24 * 14, -1)
    ahead = np.roll(busy, -1)[known]
    assert lively[0] == 1.0
    assert (lively[known][ahead] > 0.7).all()
    assert (lively[known][~ahead] < 0.25).all()
