"""From the quantiles of a forecast to its mean."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from forecaster.records import Array


def mean_of(quantiles: Array, levels: Sequence[float]) -> Array:
    """Mean of the distribution whose quantiles are a line between levels, on a normal scale.

    What a median cannot do, a mean can: the sum of the means of hours or homes is the mean of their sum. It is also
    the point that makes squared errors least (Gneiting 2011, Making and Evaluating Point Forecasts).

    Parameters
    ----------
    quantiles
        float64 (..., Q), never decreasing.
    levels
        Q of them, increasing. Beyond the first and the last the line goes on; of one level the mean is that quantile.

    Returns
    -------
    Array
        float64 (...), between the first quantile and the last; NaN where a quantile is.

    Examples
    --------
    >>> mean_of(np.array([[0.0, 1.0, 2.0], [0.5, 1.0, 4.0]]), (0.1, 0.5, 0.9)).round(3).tolist()
    [1.0, 1.778]
    """
    return np.clip(quantiles @ weights(levels), quantiles[..., 0], quantiles[..., -1])


def weights(levels: Sequence[float]) -> Array:
    """What each quantile counts in the mean, (Q,); together 1.

    The three-point approximations of decision analysis (Keefer and Bodily 1983), for any levels.

    Examples
    --------
    >>> weights((0.1, 0.5, 0.9)).round(3).tolist()
    [0.311, 0.377, 0.311]
    """
    if len(levels) == 1:
        return np.ones(1)
    bell = NormalDist()
    places = [bell.inv_cdf(level) for level in levels]
    ends = [-np.inf, *places[1:-1], np.inf]
    found = np.zeros(len(places))
    for left, (low, high) in enumerate(pairwise(ends)):  # the line from this place to the next
        part = bell.cdf(high) - bell.cdf(low)
        moment = bell.pdf(low) - bell.pdf(high)  # of the place, over this part of the bell
        right = (moment - places[left] * part) / (places[left + 1] - places[left])
        found[left : left + 2] += part - right, right
    return found
