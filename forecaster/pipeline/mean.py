"""From the quantiles of a forecast to its mean."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose
from statistics import NormalDist

import numpy as np

from forecaster.records import Array

INNER, OUTER = 0.1, 0.025
"""The levels below the median, and above as much, that tell the mean best."""


def mean_of(quantiles: Array, levels: Sequence[float]) -> Array:
    """Mean of the distribution, which is what may be summed: the median of a sum is not the sum of medians.

    Parameters
    ----------
    quantiles
        float64 (..., Q), never decreasing.
    levels
        Q of them, increasing, 0.5 among them.

    Returns
    -------
    Array
        float64 (...), between the first quantile and the last; NaN where a quantile is.

    Examples
    --------
    >>> mean_of(np.array([[0.0, 1.0, 2.0], [0.5, 1.0, 4.0]]), (0.1, 0.5, 0.9)).round(3).tolist()
    [1.0, 1.761]
    """
    return np.clip(quantiles @ weights(levels), quantiles[..., 0], quantiles[..., -1])


def weights(levels: Sequence[float]) -> Array:
    """What each quantile counts in the mean, (Q,); together 1.

    The median and one or two pairs of levels as far below as above it, weighted so that the mean of any polynomial of a
    normal variable is right up to the third or fifth power. Without such a pair the median stands for the mean.

    References
    ----------
    Keefer & Bodily (1983), "Three-point approximations for continuous random variables", Management Science 29(5).

    Examples
    --------
    >>> weights((0.1, 0.5, 0.9)).round(3).tolist()
    [0.304, 0.391, 0.304]
    >>> weights((0.025, 0.1, 0.5, 0.9, 0.975)).round(3).tolist()
    [0.08, 0.116, 0.606, 0.116, 0.08]
    """
    middle = levels.index(0.5)
    pairs = [
        (low, high)
        for low in range(middle)
        for high in range(middle + 1, len(levels))
        if isclose(levels[low] + levels[high], 1)
    ]
    nearest = [min(pairs, key=lambda pair: abs(levels[pair[0]] - one)) for one in (INNER, OUTER) if pairs]
    found = np.zeros(len(levels))
    found[middle] = 1
    for chosen in (nearest, nearest[:1]):
        squares = np.array([NormalDist().inv_cdf(levels[low]) ** 2 for low, _ in chosen])
        if len(set(chosen)) == len(chosen) > 0:
            moments = np.array([1.0, 3.0])[: len(chosen)]  # the second and the fourth
            each = np.linalg.solve(np.vander(squares, increasing=True).T * squares, moments) / 2
            if each.min() >= 0 and each.sum() <= 0.5:
                found[[place for pair in chosen for place in pair]] = np.repeat(each, 2)
                found[middle] = 1 - 2 * each.sum()
                break
    return found
