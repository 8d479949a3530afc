"""A series taken apart into level, drift and season, causally and within a finite window.

The textbook recursions (Holt-Winters, Theta) forget exponentially, so what they know at an origin is a weighted mean
over the steps before it. Computed as such it needs no state, heals after gaps, and is the same in training and serving.

Shape letters: **B** batch, **N** steps, **T** origins, **T'** those that forecast, **H** horizon, **L** levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.nets.phases import filled, latest, look, look_back
from forecaster.records import Array

SPAN = 48
"""Steps over which a level is taken; what is older would hardly weigh."""

FORGET = (0.5, 0.2)
"""Weight of the newest step in a level, quick and slow."""

WEIGHTS = np.array([[rate * (1 - rate) ** age for rate in FORGET] for age in reversed(range(SPAN))])  # (SPAN, L)

FAINT = 0.2
"""A level of which so little weight was observed is not known."""

SEASONS, FADE = 7, 0.85
"""Most seasons a seasonal shape is averaged over, and how much less each earlier one weighs."""

DAMPING = 0.95
"""What is left of a drift from one lead to the next."""


def reach(season: int) -> int:
    """Steps of the past needed to take a series apart, with one season before the newest to compare it with."""
    return SPAN + 2 * season + season // 24 + 1  # the clock may change by an hour


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
        (B, N), distance of each step from the mean of the season that ends there.
    trust
        (B, T, 1), how much of what earlier seasons let expect has come true lately: 0 for a series without a season.
    levels, drift
        (B, T, L) and (B, T, 1): of the series without its season; the drift per step.
    adjusted
        (B, T + SPAN - 1), the newest steps of the series without what earlier seasons let expect of them.
    """

    season: int
    blocks: int
    swing: Array
    trust: Array
    levels: Array
    drift: Array
    adjusted: Array

    def ahead(self, leads: Array, origins: Array, asked: slice, shift: Array) -> Array:
        """Forecasts (B, T', H, L + 1): each level with the season of the lead, and the last of them with the drift.

        ``leads`` (T', H) and ``origins`` (T', 1) are positions; ``asked`` says which of the T origins those are.
        """
        needed, back = np.unique(latest(leads, origins, self.season, shift), return_inverse=True)
        usual = faded(look_back(self.swing, needed, self.season, shift, self.blocks))  # (B, U)
        season = usual[:, back.reshape(leads.shape)] * self.trust[:, asked]  # (B, T', H)
        flat = self.levels[:, asked, None]  # (B, T', 1, L)
        carried = np.cumsum(DAMPING ** np.arange(1, leads.shape[1] + 1))[:, None]  # (H, 1)
        drifting = flat[..., -1:] + self.drift[:, asked, None] * carried  # (B, T', H, 1)
        return season[..., None] + np.concatenate([np.repeat(flat, len(carried), axis=2), drifting], axis=-1)


def parts(series: Array, season: int, shift: Array, lookback: int, count: int) -> Parts:
    """Take a series (B, N) apart at its last ``count`` steps; NaN where too little was observed."""
    steps = np.arange(series.shape[-1])
    number, total = (running(part, season) for part in (np.isfinite(series).astype(float), filled(series)))
    mean = np.where(number >= 0.75 * season, total / np.maximum(number, 1), np.nan)
    swing = series - mean
    blocks = depth(season, lookback)

    recent = steps[-(count + SPAN - 1) :]
    expected = faded(look_back(swing, recent - season, season, shift, blocks))
    there = np.isfinite(expected + swing[:, recent])
    known = (np.where(there, part, 0.0) for part in (1.0, series[:, recent], expected, swing[:, recent]))
    one, value, hoped, came = (np.ascontiguousarray(trailing(part, SPAN, count)) for part in known)  # (B, T, SPAN)
    trust = np.clip((hoped * came).sum(-1) / np.maximum((hoped**2).sum(-1), 1e-12), 0.0, 1.0)[..., None]
    share = one @ WEIGHTS
    levels = (value - trust * hoped) @ WEIGHTS / np.where(share > FAINT, share, np.nan)

    newest = steps[-count:]
    drift = (mean[:, newest] - look(mean, newest - season)) / season
    return Parts(
        season=season,
        blocks=blocks,
        swing=swing,
        trust=trust,
        levels=levels,
        drift=drift[..., None],
        adjusted=np.where(there, series[:, recent] - expected, np.nan),
    )


def running(series: Array, length: int) -> Array:
    """Sum of the last steps at each step, of fewer at the beginning; (B, N) to (B, N)."""
    total = np.cumsum(series, axis=-1)
    total[:, length:] -= total[:, :-length].copy()
    return total


def faded(sample: Array) -> Array:
    """Mean along the last axis, newest first, in which older seasons weigh less; NaN where nothing was seen."""
    weights = FADE ** np.arange(sample.shape[-1])
    share = np.isfinite(sample).astype(float) @ weights
    return filled(sample) @ weights / np.where(share > 0, share, np.nan)


def trailing(series: Array, length: int, count: int) -> Array:
    """The last ``length`` steps at each of the last ``count`` steps: (..., N) to (..., count, length), a view."""
    return sliding_window_view(series[..., series.shape[-1] - count - length + 1 :], length, axis=-1)
