"""The forecasts every network must beat, and what is published before there is a network.

numpy only: a daemon that has no model yet never loads torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from forecaster.inputs import Inputs
from forecaster.nets.phases import BLOCKS, filled, latest, look, quantiles, same_phase
from forecaster.nets.spread import PRIOR, begun, drifts, last_observed, offsets, predictive, since_begun
from forecaster.ports import Predictor
from forecaster.records import Array
from forecaster.settings import Group

NAIVE = {"naive": "seasonal naive", "climatology": "climatology", "smart_persistence": "smart persistence"}
"""Under which names :func:`naives`, in that order, are scored, and how they are said."""

LATELY, HORIZONS = 128, 2
"""Steps, or horizons where that is more, from which it is told how far a stream drifts that has a season too, and a
season at least: after a night of nothing the day before tells what the morning may bring."""

TINY = 1e-300
"""Stands for a sum of squares that is 0."""


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
            known = since_begun(target[rows], horizon)
            repeated = last[rows] + begun(known, horizon, self.season, self.levels)
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


class SmartPersistence:
    """As it is now, moved on as it usually moves from this time of the season, as far as that has come true.

    Where it has not, the last value stands, ever less certain: what a tank or a bearing is like in a minute, whatever
    it was yesterday. In between the quantiles are means of both.

    References
    ----------
    Yang (2019), "Making reference solar forecasts with climatology, persistence, and their optimal convex combination",
    Solar Energy 193, where the usual course is that of a clear sky.
    """

    version = "smart_persistence"
    warmup = 0
    second = None

    def __init__(self, group: Group) -> None:
        self._group = group
        self._season = season_of(group)
        self._median = group.levels.index(0.5)
        self._lately = max(LATELY, HORIZONS * group.horizon, self._season)

    def initial_state(self, streams: int) -> Array:
        """Nothing is carried: float32 (streams, 0, 0, 0)."""
        return np.zeros((streams, 0, 0, 0), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        target, horizon, levels = inputs.values[:, 0], self._group.horizon, self._group.levels
        lately = target[:, -self._lately :]
        ahead = drifts(lately, horizon, levels)
        few = np.isfinite(lately).sum(-1) < PRIOR
        if few.any():  # after a silence the steps before it tell more than a guess
            ahead[few] = drifts(target[few], horizon, levels)
        part = came_again(inputs, self._season)
        some = np.flatnonzero(part)
        if some.size:
            sample = moves(target[some], seasons_back(inputs, self._season)[:, :BLOCKS])  # (B', H, K)
            known = np.isfinite(sample).sum(-1, keepdims=True)
            usual, part = predictive(sample, levels), part[some, None, None]
            middle = usual[..., self._median, None]
            told = part * np.minimum(1.0, known / PRIOR)  # of few, how far is told better than how widely
            moved = part * middle + told * (usual - middle - ahead[some])
            ahead[some] += np.where(known > 0, moved, 0.0)
        return state, clip(last_observed(target)[:, None, None] + ahead, self._group.bounds)


def moves(target: Array, back: Array) -> Array:
    """How far streams (B, W) were at positions (H, K) from as many steps before as each lead is from the last value.

    Shape (B, H, K), NaN for gaps.
    """
    ahead = np.arange(1, len(back) + 1)[:, None]
    since = np.isfinite(target)[:, ::-1].argmax(-1)  # steps since the last value
    found, ages = look(target, back), np.unique(since).tolist()
    for age in ages:
        rows = since == age if len(ages) > 1 else slice(None)
        found[rows] -= look(target[rows], back - ahead - age)
    return found


def came_again(inputs: Inputs, season: int) -> Array:
    """Part of the usual changes from step to step that came again: (B,), from 0 to 1.

    A regression of the changes of each season on the mean of those of the others at the same time, in one pass: with
    their sum ``t`` and that of their squares ``q`` the n sums without one of them need not be made.
    """
    width = inputs.values.shape[-1]
    seasons = min(BLOCKS, (width - 1) // season)
    step = _seasons_back(inputs.shift.tobytes(), width - season, season, width, season)[:, :seasons]
    change = look(inputs.values[:, 0], step)  # (B, S, K)
    change -= look(inputs.values[:, 0], step - 1)
    n, change = np.isfinite(change).sum(-1), filled(change)
    t, q = change.sum(-1), np.einsum("bsk,bsk->bs", change, change)
    others = np.maximum(n - 1, 1)
    both, own = (t * t - q) / others, ((n - 2) * t * t + q) / others**2
    both, own = (np.where(n > 1, part, 0.0).sum(-1) for part in (both, own))
    return np.clip(both / np.maximum(own, TINY), 0.0, 1.0)


def naives(group: Group) -> tuple[Predictor, ...]:
    """The forecasts every network must beat, the first of them the one for a stream just begun.

    Without a season the first repeats the last value.
    """
    seasonal = SeasonalNaive(group), Climatology(group)
    return seasonal if season_of(group) == 1 else (*seasonal, SmartPersistence(group))


def season_of(group: Group) -> int:
    """The smallest season that fits the lookback; 1, the last value, when none does."""
    return next((season for season in group.seasons if season < group.lookback), 1)


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
    width = inputs.values.shape[-1]
    return _seasons_back(inputs.shift.tobytes(), width, inputs.future.shape[-1], width, season)


@lru_cache(maxsize=64)  # the same from origin to origin until the clock changes, and dear beside one forecast
def _seasons_back(shift: bytes, first: int, count: int, width: int, season: int) -> Array:
    offset = np.frombuffer(shift, np.int64)
    newest = latest(first + np.arange(count), np.array(width - 1), season, offset)
    return np.stack([same_phase(newest, k, season, offset) for k in range(-(-width // season))], axis=-1)


def clip(values: Array, bounds: tuple[float | None, float | None]) -> Array:
    """Within the physical limits."""
    low, high = bounds
    return values if low is None and high is None else np.clip(values, low, high)
