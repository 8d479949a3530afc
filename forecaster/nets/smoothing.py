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

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.nets.phases import filled, latest, same_phase
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
    """Steps of the past needed to take a series apart, its season averaged over so many.

    Enough for a level, and for most of a season of steps of which it is known whether what was hoped for came; so that
    the usual four weeks of the past are enough for a week.
    """
    return max(SPAN + TRIED, season + season // 4) + older(season, blocks)


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
        (N, B), distance of each step from the mean of the season around it.
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
        usual = faded(self.swing, needed, self.season, shift, self.blocks).T  # (B, U)
        flat = self.level[:, asked] + self.trust[:, asked] * usual[:, back.reshape(leads.shape)]  # (B, T', H)
        lead = np.arange(1, leads.shape[1] + 1)
        theta = flat + self.slope[:, asked] * (lead / 2)
        drifting = flat + self.drift[:, asked] * np.cumsum(DAMPING**lead)
        return np.stack([flat, theta, drifting], axis=-1)


def parts(series: Array, season: int, shift: Array, lookback: int, count: int) -> Parts:
    """Take a series (B, N) apart at its last ``count`` steps; NaN where too little was observed."""
    by_step = np.ascontiguousarray(series.T)  # (N, B): faster with streams side by side
    steps = np.arange(len(by_step))
    half = season // 2
    number = running(narrow(np.isfinite(by_step)), season)
    total = running(filled(by_step), season)
    mean = total / np.where(number >= 0.75 * season, number, np.nan)
    swing = by_step - (rows(mean, steps + half) + rows(mean, steps + half - 1 + season % 2)) / 2
    blocks = depth(season, lookback)

    window = lookback - older(season, blocks)
    recent = slice(len(steps) - (count + window - 1), None)
    seen = np.isfinite(by_step[recent])
    hoped = faded(swing, steps[recent] - season, season, shift, blocks)
    trust = believed(hoped, swing[recent], window - half, half, count)
    value, hoped = (np.where(seen, filled(part), 0.0) for part in (by_step[recent], hoped))  # (T + window - 1, B)
    rising, hoped_rising = rises((value, hoped), seen, window, season, count)
    slope = rising - trust * hoped_rising
    drift = (mean[-count:] - rows(mean, steps[-count:] - season)) / season

    trust, slope, drift = trust.T, slope.T, drift.T  # (B, T)
    newest = slice(1 - SPAN - TRIED - count, None)
    value, hoped, seen = (np.ascontiguousarray(part[newest].T) for part in (value, hoped, seen))
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
    """Part of what was hoped for that came, over the last steps: a regression, between 0 and 1; (N, B) to (count, B).

    What came is known only ``late`` steps later.
    """
    known = slice(None, len(hoped) - late)
    hoped, came = hoped[known], came[known]
    there = np.isfinite(hoped + came)
    hoped, came = np.where(there, hoped, 0.0), np.where(there, came, 0.0)
    both, own = (lately(part, length, count) for part in (hoped * came, hoped * hoped))
    return np.clip(both / np.maximum(own, TINY), 0.0, 1.0)


def rises(series: Iterable[Array], seen: Array, length: int, season: int, count: int) -> list[Array]:
    """Slopes of the lines through the last steps, drawn to 0 while they are few; each (N, B) to (count, B)."""
    time = np.arange(len(seen))[:, None] - len(seen) / 2
    seen = narrow(seen)
    n, t, tt = (lately(part, length, count) for part in (seen.astype(float), seen * time, seen * time**2))
    n = np.maximum(n, 1)
    few = season**3 / 12 + 1  # as if a season of steps had no slope
    scatter = tt - t * t / n + few
    return [(lately(part * time, length, count) - t * lately(part, length, count) / n) / scatter for part in series]


def level_of(value: Array, hoped: Array, seen: Array, trust: Array, slope: Array) -> Array:
    """Level at each of the last T steps, by the rates that came true best just before; (B, T).

    ``value``, ``hoped`` and ``seen`` (B, N); of the last two at each origin only as much counts as ``trust`` and
    ``slope`` (B, T) say, so the errors of the rates are added up apart.
    """
    count = slope.shape[-1]
    share = trailing(seen, SPAN, count + TRIED) @ WEIGHTS  # (B, TRIED + T, L)
    share = np.where(share > 0, share, np.nan)
    levels = [trailing(part, SPAN, count + TRIED) @ WEIGHTS / share for part in (value, hoped)]
    known = seen[:, 1 - count - TRIED :, None] & np.isfinite(share[:, :-1])  # (B, TRIED + T - 1, L)
    y, h = (
        np.where(known, part[:, 1 - count - TRIED :, None] - level[:, :-1], 0.0)
        for part, level in zip((value, hoped), levels, strict=True)
    )
    products = (known.astype(float), y, h, y * y, h * h, y * h)
    n, sum_y, sum_h, yy, hh, yh = (sums(part[:, 1 - count - TRIED :], TRIED, axis=1) for part in products)  # (B, T, L)
    p, r = trust[..., None], slope[..., None] / 2
    miss = yy + p * p * hh + r * r * n - 2 * (p * yh + r * sum_y - p * r * sum_h)  # of (y - p h - r)², added up
    miss = np.maximum(miss, 0.0) / np.maximum(n, 1)
    best = miss.min(-1, keepdims=True)
    weight = ((miss + TINY) / (best + TINY)) ** -SHARP
    level = levels[0][:, -count:] - trust[..., None] * levels[1][:, -count:]
    found: Array = (weight * level).sum(-1) / weight.sum(-1)
    return found


def lately(series: Array, length: int, count: int) -> Array:
    """Sum of the last ``length`` steps at each of the last ``count``; (N, ...) to (count, ...)."""
    return sums(series[len(series) - length - count + 1 :], length, axis=0)


def running(series: Array, length: int) -> Array:
    """Sum of the last steps at each step, of fewer at the beginning; (N, ...) to (N, ...)."""
    before = np.zeros((length - 1, *series.shape[1:]), series.dtype)
    return sums(np.concatenate([before, series]), length, axis=0)


def sums(series: Array, length: int, axis: int = -1) -> Array:
    """Sum of each run of so many steps, of which there are ``length - 1`` fewer than steps.

    By doubling: runs of 1, 2, 4, … steps, of which those are added that make up the length. Never a difference of
    larger sums: what a sensor once said by mistake would leave its rounding error in all that follow.

    Examples
    --------
    >>> sums(np.array([1.0, 2, 3, 4, 5]), 3)
    array([ 6.,  9., 12.])
    """
    count = series.shape[axis] - length + 1
    if count == 1:
        return np.asarray(series.sum(axis, keepdims=True))
    runs = np.moveaxis(series, axis, 0) + 0  # of truth values: numbers
    total, done, width = np.zeros_like(runs[:count]), 0, 1
    while True:
        if length & width:
            total += runs[done : done + count]
            done += width
        if done == length:
            return np.moveaxis(total, 0, axis)
        runs = runs[:-width] + runs[width:]
        width *= 2


def narrow(seen: Array) -> Array:
    """One column for all streams (N, 1) where they were seen at the same steps, which is usual, and faster."""
    return seen[:, :1] if (seen == seen[:, :1]).all() else seen


def rows(series: Array, positions: Array) -> Array:
    """The steps at positions, NaN outside: (N, B) to (U, B)."""
    inside = (positions >= 0) & (positions < len(series))
    found = np.take(series, positions, axis=0, mode="clip")
    found[~inside] = np.nan
    return found


def faded(series: Array, positions: Array, season: int, shift: Array, blocks: int) -> Array:
    """Mean of the steps at positions and at their phase in the seasons before, which weigh less: (N, B) to (U, B)."""
    value, seen = filled(series), narrow(np.isfinite(series))
    total, share = (np.zeros((len(positions), part.shape[1])) for part in (value, seen))
    for back in range(blocks):
        places = same_phase(positions, back, season, shift)
        inside = ((places >= 0) & (places < len(series)))[:, None] * FADE**back
        total += inside * np.take(value, places, axis=0, mode="clip")
        share += inside * np.take(seen, places, axis=0, mode="clip")
    return total / np.where(share > 0, share, np.nan)


def trailing(series: Array, length: int, count: int) -> Array:
    """The last ``length`` steps at each of the last ``count`` steps: (..., N) to (..., count, length), a view."""
    return sliding_window_view(series[..., series.shape[-1] - count - length + 1 :], length, axis=-1)
