"""What happens to sensors: each time the forecast stays finite, in its place, of a sane width, and comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import MEDIAN, Made, daily, hourly, live

from forecaster.records import Array

STEPS, FROM, UNTIL, WELL = 1100, 400, 500, 900  # two weeks are in the window, and two more days to learn from them


def healthy(seed: int = 0) -> Array:
    """Six streams of a day's wave with noise of 0.5; their 80 % range is 1.3 wide."""
    return daily(STEPS) + 0.5 * np.random.default_rng(seed).normal(size=(STEPS, 6))


def usual(windows: Array) -> tuple[Array, Array]:
    """A network that has learned the day by heart, and knows the deviation: the mean of a week of the same hours."""
    same = np.stack([windows[:, lead - 168 :: 24] for lead in range(3)], axis=1)  # (B, 3, 7)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(same)
        mean = np.where(known, same, 0).sum(-1) / known.sum(-1)
    last = windows[:, ::-1][np.arange(len(windows)), np.isfinite(windows[:, ::-1]).argmax(1)][:, None]
    return np.where(known.any(-1), mean, last), np.full(mean.shape, 0.55)


@pytest.fixture(params=["naive", "network"])
def network(request: pytest.FixtureRequest) -> Made | None:
    return Made(usual) if request.param == "network" else None


def recovered(values: Array, network: Made | None, since: int = WELL) -> None:
    """Everything was finite, and from ``since`` on it is as if nothing had been."""
    told = live(values, network=network)
    first = int(np.isfinite(values).all(1).argmax())
    assert np.isfinite(told.quantiles[first:]).all()
    assert (np.diff(told.quantiles[first:], axis=-1) >= 0).all()
    assert told.covered(since, STEPS) == pytest.approx([0.8, 0.95], abs=0.07)
    assert 0.8 < told.width(since, STEPS) < 2.6


def test_healthy_streams_are_what_the_others_are_compared_with(network: Made | None) -> None:
    """The test of the tests."""
    recovered(healthy(), network)


def test_a_dead_sensor_is_forecast_dead_and_awakes(network: Made | None) -> None:
    """Zeros for four days: forecast as zero in the end; sixteen days later all is well."""
    values = healthy()
    values[FROM:UNTIL] = 0.0
    told = live(values[:UNTIL], network=network)
    assert np.median(np.abs(told.quantiles[UNTIL - 12 :, ..., MEDIAN])) < 6  # the mean of a week is on its way to it
    recovered(values, network)


def test_a_wandering_stream_is_forecast_while_it_is_silent() -> None:
    """By its last value, as long as that is in its window, in ranges hardly wider; no guess when it speaks again."""
    values = 20 + np.cumsum(0.1 * np.random.default_rng(0).normal(size=(FROM + 200, 3)), axis=0)
    values[FROM : FROM + 170] = np.nan
    told = live(values)
    assert np.isfinite(told.quantiles).all()
    assert told.sources(FROM, FROM + 170) == {"smart_persistence"}
    assert told.width(FROM, FROM + 200) < 1.2 * told.width(FROM - 100, FROM)


def test_a_constant_has_hardly_any_range(network: Made | None) -> None:
    """From the first week on; and it stays in its place."""
    told = live(np.full((500, 2), 21.5), network=network)
    assert told.quantiles[200:, ..., MEDIAN] == pytest.approx(21.5)
    assert told.width(450, 500) < 1.5
    if network is None:
        assert told.width(450, 500) < 0.01


def test_a_step_change_is_followed(network: Made | None) -> None:
    """Ten more from now on: in its place after two weeks, and as narrow as before."""
    values = healthy()
    values[FROM:] += 10
    told = live(values, network=network)
    assert np.abs(told.quantiles[740:WELL, ..., MEDIAN] - values[740:WELL, :, None]).mean() < 1.5
    assert told.width(FROM, WELL) < 25
    recovered(values, network)


def test_a_spike_is_forgotten(network: Made | None) -> None:
    """One reading thousands of times too large is hardly seen in medians and ranges, and is an anomaly."""
    values = healthy()
    values[FROM] = 65535.0
    told = live(values, network=network)
    later = np.abs(told.quantiles[FROM + 1 : UNTIL, ..., MEDIAN] - daily(STEPS)[FROM + 2 : UNTIL + 1, None])
    assert np.median(later) < 0.6
    assert later.max() < 12
    assert told.width(FROM + 1, STEPS) < 3
    recovered(values, network)


def test_a_month_of_gap_is_bridged(network: Made | None) -> None:
    """Where nothing is known of the last two weeks the range is that of a new stream; then all is learned again."""
    values = np.concatenate([healthy(), np.full((720, 6), np.nan), healthy(1)])
    told = live(values, network=network)
    assert np.isfinite(told.quantiles[1820:]).all()
    assert np.abs(told.quantiles[1860:, ..., MEDIAN] - 10).max() < 12
    assert told.covered(2500, 2900) == pytest.approx([0.8, 0.95], abs=0.07)
    assert told.width(2500, 2900) < 2.6


def test_four_times_the_variance_is_covered_within_three_seasons() -> None:
    """All leads, by a network that goes on as before; within three points of nominal."""
    random = np.random.default_rng(3)
    noise = random.normal(size=(700, 100))
    noise[600:] *= 2
    right = Made(lambda windows: (np.full((len(windows), 3), 10.0), np.ones((len(windows), 3))))
    told = live(10 + noise, hourly(lookback=48), right)
    assert told.covered(500, 600) == pytest.approx([0.8, 0.95], abs=0.02)
    assert told.covered(672, 696) == pytest.approx([0.8, 0.95], abs=0.03)


@settings(max_examples=25)
@given(st.lists(st.floats(-1e4, 1e4), min_size=30, max_size=60), st.floats(-1e4, 1e4), st.floats(0, 1e4))
def test_no_quantile_leaves_the_bounds_or_crosses_another(values: list[float], median: float, spread: float) -> None:
    """Whatever comes, and whatever the network says."""
    wild = Made(lambda windows: (np.full((len(windows), 3), median), np.full((len(windows), 3), spread)))
    told = live(np.array(values)[:, None], hourly(lookback=48, bounds=(0.0, 1000.0)), wild)
    assert ((told.quantiles >= 0) & (told.quantiles <= 1000)).all()
    assert (np.diff(told.quantiles, axis=-1) >= 0).all()
