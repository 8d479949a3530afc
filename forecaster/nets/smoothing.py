"""A series taken apart into level, slope and season, causally and within a finite window.

The textbook methods (classical decomposition, exponential smoothing, Theta) forget what is old, so what they know at an
origin is a weighted mean over the steps before it. Computed as such it needs no state, heals after gaps, and is the
same in training and serving.

Shape letters: **B** batch, **N** steps, **T** origins, **T'** those that forecast, **H** horizon, **L** rates.

References
----------
Hyndman & Billah (2003), "Unmasking the Theta method", International Journal of Forecasting 19(2): exponential smoothing
with half the slope of a line through the series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.nets.phases import filled, latest, look, look_back
from forecaster.records import Array

SPAN, TRIED = 48, 24
"""Steps over which a level is taken, what is older would hardly weigh; and over which its rate is tried."""

RATES = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0])
"""Weight of the newest step in a level: those that are tried, (L,)."""

WEIGHTS = np.array([RATES * (1 - RATES) ** age for age in reversed(range(SPAN))])  # (SPAN, L)

SHARP = 20
"""How strongly a rate that came true better is preferred: the power of the mean squared error."""

SEASONS, FADE = 7, 0.85
"""Most seasons a seasonal shape is averaged over, and how much less each earlier one weighs."""

DAMPING = 0.95
"""What is left of a drift from one lead to the next."""

TINY = 1e-12


def reach(season: int, blocks: int = 1) -> int:
    """Steps of the past needed to take a series apart, its season averaged over so many."""
    return SPAN + TRIED + older(season, blocks)


def older(season: int, blocks: int) -> int:
    """Steps before a step that tell what to expect of it, when the clock may change by an hour."""
    return (blocks + 1) * season + season // 2 + season // 24 + 1


def depth(season: int, lookback: int) -> int:
    """Seasons that a seasonal shape is averaged over."""
    return min(SEASONS, (lookback - reach(season)) // season + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A series (B, N) taken apart at its last T steps.

    Attributes
    ----------
    season
        Its length.
    blocks
        Seasons that the seasonal shape is averaged over.
    swing
        (B, N), distance of each step from the mean of the season around it.
    trust
        (B, T, 1), how much of what earlier seasons let expect has come true: 0 for a series without a season.
    level, slope, drift
        (B, T, 1), of the series without its season: where it is; how much it rises per step over the window, and over
        the last season.
    adjusted
        (B, T, at most season), the newest steps at each, without what earlier seasons let expect of them.
    """

    season: int
    blocks: int
    swing: Array
    trust: Array
    level: Array
    slope: Array
    drift: Array
    adjusted: Array

    def ahead(self, leads: Array, origins: Array, asked: slice, shift: Array) -> Array:
        """Forecasts (B, T', H, 3): level and season; the same rising by half the slope (Theta); by the damped drift.

        ``leads`` (T', H) and ``origins`` (T', 1) are positions; ``asked`` says which of the T origins those are.
        """
        complete = origins - self.season // 2
        needed, back = np.unique(latest(leads, complete, self.season, shift), return_inverse=True)
        usual = faded(look_back(self.swing, needed, self.season, shift, self.blocks))  # (B, U)
        flat = self.level[:, asked] + self.trust[:, asked] * usual[:, back.reshape(leads.shape)]  # (B, T', H)
        lead = np.arange(1, leads.shape[1] + 1)
        theta = flat + self.slope[:, asked] * (lead / 2)
        drifting = flat + self.drift[:, asked] * np.cumsum(DAMPING**lead)
        return np.stack([flat, theta, drifting], axis=-1)


def parts(series: Array, season: int, shift: Array, lookback: int, count: int) -> Parts:
    """Take a series (B, N) apart at its last ``count`` steps; NaN where too little was observed."""
    steps = np.arange(series.shape[-1])
    half = season // 2
    number, total = (running(part, season) for part in (np.isfinite(series).astype(float), filled(series)))
    mean = np.where(number >= 0.75 * season, total / np.maximum(number, 1), np.nan)
    swing = series - (look(mean, steps + half) + look(mean, steps + half - 1 + season % 2)) / 2
    blocks = depth(season, lookback)

    window = lookback - older(season, blocks)
    recent = steps[-(count + window - 1) :]
    seen = np.isfinite(series[:, recent])
    hoped = faded(look_back(swing, recent - season, season, shift, blocks))
    trust = believed(hoped, swing[:, recent], window - half, half, count)
    value, hoped = (np.where(seen, filled(part), 0.0) for part in (series[:, recent], hoped))  # (B, T + window - 1)

    slope = rise(value, seen, window, season, count) - trust * rise(hoped, seen, window, season, count)
    newest = steps[-count:]
    drift = (mean[:, newest] - look(mean, newest - season)) / season
    level = level_of(value, hoped, seen, trust, slope)
    width = min(season, SPAN)
    shown = trailing(np.where(seen, value, np.nan), width, count) - trust[..., None] * trailing(hoped, width, count)
    return Parts(
        season=season,
        blocks=blocks,
        swing=swing,
        trust=trust[..., None],
        level=level[..., None],
        slope=slope[..., None],
        drift=drift[..., None],
        adjusted=shown,
    )


