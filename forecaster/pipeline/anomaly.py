"""How unusual a value is, judged by the forecast made before it came."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from forecaster.records import Array

LIMIT = 0.995
"""Level of the upper end of the 99 % range, beyond which a score is above 1."""


def anomaly(truth: Array, quantiles: Array, levels: Sequence[float]) -> Array:
    """Distance from the median in units of the 99 % range on that side; above 1 the value lies outside it.

    The range is drawn out from the outermost levels as a normal distribution's would be; a side without a level is as
    wide as the other.

    Parameters
    ----------
    truth, quantiles
        (B,), and what was forecast for it one step before, (B, Q).

    Returns
    -------
    Array
        (B,), never negative, at most 1000; NaN where there was no forecast, or no level but the median.

    Examples
    --------
    >>> anomaly(np.array([1.0, 3.0]), np.array([[0.0, 1.0, 2.0]] * 2), (0.025, 0.5, 0.975)).round(2)
    array([0.  , 1.52])
    """
    median = quantiles[:, levels.index(0.5)]
    bell = NormalDist()
    ends = [end for end in (0, -1) if levels[end] != 0.5]
    if not ends:
        return np.full(truth.shape, np.nan)
    sides = [(quantiles[:, end] - median) * (bell.inv_cdf(LIMIT) / bell.inv_cdf(levels[end])) for end in ends]
    reach = np.where(truth >= median, sides[-1], sides[0])
    nearly_none = 1e-6 * np.maximum(np.abs(median), 1.0)  # a forecast without width
    return np.minimum(np.abs(truth - median) / np.maximum(reach, nearly_none), 1000.0)
