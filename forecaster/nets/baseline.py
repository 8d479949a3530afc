"""The forecasts every network must beat, and what is published before there is a network.

numpy only: a daemon that has no model yet never loads torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from forecaster.nets.phases import BLOCKS, filled, latest, look, quantiles, same_phase
from forecaster.ports import Predictor
from forecaster.records import Array, Inputs
from forecaster.settings import Group

NAIVE = {"naive": "seasonal naive", "climatology": "climatology", "last_value": "the last value"}
"""Under which names :func:`naives`, in that order, are scored, and how they are said."""

PRIOR = 8
"""Differences that the wide guess made without any difference is worth."""

MANY = 32
"""Readings after which this guess is made as much of how they scatter as of the farthest of them."""

CAUTION = 2.0
"""A lead a season ahead drifts so many times farther, beyond once, than was seen before that season was."""

LATELY, HORIZONS = 128, 2
"""Steps, or horizons where that is more, from which it is told how far a stream drifts that has a season too, and a
season at least: after a night of nothing the day before tells what the morning may bring."""

SOME = 8
"""Leads at which it is found how far a stream drifts."""

ALIKE = 8
"""Seasons of differences until each counts in full: those of neighbours in time are much alike, and one season of them
may be worth no more than one."""


class SeasonalNaive:
    """As it was at the same local time one season ago, as uncertain as that has been in the window.

    A value that was not observed is replaced by the one a season earlier, and so on, and at last by the last value
    observed. The spread comes from the differences between values one season apart; while there are few of them it
    is mixed with a wide guess, so that one reading gives an interval about as wide as the reading is large. Where the
    last value stands in it comes from how the stream has drifted so far.

    Parameters
    ----------
    group
        Season, levels, horizon and bounds are taken from it. Without a season the last value is repeated, and the
        spread at a lead comes from the differences between values so many steps apart.
    """

    version = "seasonal_naive"
    warmup = 0
    second = None

    def __init__(self, group: Group) -> None:
        self.season = season_of(group)
        self.levels = group.levels
        self.bounds = group.bounds

    def initial_state(self, streams: int) -> Array:
        """Nothing is carried: float32 (streams, 0, 0, 0)."""
        return np.zeros((streams, 0, 0, 0), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        target, horizon = inputs.values[:, 0], inputs.future.shape[-1]
        last = last_observed(target)[:, None, None]
        if self.season == 1:
            return state, clip(last + drifts(target, horizon, self.levels), self.bounds)
        median = self._season_ago(target, seasons_back(inputs, self.season))
        forecast = median[..., None] + offsets(target, self.season, inputs.shift, self.levels)[:, None]  # (B, H, Q)
        new = np.isnan(median)
        rows = new.any(1)
        if rows.any():
            repeated = last[rows] + begun(target[rows], horizon, self.season, self.levels)
            forecast[rows] = np.where(new[rows, :, None], repeated, forecast[rows])
        return state, clip(forecast, self.bounds)

    def _season_ago(self, target: Array, back: Array) -> Array:
        """The newest value at the time of each lead, (B, H); NaN where none was ever observed."""
        median = look(target, back[:, 0])
        gaps = np.isnan(median).any(1)
        if gaps.any():
            sample = look(target[gaps], back)  # (B', H, K)
            newest = np.isfinite(sample).argmax(-1)[..., None]
            median[gaps] = np.take_along_axis(sample, newest, -1)[..., 0]
        return median


class Climatology:
    """What was seen at the same local time over the last four weeks of seasons: its quantiles.

    While few seasons are known the seasonal naive forecast stands in, in proportion to what is missing. On homes,
    whose days are not copies of each other, it is the hardest naive forecast to beat.
    """

    version = "climatology"
    warmup = 0
    second = None

    def __init__(self, group: Group) -> None:
        self._naive = SeasonalNaive(group)
        self._levels = group.levels
        self._bounds = group.bounds

    def initial_state(self, streams: int) -> Array:
        """Nothing is carried: float32 (streams, 0, 0, 0)."""
        return self._naive.initial_state(streams)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        sample = same_phases(inputs, self._naive.season)  # (B, H, K)
        known = np.isfinite(sample).sum(-1, keepdims=True)  # (B, H, 1)
        forecast = predictive(sample, self._levels)
        few = (known < PRIOR).any((1, 2))
        if few.any():
            rows = replace(inputs, values=inputs.values[few], future=inputs.future[few])
            _, naive = self._naive.step(state[few], rows)
            weight = np.minimum(1.0, known[few] / PRIOR)
            forecast[few] = weight * np.where(known[few] > 0, forecast[few], 0.0) + (1 - weight) * naive
        return state, clip(forecast, self._bounds)


class LastValue:
    """As it is now, ever less certain: what a tank or a bearing is like in a minute, whatever it was yesterday."""

    version = "last_value"
    warmup = 0
    second = None

    def __init__(self, group: Group) -> None:
        self._group = group
        self._lately = max(LATELY, HORIZONS * group.horizon, season_of(group))

    def initial_state(self, streams: int) -> Array:
        """Nothing is carried: float32 (streams, 0, 0, 0)."""
        return np.zeros((streams, 0, 0, 0), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        target, horizon, levels = inputs.values[:, 0], self._group.horizon, self._group.levels
        lately = target[:, -self._lately :]
        spread = drifts(lately, horizon, levels)
        few = np.isfinite(lately).sum(-1) < PRIOR
        if few.any():  # after a silence the steps before it tell more than a guess
            spread[few] = drifts(target[few], horizon, levels)
        return state, clip(last_observed(target)[:, None, None] + spread, self._group.bounds)


def naives(group: Group) -> tuple[Predictor, ...]:
    """The forecasts every network must beat, the first of them the one for a stream just begun.

    Without a season the first repeats the last value.
    """
    seasonal = SeasonalNaive(group), Climatology(group)
    return seasonal if season_of(group) == 1 else (*seasonal, LastValue(group))


def season_of(group: Group) -> int:
    """The smallest season that fits the lookback; 1, the last value, when none does."""
    return next((season for season in group.seasons if season < group.lookback), 1)


def last_observed(target: Array) -> Array:
    """Newest observed value of each window (B, W), NaN when there is none. Shape (B,)."""
    seen = np.isfinite(target)
    newest = target.shape[-1] - 1 - np.argmax(seen[:, ::-1], axis=-1)
    return np.take_along_axis(target, newest[:, None], -1)[:, 0]


def offsets(target: Array, season: int, shift: Array, levels: Sequence[float]) -> Array:
    """How far each quantile lies from the median of a seasonal naive forecast, of a season of several steps.

    The changes ``d`` over one season are taken as symmetric, so the offset at level q is the quantile of ``|d|`` at
    ``|2q - 1|`` with the sign of ``q - 1/2``.

    Parameters
    ----------
    target
        Windows, float64 (B, W), NaN for gaps.

    Returns
    -------
    Array
        float64 (B, Q), increasing along Q, never all 0; NaN when nothing was observed.
    """
    width = target.shape[-1]
    recent = np.arange(max(0, width - BLOCKS * season), width)
    change = np.abs(target[:, recent[0] :] - look(target, same_phase(recent, 1, season, shift)))  # (B, n)
    count = np.isfinite(change).sum(-1, keepdims=True)  # (B, 1)
    worth = count * np.minimum(1.0, count / (ALIKE * season))
    apart, readings = scatter(target[:, -ALIKE * season :], levels)  # by then the guess counts for little
    guess = (MANY * wide(target, levels) + readings * apart) / (MANY + readings)
    return (worth * symmetric(change, levels) + PRIOR * guess) / (worth + PRIOR)


def begun(target: Array, horizon: int, season: int, levels: Sequence[float]) -> Array:
    """How far each quantile lies from the last value where a time of the season is yet to be seen.

    As the stream has drifted so far, and more cautious the larger a part of the season is ahead: after a night the
    morning is not known. But not wider than a guess.

    Parameters
    ----------
    target
        Windows, float64 (B, W), NaN for gaps.

    Returns
    -------
    Array
        float64 (B, H, Q), increasing along Q, never all 0; NaN when nothing was observed.
    """
    ahead = np.arange(1, horizon + 1)[:, None] / season
    drift = (1 + CAUTION * ahead) * drifts(target, horizon, levels)
    guess = wide(target, levels)[:, None]
    return np.where(np.abs(drift) < np.abs(guess), drift, guess)


def drifts(target: Array, horizon: int, levels: Sequence[float]) -> Array:
    """How far each quantile lies from the last value at each lead, by how far values so many steps apart have lain.

    What wanders lies ever farther, what scatters about a level does not. Their quantiles are found at a few leads, and
    in between.

    Parameters
    ----------
    target
        Windows, float64 (B, W), NaN for gaps.

    Returns
    -------
    Array
        float64 (B, H, Q), increasing along Q, never all 0; NaN when nothing was observed.
    """
    leads = np.unique(np.geomspace(1, max(1, min(horizon, target.shape[-1] - 1)), SOME).round().astype(np.intp))  # (L,)
    counts, sizes = [], []
    for lead in leads.tolist():  # one after the other, in memory that is still at hand
        change = np.abs(target[:, lead:] - target[:, :-lead])
        counts.append(np.isfinite(change).sum(-1))
        sizes.append(symmetric(change, levels))
    count, apart = np.stack(counts, -1)[..., None], np.stack(sizes, 1)  # (B, L, 1) and (B, L, Q)
    lead = np.arange(1, horizon + 1)
    near = np.stack([np.interp(np.log(lead), np.log(leads), one) for one in np.eye(len(leads))], 1)  # (H, L)
    known, observed = near @ count, near @ (count * apart)  # (B, H, 1) and (B, H, Q)
    lead = lead[:, None]
    doubt = PRIOR / (1 + known / lead / PRIOR)  # a guess for any lead is none for the next step once many are known
    readings = np.maximum(np.isfinite(target).sum(-1), 1)[:, None, None]
    guess = np.sqrt(np.maximum(lead / readings, 1)) * wide(target, levels)[:, None]  # farther than was ever seen
    return (observed + doubt * guess) / (known + doubt)


def symmetric(change: Array, levels: Sequence[float]) -> Array:
    """Quantiles of changes whose sizes (B, n) are known, to both sides alike; 0 when none is. Shape (B, Q)."""
    side = np.asarray(levels) * 2 - 1
    known = np.isfinite(change).any(-1, keepdims=True)
    return np.sign(side) * np.where(known, quantiles(change.astype(np.float32), np.abs(side)), 0.0)


def wide(target: Array, levels: Sequence[float]) -> Array:
    """A guess that is wide enough for the little that is known of a stream: windows (B, W) to (B, Q)."""
    last = last_observed(target)[:, None]
    readings = np.isfinite(target).sum(-1, keepdims=True)
    highest, lowest = (end.reduce(target, -1, keepdims=True) for end in (np.fmax, np.fmin))
    seen = np.maximum(highest - last, last - lowest)  # the farthest of few readings is not the farthest
    guess = np.maximum(seen * (1 + PRIOR / np.maximum(readings, 1)), np.abs(last) * 0.5 ** (readings - 1.0))
    bell = np.array([NormalDist().inv_cdf(level) for level in levels])
    return np.maximum(guess, 1e-6 * np.abs(last) + 1e-9) * bell


def scatter(target: Array, levels: Sequence[float]) -> tuple[Array, Array]:
    """How far two readings that know nothing of each other lie apart, were they normal: windows (B, W) to (B, Q).

    Beside it how many readings there were, (B, 1).
    """
    count = np.isfinite(target).sum(-1, keepdims=True)
    there = np.maximum(count, 1)
    off = filled(target - filled(target).sum(-1, keepdims=True) / there)
    apart = np.sqrt(2 * (off**2).sum(-1, keepdims=True) / there)
    return apart * np.array([NormalDist().inv_cdf(level) for level in levels]), count


def predictive(sample: Array, levels: Sequence[float]) -> Array:
    """Quantiles between which the next value of a sample lies as often as they say, (..., K) to (..., Q).

    The k-th smallest of n stands at level k / (n + 1), not at (k - 1) / (n - 1): of few values the outermost are not
    the ends. Beyond them the distance between the last two is added for each halving of the level, an exponential tail.
    NaN is left out; NaN when nothing is there.

    References
    ----------
    Hyndman & Fan (1996), "Sample quantiles in statistical packages", The American Statistician 50(4), definition 6.

    Examples
    --------
    >>> predictive(np.array([3.0, np.nan, 1.0, 2.0]), [0.1, 0.5, 0.75])
    array([-0.32192809,  2.        ,  3.        ])
    """
    ordered = np.sort(sample, axis=-1)  # NaN last
    known = np.maximum(np.isfinite(ordered).sum(-1) - 1, 0)  # index of the last that is
    last = np.arange(sample.shape[-1])[:, None]  # all that can be: found once for each
    under, over = np.asarray(levels) * (last + 2), (1 - np.asarray(levels)) * (last + 2)  # (K, Q)
    place = np.where(under < 1, np.log2(under), np.where(over < 1, last - np.log2(over), under - 1))
    below = np.clip(np.floor(place).astype(np.intp), 0, np.maximum(last - 1, 0))
    low = np.take_along_axis(ordered, below[known], -1)
    high = np.take_along_axis(ordered, np.minimum(below + 1, last)[known], -1)
    return low + (place - below)[known] * (high - low)


def climatology(inputs: Inputs, season: int, levels: Sequence[float]) -> Array:
    """Quantiles of what was seen at the same local time in the last 28 seasons of the window.

    Returns
    -------
    Array
        float64 (B, H, Q), increasing along Q; NaN where that time of the season was never observed.
    """
    return quantiles(same_phases(inputs, season), levels)


def same_phases(inputs: Inputs, season: int) -> Array:
    """What was seen at the local time of each lead in the last 28 seasons; float64 (B, H, K), NaN for gaps."""
    return look(inputs.values[:, 0], seasons_back(inputs, season)[:, :BLOCKS])


def seasons_back(inputs: Inputs, season: int) -> Array:
    """Positions in the window of the local time of each lead, the newest that is known first; int64 (H, K)."""
    return _seasons_back(inputs.shift.tobytes(), inputs.values.shape[-1], inputs.future.shape[-1], season)


@lru_cache(maxsize=64)  # the same from origin to origin until the clock changes, and dear beside one forecast
def _seasons_back(shift: bytes, width: int, horizon: int, season: int) -> Array:
    offset = np.frombuffer(shift, np.int64)
    newest = latest(width + np.arange(horizon), np.array(width - 1), season, offset)
    return np.stack([same_phase(newest, k, season, offset) for k in range(-(-width // season))], axis=-1)


def clip(values: Array, bounds: tuple[float | None, float | None]) -> Array:
    """Within the physical limits."""
    low, high = bounds
    return values if low is None and high is None else np.clip(values, low, high)
