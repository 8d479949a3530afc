"""The forecasts everything is measured against, written apart from the product.

Shape letters: **N** forecasts, **W** steps of the past, **H** horizon, **Q** levels.
"""

from __future__ import annotations

import numpy as np

from forecaster.nets.phases import quantiles
from forecaster.records import Array

SEASONS = 28
"""How many seasons the climatology looks back: four weeks of days."""

CRITICAL = 1.645
"""Two-sided 90 % of the normal distribution, as the M4 competition tests for a season."""


def points(median: Array, levels: Array) -> Array:
    """Forecasts that know no uncertainty, (N, H) to (N, H, Q): NaN but at the level 0.5."""
    found = np.full((*median.shape, len(levels)), np.nan)
    found[..., levels.tolist().index(0.5)] = median
    return found


def last(past: Array, horizon: int, season: int, levels: Array) -> Array:
    """The newest observed value again and again ("persistence"), (N, W) to (N, H, Q)."""
    return points(np.repeat(newest(past)[:, None], horizon, 1), levels)


def newest(past: Array) -> Array:
    """Newest observed value, (N, W) to (N,); NaN when there is none."""
    back = np.isfinite(past)[:, ::-1].argmax(-1)
    return np.take_along_axis(past, past.shape[-1] - 1 - back[:, None], -1)[:, 0]


def by_phase(past: Array, season: int) -> Array:
    """The past as seasons, newest last: (N, W) to (N, seasons, season); NaN before the beginning."""
    whole = -(-past.shape[-1] // season)
    padded = np.full((len(past), whole * season), np.nan)
    padded[:, whole * season - past.shape[-1] :] = past
    return padded.reshape(len(past), whole, season)


def snaive(past: Array, horizon: int, season: int, levels: Array) -> Array:
    """As it was one season ago, (N, W) to (N, H, Q); gaps filled from the season before, then the last value."""
    seasons = by_phase(past, season)
    back = np.isfinite(seasons)[:, ::-1].argmax(1)  # (N, season)
    row = np.take_along_axis(seasons, seasons.shape[1] - 1 - back[:, None], 1)[:, 0]
    row = np.where(np.isnan(row), newest(past)[:, None], row)
    return points(row[:, np.arange(horizon) % season], levels)


def climatology(past: Array, horizon: int, season: int, levels: Array) -> Array:
    """Empirical quantiles of the same phase over the last 28 seasons, (N, W) to (N, H, Q)."""
    seasons = by_phase(past[:, -SEASONS * season :], season)
    found = quantiles(np.moveaxis(seasons, 1, -1), levels.tolist())  # (N, season, Q)
    return found[:, np.arange(horizon) % season]


def naive2(history: Array, horizon: int, season: int) -> Array:
    """The last value of the seasonally adjusted series, given its season back: (T,) to (H,).

    The comparison method of the M4 competition: adjusted by classical multiplicative indices when the autocorrelation
    at the season passes a 90 % test.

    Raises
    ------
    ValueError
        For a series with gaps.
    """
    if not np.isfinite(history).all():
        raise ValueError("Naive2 is defined for series without gaps")
    indices = seasonal_indices(history, season) if is_seasonal(history, season) else np.ones(season)
    last_phase = (len(history) - 1) % season
    ahead = (last_phase + 1 + np.arange(horizon)) % season
    return history[-1] / indices[last_phase] * indices[ahead]


def is_seasonal(history: Array, season: int) -> bool:
    """Whether the autocorrelation at the season is beyond what the smaller lags explain, (T,)."""
    count = len(history)
    centred = history - history.mean()
    variance = centred @ centred
    if season == 1 or count < 3 * season or variance == 0:
        return False
    acf = np.array([centred[lag:] @ centred[:-lag] / variance for lag in range(1, season + 1)])
    limit = CRITICAL * np.sqrt((1 + 2 * (acf[:-1] ** 2).sum()) / count)
    return bool(abs(acf[-1]) > limit)


def seasonal_indices(history: Array, season: int) -> Array:
    """Classical multiplicative indices of each phase counted from the first value, (T,) to (season,), mean 1."""
    if season % 2:
        weights = np.full(season, 1 / season)
    else:
        weights = np.full(season + 1, 1 / season)
        weights[[0, -1]] /= 2
    trend = np.convolve(history, weights, mode="valid")
    edge = (len(history) - len(trend)) // 2
    ratio = np.full(len(history), np.nan)
    ratio[edge : edge + len(trend)] = history[edge : edge + len(trend)] / trend
    raw = np.array([np.nanmean(ratio[phase::season]) for phase in range(season)])
    return raw / raw.mean()