def believed(hoped: Array, came: Array, length: int, late: int, count: int) -> Array:
    """Part of what was hoped for that came, over the last steps: a regression, between 0 and 1; (B, N) to (B, count).

    What came is known only ``late`` steps later.
    """
    known = slice(None, hoped.shape[-1] - late)
    hoped, came = hoped[:, known], came[:, known]
    there = np.isfinite(hoped + came)
    hoped = np.where(there, hoped, 0.0)
    both, own = (sums(part, length, count) for part in (hoped * np.where(there, came, 0.0), hoped**2))
    return np.clip(both / np.maximum(own, TINY), 0.0, 1.0)


def rise(values: Array, seen: Array, length: int, season: int, count: int) -> Array:
    """Slope of the line through the last steps, drawn to 0 while they are few; (B, N) twice to (B, count)."""
    time = np.arange(values.shape[-1]) - values.shape[-1] / 2
    products = (seen, seen * time, seen * time**2, values, values * time)
    n, t, tt, v, tv = (sums(part.astype(float, copy=False), length, count) for part in products)
    n = np.maximum(n, 1)
    few = season**3 / 12 + 1  # as if a season of steps had no slope
    return (tv - t * v / n) / (tt - t * t / n + few)


def level_of(value: Array, hoped: Array, seen: Array, trust: Array, slope: Array) -> Array:
    """Level at each of the last T steps, by the rates that came true best just before; (B, T).

    ``value``, ``hoped`` and ``seen`` (B, N); of the last two at each origin only as much counts as ``trust`` and
    ``slope`` (B, T) say, so the errors of the rates are added up apart.
    """
    count = slope.shape[-1]
    share = trailing(seen, SPAN, count + TRIED) @ WEIGHTS  # (B, TRIED + T, L)
    share = np.where(share > 0, share, np.nan)
    levels = [trailing(part, SPAN, count + TRIED) @ WEIGHTS / share for part in (value, hoped)]
    known = (seen[:, 1 - count - TRIED :, None] & np.isfinite(share[:, :-1])).swapaxes(1, 2)  # (B, L, TRIED + T - 1)
    y, h = (
        np.where(known, (part[:, 1 - count - TRIED :, None] - level[:, :-1]).swapaxes(1, 2), 0.0)
        for part, level in zip((value, hoped), levels, strict=True)
    )
    products = (known.astype(float), y, h, y * y, h * h, y * h)
    n, sum_y, sum_h, yy, hh, yh = (sums(part, TRIED, count) for part in products)  # (B, L, T)
    p, r = trust[:, None], slope[:, None] / 2
    miss = yy + p * p * hh + r * r * n - 2 * (p * yh + r * sum_y - p * r * sum_h)  # of (y - p h - r)², added up
    miss = np.maximum(miss, 0.0) / np.maximum(n, 1)
    best = miss.min(1, keepdims=True)
    weight = np.swapaxes(((miss + TINY) / (best + TINY)) ** -SHARP, 1, 2)  # (B, T, L)
    level = levels[0][:, -count:] - trust[..., None] * levels[1][:, -count:]
    found: Array = (weight * level).sum(-1) / weight.sum(-1)
    return found


def sums(series: Array, length: int, count: int) -> Array:
    """Sum of the last ``length`` steps at each of the last ``count``; (..., N) to (..., count)."""
    newest = series[..., series.shape[-1] - length - count + 1 :]
    return newest.sum(-1, keepdims=True) if count == 1 else running(newest, length)[..., length - 1 :]


def running(series: Array, length: int) -> Array:
    """Sum of the last steps at each step, of fewer at the beginning; (..., N) to (..., N)."""
    total = np.cumsum(series, axis=-1)
    total[..., length:] -= total[..., :-length].copy()
    return total


def faded(sample: Array) -> Array:
    """Mean along the last axis, newest first, in which older seasons weigh less; NaN where nothing was seen."""
    weights = FADE ** np.arange(sample.shape[-1])
    share = np.isfinite(sample).astype(float) @ weights
    return filled(sample) @ weights / np.where(share > 0, share, np.nan)


def trailing(series: Array, length: int, count: int) -> Array:
    """The last ``length`` steps at each of the last ``count`` steps: (..., N) to (..., count, length), a view."""
    return sliding_window_view(series[..., series.shape[-1] - count - length + 1 :], length, axis=-1)
