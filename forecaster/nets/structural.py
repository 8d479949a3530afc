"""Structural models of a series with a short season, averaged by how likely each makes what came.

Each is a level that wanders, a season that may change, and either no slope or a constant one; a Kalman filter weighs
the past for it, from nothing known. How much each part wanders is not fitted: a bank of settings is run, and the
posterior of each says how much it counts, in the data and in their logarithms. Short series are where this matters:
nothing is chosen before it is known, a slope or a season is believed as far as it has shown.

While the steps are evenly spaced a filter's gains depend only on how many there were. So what it knows is a weighted
sum over the window, computed as such: no state, the same in training and serving. A gap is bridged by the season.

Shape letters: **B** batch, **N** steps, **T** origins, **T'** those that forecast, **H** horizon, **L** settings,
**D** parts of a state, **M** steps of a window.

References
----------
Harvey (1989), "Forecasting, Structural Time Series Models and the Kalman Filter", Cambridge. Hoeting, Madigan, Raftery
& Volinsky (1999), "Bayesian Model Averaging: A Tutorial", Statistical Science 14(4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.nets.phases import exponential, filled, look
from forecaster.nets.smoothing import sums, trailing
from forecaster.records import Array

LONGEST = 13
"""Longest season, in steps: the work grows with its cube."""

LEVELS = (0.0, 0.02, 0.1, 0.5, 3.0)
SEASONS = ((0.0, 0.0), (0.0, 3.0), (0.02, 3.0))
SLOPES = (0.0, 0.03)
"""The bank, in units of the variance of the noise: how much a level wanders in a step; how much a season does, and how
large it is expected to be; how large a slope is expected to be. 0, 0 is no season, 0 no slope."""

SETTINGS = tuple(product(SLOPES, SEASONS, LEVELS))

TEMPER = 0.5
"""Power of the likelihood: no setting is the truth, so evidence counts less than it would."""

DEEPEST, SHALLOWEST = 10, 3
"""Seasons of a window, and of the steps on which the settings are tried: at most, and at least to make sense."""

BRIDGED = 3
"""Seasons back that a gap is filled from."""

TINY, TINIEST = 1e-10, 1e-300


def depth(season: int, lookback: int) -> int:
    """Seasons of a window, and of the steps on which settings are tried; 0 where season or lookback do not fit."""
    if not 1 < season <= LONGEST:
        return 0
    fits = min(DEEPEST, (lookback - BRIDGED * season - 1) // (2 * season))
    return fits if fits >= SHALLOWEST else 0


@dataclass(frozen=True, slots=True)
class Bank:
    """What the filters know after 1 … M steps, as weights of those steps, the oldest first; lists begin with 0 steps.

    Attributes
    ----------
    states
        (n, L, D): level, slope, and the season from the last step on.
    expected
        (n, L), of the step after.
    variance
        (M + 1, L, H), of the error of each lead in units of the noise, the first that of ``expected``.
    """

    states: list[Array]
    expected: list[Array]
    variance: Array


@cache
def bank(season: int, window: int, horizon: int) -> Bank:
    """Run the filters over steps that are all there."""
    size = 2 + season
    around = np.eye(season) - 1 / season
    move = np.zeros((size, size))
    move[:2, :2] = [[1, 1], [0, 1]]
    move[2:, 2:] = np.roll(np.eye(season), -1, axis=0)
    sees = np.zeros(size)
    sees[[0, 2]] = 1
    noise, spread = np.zeros((2, len(SETTINGS), size, size))
    for number, (slope, (turning, swing), wandering) in enumerate(SETTINGS):
        noise[number, 0, 0], noise[number, 2:, 2:] = wandering, turning * around
        spread[number, 1, 1], spread[number, 2:, 2:] = slope, swing * around
    # of the level nothing is known: the first step is taken for it, wrong by noise and season
    spread[:, 0], spread[:, :, 0] = -spread @ sees, -spread @ sees
    spread[:, 0, 0] = 1 - spread[:, 0] @ sees
    reach = [sees]
    for _ in range(horizon):
        reach.append(reach[-1] @ move)
    before, after = np.array(reach[:-1]), np.array(reach[1:])  # (H, D), what a part of the state is worth at each lead
    wander = 1 + np.cumsum(np.einsum("hd,lde,he->lh", before, noise, before, optimize=True), axis=-1)
    weights = np.zeros((len(SETTINGS), size, 1))
    weights[:, 0] = 1
    states, expected, variance = [weights[..., :0]], [weights[:, 0, :0].T], [np.full((len(SETTINGS), horizon), np.nan)]
    for _ in range(window):
        states.append(np.ascontiguousarray(weights.transpose(2, 0, 1)))
        variance.append(wander + np.einsum("hd,lde,he->lh", after, spread, after, optimize=True))
        spread, weights = move @ spread @ move.T + noise, move @ weights
        expected.append(np.ascontiguousarray((sees @ weights).T))
        gain = spread @ sees / variance[-1][:, :1]  # (L, D)
        spread = spread - gain[:, :, None] * (spread @ sees)[:, None]
        weights = np.concatenate([weights - gain[:, :, None] * (sees @ weights)[:, None], gain[..., None]], -1)
    return Bank(states, expected, np.stack(variance))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """What the bank knows of a series; NaN where nothing was observed.

    Attributes
    ----------
    evidence
        (B, T, L), tempered logarithm of the likelihood of each setting; 0 before anything was tried.
    error
        (B, T, L), standard deviation of the noise.
    states
        (B, T', 2, D), without and with a slope: level, slope, season from the origin on.
    spread
        (B, T', H), how far each lead is expected to be off.
    total
        (B, T), sum of the steps on which the settings were tried.
    """

    evidence: Array
    error: Array
    states: Array
    spread: Array
    total: Array

    def ahead(self, horizon: int) -> Array:
        """Forecasts (B, T', H, 2): without a slope, and with."""
        lead = np.arange(1, horizon + 1)
        level, slope, season = self.states[..., :1], self.states[..., 1:2], self.states[..., 2:]
        return np.swapaxes(level + slope * lead + season[..., lead % season.shape[-1]], -1, -2)


def filtered(series: Array, season: int, lookback: int, horizon: int, asked: slice, count: int) -> Filtered:
    """Run the bank over a series (B, N) to its last ``count`` steps; states at those of them that are asked for."""
    deep = depth(season, lookback) * season
    tools = bank(season, deep, horizon)
    value, age = bridged(series, season)
    age = np.minimum(age, deep)
    evidence, error, total = tried(series, value, age, tools, count)

    weight = share(evidence[:, asked]) * error[:, asked]  # (B, T', L)
    halves = np.stack([share(part) for part in np.split(evidence[:, asked], 2, axis=-1)], axis=-2)  # (B, T', 2, L / 2)
    states = np.full((*halves.shape[:3], 2 + season), np.nan)
    spread = np.full((*halves.shape[:2], horizon), np.nan)
    for length, rows, windows in by_age(value, age, np.arange(-count, 0)[asked] + len(series[0]), deep):
        known = (windows @ tools.states[length].reshape(length, -1)).reshape(len(windows), 2, -1, 2 + season)
        states[rows] = np.einsum("psl,psld->psd", halves[rows], known)
        spread[rows] = weight[rows] @ np.sqrt(tools.variance[length])
    return Filtered(evidence=evidence, error=error, states=states, spread=spread, total=total)


def tried(series: Array, value: Array, age: Array, tools: Bank, count: int) -> tuple[Array, Array, Array]:
    """Evidence and error (B, T, L) and the sum (B, T) of the steps they come from; see :class:`Filtered`."""
    deep = len(tools.states) - 1
    steps = np.arange(1 - count - deep, 0) + len(series[0])
    hoped, wide = np.full((2, len(series), len(steps), len(SETTINGS)), np.nan)
    for length, rows, windows in by_age(value, age, steps - 1, deep):
        hoped[rows] = windows @ tools.expected[length]
        wide[rows] = tools.variance[length, :, 0]
    known = np.isfinite(series[:, steps]) & np.isfinite(hoped[..., 0])
    came = np.where(known, series[:, steps], 0.0)
    number, total, squares = (sums(part, deep) for part in (known.astype(float), came, came**2))  # (B, T)
    missed, width = (
        sums(np.where(known[..., None], part, 0.0), deep, axis=1)
        for part in ((came[..., None] - hoped) ** 2 / wide, np.log(wide))
    )  # (B, T, L)
    times = np.maximum(number, 1)[..., None]
    variance = (missed + TINY * squares[..., None] + TINIEST) / times
    evidence = np.where(number[..., None] > 1, -TEMPER / 2 * (times * np.log(variance) + width), 0.0)
    return evidence, np.sqrt(variance), total


def by_age(value: Array, age: Array, steps: Array, deep: int) -> Iterator[tuple[int, tuple[Array, ...], Array]]:
    """Windows that end at some steps, those of one length together: the length, where they are, and they (P, n)."""
    there = age[:, steps]
    windows = sliding_window_view(value, deep, axis=-1)
    for length in np.unique(there[there > 0]).tolist():
        rows = np.nonzero(there == length)
        yield length, rows, windows[rows[0], steps[rows[1]] - deep + 1, deep - length :]


def share(evidence: Array) -> Array:
    """Posterior along the last axis."""
    odds = np.exp(evidence - evidence.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def bridged(series: Array, season: int) -> tuple[Array, Array]:
    """A series (B, N) with its gaps filled, and since how many steps it has none that cannot be.

    A gap takes the value of a season before, or two, or three, else the last of the season before it.
    """
    steps = np.arange(series.shape[-1])
    seen = np.isfinite(series)
    value = series
    for back in range(1, BRIDGED + 1):
        value = np.where(np.isfinite(value), value, look(series, steps - back * season))
    newest = np.maximum.accumulate(np.where(seen, steps, -season), axis=-1)
    last = np.where(steps - newest < season, np.take_along_axis(series, np.maximum(newest, 0), -1), np.nan)
    value = np.where(np.isfinite(value), value, last)
    broken = np.maximum.accumulate(np.where(np.isfinite(value), -1, steps), axis=-1)
    return filled(value), steps - broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What the models tell of a target at T origins.

    Attributes
    ----------
    candidates
        (B, T', H, 5): without a slope and with, in the data and in logarithms, and all of them together; :data:`NAMES`.
    spread
        (B, T', H), how far each lead is expected to be off.
    posterior
        (B, T, 5): of logarithms; of a slope and of a season, in the data and in logarithms.
    error
        (B, T), standard deviation of the noise in the data.
    """

    candidates: Array
    spread: Array
    posterior: Array
    error: Array


NAMES = ("no slope", "slope", "no slope in logarithms", "slope in logarithms", "structural")


def structure(target: Array, season: int, lookback: int, horizon: int, asked: slice, count: int) -> Structure:
    """Both domains of a target (B, N), and all together by what is likely."""
    positive = np.where(target > 0, target, np.nan)
    plain, ratio = (filtered(series, season, lookback, horizon, asked, count) for series in (target, np.log(positive)))
    refused = trailing((target <= 0).astype(float), 2 * depth(season, lookback) * season, count).max(-1) > 0  # (B, T)
    likely = [logmean(plain.evidence), logmean(ratio.evidence) - TEMPER * ratio.total]  # of the same data
    of_ratio = share(np.stack([likely[0], np.where(refused, -np.inf, likely[1])], axis=-1))[..., 1]  # (B, T)

    slopes, seasons = zip(*(believed(share(found.evidence)) for found in (plain, ratio)), strict=True)
    added = plain.ahead(horizon)
    multiplied = exponential(ratio.ahead(horizon))
    multiplied[refused[:, asked]] = np.nan
    sloping = [slope[:, asked, None, None] for slope in slopes]
    means = [
        (part * np.concatenate([1 - p, p], axis=-1)).sum(-1)
        for part, p in zip((added, multiplied), sloping, strict=True)
    ]
    p = of_ratio[:, asked, None]
    joint, spread = (
        np.where(p > 0, (1 - p) * one + p * filled(other), one)
        for one, other in (means, (plain.spread, ratio.spread * means[1]))
    )
    return Structure(
        candidates=np.concatenate([added, multiplied, joint[..., None]], axis=-1),
        spread=spread,
        posterior=np.stack([of_ratio, *slopes, *seasons], axis=-1),
        error=(share(plain.evidence) * plain.error).sum(-1),
    )


def believed(posterior: Array) -> tuple[Array, Array]:
    """Probability (B, T) of a slope, and of a season."""
    parts = posterior.reshape(*posterior.shape[:2], len(SLOPES), len(SEASONS), len(LEVELS)).sum(-1)
    return parts[..., 1:, :].sum((-1, -2)), parts[..., 1:].sum((-1, -2))


def logmean(evidence: Array) -> Array:
    """Logarithm of the mean of what these are logarithms of, along the last axis."""
    best = evidence.max(-1, keepdims=True)
    return best[..., 0] + np.log(np.exp(evidence - best).mean(-1))
