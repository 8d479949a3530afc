"""A series taken apart: what went in comes out ahead."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.nets.smoothing import DAMPING, SPAN, depth, parts, reach, running
from forecaster.records import Array

NAN = np.nan
ORIGINS = slice(None)


def ahead(series: Array, season: int, horizon: int) -> Array:
    """Forecasts (H, 3) of one series at its end: on the level, as Theta, and with the drift."""
    count = len(series)
    shift = np.zeros(count + horizon, np.int64)
    part = parts(series[None], season, shift, count, 1)
    return part.ahead(count + np.arange(horizon)[None], np.array([[count - 1]]), ORIGINS, shift)[0, 0]


def test_level_with_a_season_goes_on_as_it_was() -> None:
    """A pure season around a level is forecast without error by all three."""
    season = np.array([5.0, -2, 0, -3])

    found = ahead(np.tile(10 + season, 40), 4, 6)

    np.testing.assert_allclose(found, np.tile(10 + season, 2)[:6, None] * np.ones(3), atol=1e-9)


def test_theta_rises_by_half_the_slope() -> None:
    """The classical season of a rising line is found without error, and half of the rise is carried on."""
    season = np.tile([4.0, -1, 0, -3], 40)

    found = ahead(season + 0.5 * np.arange(160), 4, 8)

    assert found[4:, 1] - found[:4, 1] == pytest.approx(np.full(4, 4 * 0.25), rel=0.01)


def test_level_forgets_as_fast_as_the_series_does() -> None:
    """After a step the level of a calm series is the new one; in noise it is nearly the mean."""
    random = np.random.default_rng(1)
    noise = random.normal(10, 1, (50, 200))
    walks = np.cumsum(random.normal(0, 1, (50, 200)), axis=-1)
    shift = np.zeros(200, np.int64)

    calm, restless = (parts(series, 4, shift, 200, 1).level[:, 0, 0] for series in (noise, walks))

    assert np.abs(calm - 10).mean() < 0.5
    assert np.abs(restless - walks[:, -1]).mean() < 0.5


def test_noise_has_no_season() -> None:
    """What earlier seasons let expect does not come true, so little of it is believed."""
    noise = np.random.default_rng(0).normal(0, 1, (20, 400))

    trust = parts(noise, 12, np.zeros(400, np.int64), 400, 50).trust

    assert trust.mean() < 0.2


def test_drift_is_carried_on_and_dies_away() -> None:
    """A straight line rises by its slope at the first lead, by ever less later."""
    found = ahead(3.0 * np.arange(200), 4, 5)

    step = np.diff(found[:, 2])
    np.testing.assert_allclose(step, 3 * DAMPING ** np.arange(2, 6), atol=1e-9)
    np.testing.assert_allclose(np.diff(found[:, 0]), 0, atol=1e-9)


def test_gap_is_bridged_and_silence_is_not_known() -> None:
    """Some steps missing change nothing in a pure season; nothing seen lately is NaN."""
    series = np.tile([1.0, 2, 3, 6], 40)
    series[[120, 133, 157]] = NAN
    silent = series.copy()
    silent[-SPAN:] = NAN

    np.testing.assert_allclose(ahead(series, 4, 4)[:, 0], [1, 2, 3, 6], atol=0.6)
    assert np.isnan(ahead(silent, 4, 4)).all()


def test_depth_never_reaches_beyond_the_lookback() -> None:
    """With just enough for one season, one; with plenty, seven."""
    assert [depth(24, width) for width in (reach(24), reach(24) + 24, 672)] == [1, 2, 7]


@pytest.mark.parametrize(("season", "lookback"), [(4, 90), (12, 120), (24, 672), (168, 680), (7, 100)])
def test_many_origins_are_told_the_same_as_one(season: int, lookback: int) -> None:
    """Training asks for many at once, serving for one; to 1e-9, also where the season fills the lookback."""
    random = np.random.default_rng(2)
    count, batch = 30, 3
    series = np.sin(np.arange(lookback + count - 1) * 2 * np.pi / season) + random.normal(
        0, 0.3, (batch, lookback + count - 1)
    )
    series[1, random.random(series.shape[1]) < 0.3] = NAN
    shift = np.repeat([0, 1], [len(series[0]) // 2, len(series[0]) - len(series[0]) // 2])

    together = parts(series, season, shift, lookback, count)

    for origin in (0, 13, count - 1):
        window = slice(origin, origin + lookback)
        alone = parts(series[:, window], season, shift[window], lookback, 1)
        for name in ("trust", "level", "slope", "drift", "adjusted"):
            np.testing.assert_allclose(
                getattr(together, name)[:, origin], getattr(alone, name)[:, 0], atol=1e-9, err_msg=name
            )
    assert (together.trust[0] > 0.3).all()


def test_an_absurd_reading_leaves_nothing_behind() -> None:
    """A sensor once said 2^32; what is older than the lookback makes no difference, not even in rounding."""
    random, lookback, count = np.random.default_rng(3), 90, 60
    series = random.normal(5, 1, (1, lookback + count - 1))
    shift = np.zeros(series.shape[1], np.int64)
    series[0, 20] = 2.0**32

    together = parts(series, 4, shift, lookback, count)

    alone = parts(series[:, count - 1 :], 4, shift[count - 1 :], lookback, 1)
    for name in ("trust", "level", "slope", "drift", "adjusted"):
        np.testing.assert_allclose(getattr(together, name)[:, -1], getattr(alone, name)[:, 0], atol=1e-9, err_msg=name)


def test_running_sum_by_hand() -> None:
    """Of the last three."""
    assert running(np.array([1.0, 2, 3, 4, 5]), 3).tolist() == [1, 3, 6, 9, 12]
    assert running(np.array([1.0, 2]), 3).tolist() == [1, 3]
