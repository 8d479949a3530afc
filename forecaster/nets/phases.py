"""Where on the grid the same hour of an earlier day lies, and what was seen there.

Shape letters: **B** batch, **W** lookback, **H** horizon, **K** seasons looked back, **Q** levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.records import Array

BLOCKS = 28
"""Seasons a rolling climatology looks back: four weeks of days, the best on household load."""


def same_phase(steps: Array, back: int, season: int, shift: Array) -> Array:
    """Positions of the same local time ``back`` seasons before.

    Parameters
    ----------
    steps
        Positions on the grid, any shape.
    back, season
        How many seasons of how many steps.
    shift
        Offset of the local clock in steps at each position, as in :class:`forecaster.inputs.Inputs`.

    Returns
    -------
    Array
        Positions, same shape; they may lie outside of the grid, before it or (around a clock change) after it.

    Examples
    --------
    >>> shift = np.array([1, 1, 1, 0, 0, 0, 0, 0])  # the clock went back by one step before position 3
    >>> same_phase(np.array([5, 6, 7]), 1, 4, shift)
    array([0, 1, 3])
    """
    earlier = steps - back * season
    return earlier + np.take(shift, steps, mode="clip") - np.take(shift, earlier, mode="clip")


def latest(leads: Array, origins: Array, season: int, shift: Array) -> Array:
    """Newest position of the same phase as each lead that is known at its origin.

    ``leads`` and ``origins`` broadcast against each other; the result has their common shape.
    """
    back = -(-(leads - origins) // season)
    earlier = np.stack([same_phase(leads, k, season, shift) for k in range(back.max() + 2)])
    newest = np.take_along_axis(earlier, back[None], 0)[0]
    one_more = np.take_along_axis(earlier, back[None] + 1, 0)[0]  # the clock jumped: that hour is still to come
    return np.where(newest > origins, one_more, newest)


def look(values: Array, positions: Array) -> Array:
    """Values at positions along the last axis, NaN outside. Shape ``values.shape[:-1] + positions.shape``."""
    inside = (positions >= 0) & (positions < values.shape[-1])
    found = np.take(values, positions, axis=-1, mode="clip")
    return found if inside.all() else np.where(inside, found, np.nan)


def look_back(values: Array, positions: Array, season: int, shift: Array, blocks: int) -> Array:
    """The value at each position and at the same phase in the seasons before it.

    Returns
    -------
    Array
        ``values.shape[:-1] + positions.shape + (blocks,)``, newest first, NaN for gaps and outside.
    """
    return look(values, np.stack([same_phase(positions, k, season, shift) for k in range(blocks)], axis=-1))


def filled(values: Array) -> Array:
    """Gaps as 0; for sums, beside a count of what is there. (``np.nan_to_num`` is six times slower.)"""
    return np.where(np.isnan(values), 0.0, values)


def exponential(values: Array) -> Array:
    """e to the power of each; what is absurd stays finite."""
    found: Array = np.exp(np.clip(values, -80.0, 80.0))
    return found


def quantiles(sample: Array, levels: Sequence[float]) -> Array:
    """Empirical quantiles along the last axis, NaN left out; NaN when nothing is there.

    Linear between the order statistics, as numpy does it, but one fast sort for all rows and levels.

    Examples
    --------
    >>> quantiles(np.array([3.0, np.nan, 1.0, 2.0]), [0.0, 0.5, 0.75])
    array([1. , 2. , 2.5])
    """
    ordered = np.sort(sample, axis=-1)  # NaN last
    last = np.isfinite(ordered).sum(-1, keepdims=True) - 1
    place = np.asarray(levels) * np.maximum(last, 0)  # (..., Q)
    below = place.astype(np.intp)
    low = np.take_along_axis(ordered, below, -1)
    high = np.take_along_axis(ordered, np.minimum(below + 1, np.maximum(last, 0)), -1)
    return low + (place - below) * (high - low)
