"""Structural models: each kind of series is known for what it is, and forecast as it goes on."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.nets.structural import NAMES, SETTINGS, Structure, bank, bridged, depth, structure
from forecaster.records import Array

NAN = np.nan
SEASON, LOOKBACK = 4, 120
SHAPE = np.array([5.0, -2, 0, -3])


def told(series: Array, horizon: int = 8) -> Structure:
    """What is known at the end of one series."""
    whole = np.full((1, LOOKBACK), NAN)
    whole[0, -len(series) :] = series[-LOOKBACK:]
    return structure(whole, SEASON, LOOKBACK, horizon, slice(None), 1)


def ahead(series: Array, name: str = "structural") -> Array:
    """One of its forecasts (H,)."""
    return told(series).candidates[0, 0, :, NAMES.index(name)]


def test_season_goes_on() -> None:
    """A pure season around a level is forecast with hardly an error, and known for one."""
    series = np.tile(10 + SHAPE, 20)

    np.testing.assert_allclose(ahead(series), series[:8], atol=0.1)
    assert told(series).posterior[0, 0, 3] > 0.99


def test_line_goes_on() -> None:
    """A slope that has shown is believed; without a slope the forecast stays."""
    line = 5 + 0.5 * np.arange(80.0)

    np.testing.assert_allclose(ahead(line), 45 + 0.5 * np.arange(8), atol=0.1)
    assert np.ptp(ahead(line, "no slope")) < 0.5


def test_growth_multiplies() -> None:
    """What grows by a part, with a season that is a factor, is known for that, and goes on."""
    series = 100 * 1.03 ** np.arange(88) * np.tile([1.3, 0.9, 1.0, 0.8], 22)

    np.testing.assert_allclose(ahead(series[:80]), series[80:], rtol=0.01)
    assert told(series[:80]).posterior[0, 0, 0] > 0.99


def test_noise_has_neither_slope_nor_season() -> None:
    """The level of noise is its mean, with an error of that of a mean, and the spread is that of the noise."""
    noise = np.random.default_rng(0).normal(10, 1, (60, LOOKBACK))

    found = structure(noise, SEASON, LOOKBACK, 4, slice(None), 1)

    assert np.abs(found.candidates[:, 0, :, -1] - 10).mean() < 0.3
    assert found.posterior[:, 0, 1:].mean(0) == pytest.approx(np.zeros(4), abs=0.5)
    assert found.spread.mean() == pytest.approx(1.05, abs=0.05)


def test_walk_stays_where_it_is_and_its_spread_grows() -> None:
    """Of a random walk only the last step counts, and the error grows with the lead; that of noise does not."""
    steps = np.random.default_rng(0).normal(1000, 1, (60, LOOKBACK))
    walks = np.cumsum(steps - 1000, axis=-1) + 1000

    found, noise = (structure(series, SEASON, LOOKBACK, 9, slice(None), 1) for series in (walks, steps))

    assert np.abs(found.candidates[:, 0, 0, 0] - walks[:, -1]).mean() < 0.3
    assert (found.spread[:, 0, 8] / found.spread[:, 0, 0]).mean() > 2
    assert (noise.spread[:, 0, 8] / noise.spread[:, 0, 0]).mean() < 1.2


def test_first_reading_is_the_forecast() -> None:
    """With one there is nothing else to say; with none, nothing."""
    assert ahead(np.array([7.0])) == pytest.approx(np.full(8, 7.0))
    assert np.isnan(told(np.array([NAN])).candidates).all()


def test_nothing_to_multiply_where_something_is_not_positive() -> None:
    """A zero in the window takes the logarithms away, and nothing else."""
    series = np.tile(10 + SHAPE, 20)
    series[40] = 0

    found = told(series).candidates[0, 0]

    assert np.isnan(found[:, 2:4]).all()
    assert np.isfinite(found[:, [0, 1, 4]]).all()


def test_gap_is_bridged_and_long_silence_is_a_new_beginning() -> None:
    """Missing steps take the value of the season before; after three seasons of nothing all begins again."""
    series = np.tile(10 + SHAPE, 20)[None].copy()
    series[0, [41, 42, 60]] = NAN
    silent = series.copy()
    silent[0, 50:70] = NAN

    assert bridged(series, SEASON)[0] == pytest.approx(np.tile(10 + SHAPE, 20)[None])
    assert bridged(series, SEASON)[1][0, -1] == 80
    assert bridged(silent, SEASON)[1][0, [61, 62, 69, 70, 79]].tolist() == [62, 0, 0, 1, 10]


def test_filters_weigh_as_a_regression_does() -> None:
    """Nothing wanders, no slope, no season: the state is the mean, the variance of a forecast 1 + 1/n."""
    still = SETTINGS.index((0.0, (0.0, 0.0), 0.0))
    tools = bank(SEASON, 12, 3)

    for steps in (1, 5, 12):
        np.testing.assert_allclose(tools.states[steps][:, still, 0], np.full(steps, 1 / steps))
        np.testing.assert_allclose(tools.variance[steps, still], 1 + 1 / steps)


def test_weights_add_up() -> None:
    """Shifting a series shifts what is expected by as much, whatever the setting."""
    for steps in (1, 7, 40):
        np.testing.assert_allclose(bank(SEASON, 40, 1).expected[steps].sum(0), 1)


def test_depth_never_reaches_beyond_the_lookback() -> None:
    """Ten seasons at most, none when three do not fit or the season is long."""
    assert [depth(12, lookback) for lookback in (336, 200, 109, 108)] == [10, 6, 3, 0]
    assert depth(24, 672) == depth(1, 64) == 0


def test_many_origins_are_told_the_same_as_one() -> None:
    """Training asks for many at once, serving for one; to 1e-9, also with gaps, zeros and long silence."""
    random = np.random.default_rng(2)
    count, batch = 40, 4
    series = 6 + np.tile(SHAPE, 40)[: LOOKBACK + count - 1] + random.normal(0, 0.5, (batch, LOOKBACK + count - 1))
    series[1, random.random(series.shape[1]) < 0.3] = NAN
    series[2, 100:125] = NAN
    series[3, :120] = NAN

    together = structure(series, SEASON, LOOKBACK, 6, slice(None), count)

    for origin in (0, 13, count - 1):
        alone = structure(series[:, origin : origin + LOOKBACK], SEASON, LOOKBACK, 6, slice(None), 1)
        for name in Structure.__dataclass_fields__:
            one, other = getattr(together, name)[:, origin], getattr(alone, name)[:, 0]
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=name)
