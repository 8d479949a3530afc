"""Spikes: a value far beyond all that is remembered of a stream is drawn in before anything learns from it.

A meter that says 65535 once would otherwise be in every mean and every range for as long as it is remembered. What lies
farther outside of what is remembered than that is wide is put there; so are two such values, and the third is believed:
the world has changed. On real series that is one value in a thousand at most. The history keeps what came, and an
anomaly is judged by it.

References
----------
Tukey (1962), "The Future of Data Analysis", Annals of Mathematical Statistics 33(1): winsorizing.
"""

from __future__ import annotations

import numpy as np

from forecaster.records import Array

FEWEST, SEASONS = 8, 2
"""A stream is known well enough once so many values, and so many seasons, are remembered."""

CHUNK = 128
"""Series looked at together; bounds the memory."""

DRAWN_IN = 2
"""Spikes within what is remembered; the next is believed."""


def enough(season: int) -> int:
    """Values that must be remembered before one can be a spike."""
    return max(FEWEST, SEASONS * season)


def drawn_in(values: Array, lowest: Array, highest: Array) -> Array:
    """Values drawn in to as far outside of what is remembered, from ``lowest`` to ``highest``, as that is wide.

    Where all that is remembered is one value nothing is drawn in: a dead sensor may awake. All of the same shape.

    Examples
    --------
    >>> drawn_in(np.array([5.0, 65535.0, 7.0]), np.array([0.0, 0.0, 3.0]), np.array([10.0, 10.0, 3.0]))
    array([ 5., 20.,  7.])
    """
    reach = np.where(highest > lowest, highest - lowest, np.inf)
    return np.clip(values, lowest - reach, highest + reach)


def winsorized(values: Array, past: int, season: int) -> Array:
    """Series (S, T) as a service that remembers ``past`` steps takes them in; NaN stays NaN."""
    taken = values.copy()
    for first in range(0, len(values), CHUNK):
        some = taken[first : first + CHUNK]
        count = np.pad(np.isfinite(some).cumsum(-1), ((0, 0), (past + 1, 0)))[:, : some.shape[1] + past]
        known = count[:, past:] - count[:, : some.shape[1]] >= enough(season)
        spikes, _, _ = _spikes(some, known, past)
        for row in np.flatnonzero(spikes.any(-1)).tolist():
            _take_in(some[row], known[row], past)
    return taken


def _take_in(series: Array, known: Array, past: int) -> None:
    """Draw in the spikes of one series (T,), one after the other: each changes what is remembered after it."""
    drawn, last = [-past - 1] * DRAWN_IN, -1
    while True:
        spikes, lowest, highest = _spikes(series, known, past)
        later = np.flatnonzero(spikes[last + 1 :])
        if not later.size:
            return
        last += 1 + int(later[0])
        if drawn[-DRAWN_IN] < last - past:
            series[last] = drawn_in(series[last], lowest[last], highest[last])
            drawn.append(last)


def _spikes(values: Array, known: Array, past: int) -> tuple[Array, Array, Array]:
    """Which of (…, T) lie far outside of the ``past`` steps before them, and the ends of these."""
    lowest, highest = (trailing(values, past, extreme) for extreme in (np.fmin, np.fmax))
    return known & np.isfinite(values) & (drawn_in(values, lowest, highest) != values), lowest, highest


def trailing(values: Array, past: int, extreme: np.ufunc) -> Array:
    """Smallest or largest of the ``past`` values before each of (…, T), by ``np.fmin`` or ``np.fmax``; NaN where none.

    References
    ----------
    van Herk (1992), "A fast algorithm for local minimum and maximum filters", Pattern Recognition Letters 13(7): of any
    window there is a beginning known from behind, and an end known from before.

    Examples
    --------
    >>> trailing(np.array([3.0, 1.0, 2.0, 5.0]), 2, np.fmin)
    array([nan,  3.,  1.,  1.])
    """
    steps = values.shape[-1]
    before = [(0, 0)] * (values.ndim - 1)
    padded = np.pad(values, [*before, (past, -steps % past)], constant_values=np.nan)
    blocks = padded.reshape(*values.shape[:-1], -1, past)
    ends = extreme.accumulate(blocks, -1).reshape(padded.shape)
    beginnings = extreme.accumulate(blocks[..., ::-1], -1)[..., ::-1].reshape(padded.shape)
    found: Array = extreme(beginnings[..., :steps], ends[..., past - 1 : past - 1 + steps])
    return found
