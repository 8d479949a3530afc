"""Seasonal naive and climatology, the forecasts to beat."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from worlds import hourly_group, inputs

from forecaster.inputs import Inputs
from forecaster.nets.baseline import LATELY, SeasonalNaive, SmartPersistence, came_again, climatology, naives
from forecaster.records import Array

NAN = np.nan
VALUES = st.one_of(st.floats(-1e6, 1e6), st.just(NAN), st.just(0.0))


def forecast(windows: Array, **changes: object) -> Array:
    """Quantiles of seasonal naive with a season of four steps, for windows (B, W)."""
    group = hourly_group(**{"seasons": (4,), "lookback": windows.shape[-1], "horizon": 6} | changes)
    naive = SeasonalNaive(group)
    _, quantiles = naive.step(naive.initial_state(len(windows)), inputs(windows[:, None], group))
    return quantiles


def test_median_is_the_value_one_season_ago() -> None:
    """Leads beyond a season repeat it."""
    window = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8]])

    assert forecast(window)[0, :, 1].tolist() == [5, 6, 7, 8, 5, 6]


def test_gap_is_filled_from_the_season_before_and_then_by_the_last_value() -> None:
    """One season ago unknown: two seasons ago; never seen at that phase: the last value."""
    window = np.array([[1.0, 2, NAN, 4, NAN, 6, NAN, 8]])

    assert forecast(window)[0, :4, 1].tolist() == [1, 6, 8, 8]


def test_offsets_are_quantiles_of_seasonal_changes() -> None:
    """With many changes of ±1 the outer quantiles are about 1 away; a guess is worth eight of them.

    It is made as of 32 readings from the farthest of all 400, by 1 + 8 / 400, and from how the last 32 scatter.
    """
    random = np.random.default_rng(0)
    window = np.cumsum(random.choice([-1.0, 1.0], (1, 100, 4)), axis=1).reshape(1, 400)

    quantiles = forecast(window)

    recent = 28 * 4  # changes that count
    last = window[0, -1]
    farthest, scatter = np.abs(window - last).max() * 1.02, window[0, -32:].std() * 2**0.5
    guess = (farthest + scatter) / 2 * 1.2815515655  # normal quantile of 0.9
    assert quantiles[0, 0, 2] - quantiles[0, 0, 1] == pytest.approx((recent * 1 + 8 * guess) / (recent + 8))


def test_single_reading_gives_an_interval_about_as_wide_as_itself() -> None:
    """One value of 50: nothing is known of its spread, so zero and twice the value are within reach."""
    window = np.full((1, 8), NAN)
    window[0, -1] = 50.0

    low, middle, high = forecast(window)[0, 0]

    assert (low, middle, high) == pytest.approx((50 - 50 * 1.28155, 50, 50 + 50 * 1.28155), rel=1e-4)


def test_in_the_first_season_ranges_are_those_of_a_stream_that_drifts() -> None:
    """A machine every five minutes, known for two hours: the next step is known well, later ones less."""
    random = np.random.default_rng(0)
    paths = np.cumsum(random.normal(0.5, 1, (200, 60)), axis=1)
    windows = np.full((200, 600), NAN)
    windows[:, -24:] = paths[:, :24]

    quantiles = forecast(windows, seasons=(288,), horizon=36)

    width, came = quantiles[..., 2] - quantiles[..., 0], paths[:, 24:]
    inside = (quantiles[..., 0] <= came) & (came <= quantiles[..., 2])
    assert np.median(width[:, 0]) < 12 < np.median(width[:, -1])
    assert inside[:, 0].mean() > 0.8


def test_a_spike_of_the_first_season_is_not_the_range_of_the_second() -> None:
    """One reading of 1000 among those of noise: a range by the farthest would hold it on all days of the week."""
    window = np.random.default_rng(0).normal(size=(1, 72))
    window[0, 5] = 1000.0

    quantiles = forecast(window, seasons=(24,), horizon=24)

    assert (quantiles[0, :, 2] - quantiles[0, :, 0]).max() < 600


def test_constant_series_has_a_tight_interval_of_some_width() -> None:
    """Sure, but not blind."""
    low, middle, high = forecast(np.full((1, 40), 20.0))[0, 0]

    assert middle == 20
    assert 0 < high - low < 1e-4


def test_without_a_season_the_last_value_is_repeated() -> None:
    """At every lead, with a range around it that is as wide below as above."""
    window = np.array([[3.0, 5.0, 4.0, 6.0, NAN]])

    quantiles = forecast(window, seasons=(), horizon=4)

    assert quantiles[0, :, 1].tolist() == [6, 6, 6, 6]
    assert quantiles[0, :, 2] + quantiles[0, :, 0] == pytest.approx([12, 12, 12, 12])
    assert (quantiles[0, :, 0] < 6).all()


def test_ranges_without_a_season_grow_as_the_stream_wanders() -> None:
    """Of a random walk with the square root of the lead, of noise around a level not at all."""
    steps = np.random.default_rng(0).normal(size=(200, 400))
    for series, growth in ((steps.cumsum(1), 4.0), (steps, 1.0)):
        quantiles = forecast(series, seasons=(), horizon=16, lookback=400)
        width = (quantiles[..., 2] - quantiles[..., 0]).mean(0)

        assert width[15] / width[0] == pytest.approx(growth, rel=0.1)


@pytest.mark.parametrize(
    ("known", "least", "most"), [(2, 0.65, 1.0), (10, 0.75, 1.0), (100, 0.7, 0.9), (400, 0.7, 0.87)]
)
def test_ranges_without_a_season_hold_what_they_say(known: int, least: float, most: float) -> None:
    """80 % of what comes next of random walks, at each lead up to 60; more while little is known."""
    walks = np.random.default_rng(1).normal(size=(2000, known + 60)).cumsum(1)

    quantiles = forecast(walks[:, :known], seasons=(), horizon=60, lookback=known)

    inside = (quantiles[..., 0] <= walks[:, known:]) & (walks[:, known:] <= quantiles[..., 2])
    assert least <= inside.mean(0).min() <= inside.mean(0).max() <= most


def test_local_hour_counts_when_the_clock_changes() -> None:
    """A wave that follows the local clock is repeated without error across the change to summer time."""
    shift = np.array([0] * 90 + [1] * 12)
    local = np.arange(102) + shift
    wave = np.sin(2 * np.pi * local / 24) + 2
    group = hourly_group(lookback=96)
    naive = SeasonalNaive(group)

    _, quantiles = naive.step(naive.initial_state(1), inputs(wave[None, None, :96], group, shift))

    np.testing.assert_allclose(quantiles[0, :, 1], wave[96:], atol=1e-12)


def test_climatology_is_the_quantile_of_the_same_hour() -> None:
    """Ten days with 1 … 10 at every hour: the median is 5.5."""
    group = hourly_group(lookback=240)
    window = np.repeat(np.arange(1.0, 11.0), 24)[None, None]

    quantiles = climatology(inputs(window, group), 24, (0.1, 0.5, 0.9))

    np.testing.assert_allclose(quantiles, np.broadcast_to([1.9, 5.5, 9.1], (1, 6, 3)))


@settings(max_examples=50)
@given(arrays(np.float64, (3, 10), elements=VALUES))
def test_quantiles_rise_within_the_bounds_wherever_something_was_seen(windows: Array) -> None:
    """Finite, increasing, bounded; NaN for a stream of which nothing is known."""
    quantiles = forecast(windows, bounds=(0.0, 1000.0))

    seen = np.isfinite(windows).any(-1)
    assert np.isfinite(quantiles[seen]).all()
    assert np.isnan(quantiles[~seen]).all()
    assert (np.diff(quantiles[seen], axis=-1) >= 0).all()
    assert ((quantiles[seen] >= 0) & (quantiles[seen] <= 1000)).all()


def test_naive_needs_no_torch() -> None:
    """A daemon without a model stays small and starts at once."""
    code = "import sys, forecaster.nets.baseline; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_last_value_is_repeated_as_uncertain_as_the_stream_has_lately_drifted() -> None:
    """A bearing that warms and cools is what it was, give or take what changes in so many steps, not as a day ago."""
    random = np.random.default_rng(0)
    calm = np.cumsum(random.normal(0, 0.1, (300, 200)), axis=1)
    wild = np.cumsum(random.normal(0, 9.0, (300, 200)), axis=1)
    window = np.concatenate([wild - wild[:, -1:], calm[:, : LATELY + 60]], axis=1)
    known, after = window[:, :-60], window[:, -60:]
    group = hourly_group(seasons=(24,), lookback=known.shape[1], horizon=60)

    _, quantiles = SmartPersistence(group).step(np.zeros((300, 0, 0, 0)), inputs(known[:, None], group))

    assert np.median(np.abs(quantiles[:, 0, 1] - known[:, -1])) < 0.02
    inside = (quantiles[..., 0] <= after) & (after <= quantiles[..., 2])
    assert 0.7 < inside.mean(0).min() < inside.mean(0).max() < 0.95


@pytest.mark.parametrize("came", [0, 1])
def test_after_a_silence_the_last_value_is_as_uncertain_as_before_it(came: int) -> None:
    """While nothing comes for longer than that, and by the first reading that does."""
    group = hourly_group(lookback=3 * LATELY)
    known = np.random.default_rng(0).normal(20, 1, (5, 1, group.lookback))
    silent = known.copy()
    silent[..., -LATELY - 20 : -came or None] = NAN

    before, after = (
        SmartPersistence(group).step(np.zeros((5, 0, 0, 0)), inputs(one, group))[1] for one in (known, silent)
    )

    width = after[..., 2] - after[..., 0]
    assert width == pytest.approx(before[..., 2] - before[..., 0], rel=0.25)


DAYS = 20


def ramps(random: np.random.Generator) -> Array:
    """Houses whose heaters all switch on at eight, around levels that wander: (60, hours)."""
    hours = np.arange(24 * DAYS + 8)
    return np.cumsum(random.normal(0, 0.2, (60, len(hours))), axis=1) + 10.0 * ((hours - 8) % 24 < 4)


def persisted(known: Array, **changes: object) -> Array:
    """Quantiles of smart persistence after what is known, (B, W)."""
    group = hourly_group(**{"lookback": known.shape[1]} | changes)
    return SmartPersistence(group).step(np.zeros((len(known), 0, 0, 0)), inputs(known[:, None], group))[1]


def test_what_always_comes_at_this_time_is_expected() -> None:
    """At eight ten more than now, in ranges of an hour and not of a switch; four hours later it is off again."""
    known = ramps(np.random.default_rng(0))

    ahead = persisted(known) - known[:, -1:, None]

    assert ahead[:, 0, 1] == pytest.approx(10, abs=0.5)
    assert ahead[:, 4, 1] == pytest.approx(0, abs=1.5)
    assert np.median(ahead[:, 0, 2] - ahead[:, 0, 0]) < 1.5


def test_from_where_a_silence_began_it_is_moved_on() -> None:
    """The last value came three hours ago, and what has happened since usually has happened."""
    known = ramps(np.random.default_rng(0))
    silent = np.concatenate([known, known[:, :3] * NAN], axis=1)

    ahead = persisted(silent) - known[:, -1:, None]

    assert ahead[:, 0, 1] == pytest.approx(10, abs=1.5)
    assert ahead[:, 1, 1] == pytest.approx(0, abs=1.5)


@given(arrays(np.float64, (3, 60), elements=VALUES))
@settings(max_examples=50, deadline=None)
def test_smart_persistence_never_crosses_and_is_there_from_the_first_reading(known: Array) -> None:
    """Whatever came, and however little."""
    quantiles = persisted(known)

    anything = np.isfinite(known).any(1)
    assert np.isfinite(quantiles[anything]).all()
    assert np.isnan(quantiles[~anything]).all()
    assert (np.diff(quantiles[anything], axis=-1) >= 0).all()


def test_chance_does_not_come_again() -> None:
    """Of noise hardly anything is believed, of a course of the day nearly all; after one day nothing is known."""
    random = np.random.default_rng(1)
    group = hourly_group(lookback=24 * DAYS)
    noise, course = random.normal(size=(2, 100, group.lookback))
    course = 0.3 * course + 5 * np.sin(np.arange(group.lookback) * np.pi / 12)
    young = np.where(np.arange(group.lookback) < group.lookback - 25, NAN, course)

    part = [came_again(inputs(one[:, None], group), 24) for one in (noise, course, young)]

    assert part[0].mean() < 0.15
    assert part[1].min() > 0.9
    assert part[2].max() == 0


def test_without_a_season_the_last_value_is_there_once() -> None:
    """It is the seasonal naive forecast then."""
    assert [one.version for one in naives(hourly_group())] == ["seasonal_naive", "climatology", "smart_persistence"]
    assert [one.version for one in naives(hourly_group(seasons=()))] == ["seasonal_naive", "climatology"]


def test_nothing_is_carried() -> None:
    """The state is empty and comes back as it went in."""
    naive = SeasonalNaive(hourly_group())
    window = Inputs(
        values=np.ones((2, 1, 72)), future=np.ones((2, 1, 6)), calendar=np.zeros((78, 2)), shift=np.zeros(78, np.int64)
    )

    state, _ = naive.step(naive.initial_state(2), window)

    assert (naive.version, naive.warmup, state.shape) == ("seasonal_naive", 0, (2, 0, 0, 0))


def test_changes_that_are_mostly_nothing_do_not_make_ranges_nothing() -> None:
    """A switch that moves once in fifty steps, and a thermometer in tenths: most changes from step to step are 0."""
    random = np.random.default_rng(2)
    switch = np.cumsum(random.random((1000, 188)) < 0.02, axis=1) % 2
    tenths = np.round(np.cumsum(random.normal(0, 0.02, (1000, 188)), axis=1), 1)
    for series in (switch.astype(float), tenths):
        quantiles = forecast(series[:, :128], seasons=(), horizon=60, lookback=128)

        inside = (quantiles[..., 0] <= series[:, 128:]) & (series[:, 128:] <= quantiles[..., 2])
        assert inside.mean(0).min() > 0.75


def test_after_a_night_of_nothing_ranges_are_those_of_the_day_before() -> None:
    """Every five minutes from a solar roof, 14 hours of night: more than the steps that are looked at otherwise."""
    clock = np.arange(4 * 288) % 288
    roof = np.where((clock > 84) & (clock < 204), np.abs(np.random.default_rng(0).normal(2, 1, clock.size)), 0.0)
    known = roof[: 3 * 288 + 80][None]
    group = hourly_group(seasons=(288,), lookback=known.shape[1], horizon=12)

    _, quantiles = SmartPersistence(group).step(np.zeros((1, 0, 0, 0)), inputs(known[:, None], group))

    assert (quantiles[0, :, 2] > 0.5).all()
