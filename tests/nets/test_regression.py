"""Linear regression on the past: learned from all streams, used by each."""

from __future__ import annotations

import numpy as np
from worlds import dataset, homes, hourly_group

from forecaster.nets.batches import whole
from forecaster.nets.features import Usual, extract
from forecaster.nets.regression import lagged, width
from forecaster.nets.shape import Shape, shape_of
from forecaster.nets.start import regress
from forecaster.records import Array

GROUP = hourly_group(seasons=(24,), lookback=72)
SHAPE = shape_of(GROUP, features=2)
NONE = np.zeros((2, width(SHAPE), 6))


def weights(values: Array, shape: Shape = SHAPE) -> Array:
    """What is learned from streams (S, T)."""
    return regress(whole(dataset(values, GROUP), shape.horizon, shape.lookback, values.shape[-1]), shape)


def waves(streams: int, steps: int, seed: int = 0) -> Array:
    """Swings of 17 hours, which no season of a day knows, each of its own size and beginning."""
    random = np.random.default_rng(seed)
    begin, size = random.uniform(0, 17, (streams, 1)), np.exp(random.normal(0, 1, (streams, 1)))
    hours = np.arange(steps)
    return size * (5 + np.sin(2 * np.pi * (hours - begin) / 17) + random.normal(0, 0.05, (streams, steps)))


def error(learned: Array, values: Array) -> float:
    """Mean absolute error, in local units, of the regression in the data six steps ahead of the end of streams."""
    known = np.where(np.arange(values.shape[-1]) < values.shape[-1] - 6, values, np.nan)
    strip = whole(dataset(known, GROUP), 6, SHAPE.lookback, values.shape[-1] - 6)
    shown = extract(strip, SHAPE, Usual(np.zeros(1), np.ones(1), learned))
    truth = (values[:, -6:] - shown.location[:, -1:]) / shown.scale[:, -1:]
    return float(np.abs(shown.candidates[:, -1, :, -4] - truth).mean())


def test_what_streams_have_in_common_is_learned_and_holds_for_others() -> None:
    """Swings of 17 hours: learned on ten streams, forecast on ten others."""
    learned = weights(waves(10, 600))

    others = waves(10, 300, seed=1)
    assert error(learned, others) < 0.1 * error(NONE, others)


def test_noise_teaches_nothing() -> None:
    """Where steps tell nothing of each other, what is learned is hardly worse than the mean."""
    noise = np.random.default_rng(0).normal(10, 1, (8, 600))

    assert error(weights(noise[:4]), noise[4:]) < 1.1 * error(NONE, noise[4:])


def test_a_course_that_repeats_is_repeated() -> None:
    """However large it is beside what differs: a swing of 500 times the usual change is not distorted."""
    hours = np.arange(300)
    values = 1000 * np.cos(2 * np.pi * hours / 24)[None] + np.random.default_rng(1).normal(0, 1, (1, 300))

    assert error(weights(waves(10, 600)), values) < 3


def test_nothing_at_all_to_learn_from() -> None:
    """Streams that never spoke."""
    np.testing.assert_array_equal(weights(np.full((2, 200), np.nan)), NONE)


def test_an_outlier_does_not_decide() -> None:
    """One absurd reading among ten streams of swings."""
    values = waves(10, 600)
    values[3, 300] = 2.0**32

    assert error(weights(values), waves(10, 300, seed=1)) < 2 * error(weights(waves(10, 600)), waves(10, 300, seed=1))


def test_gaps_take_the_value_of_a_newer_season_or_an_older_one() -> None:
    """Two days of four steps; one missing on the first, one on the second, one on both."""
    shape = shape_of(hourly_group(seasons=(4,), lookback=8), features=2)
    series = np.array([[np.nan, 2, np.nan, 3, 4, np.nan, np.nan, 6.0]])

    expected, shown = lagged(series, np.array([7]), np.zeros((1, 1)), np.ones((1, 1)), shape)

    assert expected[0, 0].tolist() == [4, 2, 0, 4.5, 4, 2]
    assert shown[0, 0, :8].tolist() == [0, 0, 0, -1.5, 0, 0, 0, 1.5]


def test_a_stream_needs_a_season() -> None:
    """With less the candidate is not there."""
    values = np.where(np.arange(100) >= 60, homes(1, 100), np.nan)
    strip = whole(dataset(values, GROUP), 6, 72, 100)

    there = np.isfinite(extract(strip, SHAPE, Usual(np.zeros(1), np.ones(1))).candidates[0, :, 0, -4])

    assert there.tolist() == [hour >= 83 for hour in range(100)]


def test_a_season_longer_than_the_lags() -> None:
    """Minutes of a day: the last steps one by one, whatever the season."""
    shape = shape_of(hourly_group(seasons=(1440,), lookback=2880), features=2)

    assert (shape.fold, shape.lags) == (1, 400)
