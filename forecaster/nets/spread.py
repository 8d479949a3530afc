"""How far naive forecasts may be off: the distance of each quantile from what is repeated.

Of little that is known a guess is made, wide enough; the more has been seen, the more the range is what was seen.

Shape letters: **B** streams, **W** lookback, **H** horizon, **Q** levels, **K** values of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from forecaster.nets.phases import BLOCKS, filled, look, quantiles, same_phase
from forecaster.records import Array

PRIOR = 8
"""Differences that the wide guess made without any difference is worth."""

MANY = 32
"""Readings after which this guess is made as much of how they scatter as of the farthest of them."""

CAUTION = 2.0
"""How much farther a lead a season ahead may drift than was seen before that season was, as a part of that."""

SOME = 8
"""Leads at which it is found how far a stream drifts."""

ALIKE = 8
"""Seasons of differences until each counts in full: those of neighbours in time are much alike, and one season of them
may be worth no more than one."""


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

    As the stream has drifted so far, the wider the more of the season is yet to be seen, and the larger a part of it
    the lead is: a night teaches nothing about the morning. But not wider than a guess.

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
    unseen = np.maximum(0.0, 1 - np.isfinite(target).sum(-1) / season)[:, None, None]
    drift = (1 + unseen + CAUTION * ahead) * drifts(target, horizon, levels)
    guess = wide(target, levels)[:, None]
    return np.where(np.abs(drift) < np.abs(guess), drift, guess)


def since_begun(target: Array, horizon: int) -> Array:
    """Windows (B, W) without what is before the first reading of any, as long as a horizon at least."""
    first = int(np.isfinite(target).any(0).argmax())
    return target[:, max(0, min(first, target.shape[-1] - horizon - 1)) :]


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
    return np.maximum(guess, 1e-6 * np.abs(last) + 1e-9) * bell(levels)


def scatter(target: Array, levels: Sequence[float]) -> tuple[Array, Array]:
    """How far two readings that know nothing of each other lie apart, were they normal: windows (B, W) to (B, Q).

    Beside it how many readings there were, (B, 1).
    """
    count = np.isfinite(target).sum(-1, keepdims=True)
    there = np.maximum(count, 1)
    off = filled(target - filled(target).sum(-1, keepdims=True) / there)
    apart = np.sqrt(2 * (off**2).sum(-1, keepdims=True) / there)
    return apart * bell(levels), count


def bell(levels: Sequence[float]) -> Array:
    """Where levels lie on the standard normal distribution, (Q,)."""
    return np.array([NormalDist().inv_cdf(level) for level in levels])


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


def last_observed(target: Array) -> Array:
    """Newest observed value of each window (B, W), NaN when there is none. Shape (B,)."""
    seen = np.isfinite(target)
    newest = target.shape[-1] - 1 - np.argmax(seen[:, ::-1], axis=-1)
    return np.take_along_axis(target, newest[:, None], -1)[:, 0]
