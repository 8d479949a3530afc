"""What an error is: the formulas of the literature, written again from their definitions.

Everything takes arrays whose last axis is the lead; NaN where the truth is not known, or no forecast was made, does not
count. Shape letters: **N** forecasts, **H** horizon, **Q** levels.
"""

from __future__ import annotations

import numpy as np

from forecaster.records import Array

ALPHA = 0.05
"""MSIS is of the 95 % interval."""


def mean(values: Array, axis: int | None = None) -> Array:
    """Mean of what is finite; NaN, without a warning, where nothing is.

    Examples
    --------
    >>> mean(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]), axis=-1)
    array([ 2., nan])
    """
    there = np.isfinite(values)
    count = there.sum(axis)
    total = np.where(there, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def smape(truth: Array, forecast: Array) -> Array:
    """Symmetric mean absolute percentage error in percent, (N, H) and (N, H) to (N,); 0 / 0 is no error.

    References
    ----------
    Makridakis, Spiliotis & Assimakopoulos (2020), "The M4 Competition", International Journal of Forecasting 36(1).

    Examples
    --------
    >>> smape(np.array([[100.0, 0.0]]), np.array([[50.0, 0.0]]))
    array([33.33333333])
    """
    size = np.abs(truth) + np.abs(forecast)
    return mean(200 * np.abs(truth - forecast) / np.where(size == 0, 1.0, size), -1)


def mape(truth: Array, forecast: Array) -> Array:
    """Mean absolute percentage error in percent, (N, H) and (N, H) to (N,); a truth of 0 is left out.

    Examples
    --------
    >>> mape(np.array([[100.0, 0.0]]), np.array([[50.0, 1.0]]))
    array([50.])
    """
    return mean(100 * np.abs(truth - forecast) / np.where(truth == 0, np.nan, np.abs(truth)), -1)


def seasonal_error(history: Array, season: int) -> float:
    """Mean absolute difference of values one season apart, (T,): the denominator of MASE. NaN when it is 0 or unknown.

    References
    ----------
    Hyndman & Koehler (2006), "Another look at measures of forecast accuracy", International Journal of Forecasting
    22(4).

    Examples
    --------
    >>> seasonal_error(np.array([1.0, 2.0, 3.0, 6.0]), 2)
    3.0
    """
    error = float(mean(np.abs(history[season:] - history[:-season])))
    return error if error > 0 else float("nan")


def mase(truth: Array, forecast: Array, scale: Array) -> Array:
    """Mean absolute error over :func:`seasonal_error`, (N, H), (N, H) and (N,) to (N,)."""
    return mean(np.abs(truth - forecast), -1) / scale


def owa(smape: float, mase: float, naive_smape: float, naive_mase: float) -> float:
    """Overall weighted average of the M4 competition: mean of the two ratios to Naive2, each a ratio of averages.

    Examples
    --------
    >>> round(owa(9.328, 0.893, 18.383, 2.395), 3)  # its winner, hourly
    0.44
    """
    return 0.5 * (smape / naive_smape + mase / naive_mase)


def msis(truth: Array, low: Array, high: Array, scale: Array) -> Array:
    """Mean scaled interval score of the 95 % interval, (N, H) three times and (N,) to (N,).

    References
    ----------
    Gneiting & Raftery (2007), "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 102(477), as scaled for
    the M4 competition.

    Examples
    --------
    >>> msis(np.array([[5.0, 11.0]]), np.array([[0.0, 0.0]]), np.array([[10.0, 10.0]]), np.array([2.0]))
    array([15.])
    """
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return mean(high - low + 2 / ALPHA * outside, -1) / scale


def pinball(truth: Array, quantiles: Array, levels: Array) -> Array:
    """Mean over levels of ``max(q (y - v), (q - 1) (y - v))``, (N, H), (N, H, Q) and (Q,) to (N, H).

    Half of this is not taken: at the level 0.5 alone it is half the absolute error.

    Examples
    --------
    >>> pinball(np.array([[3.0]]), np.array([[[1.0, 5.0]]]), np.array([0.1, 0.9]))
    array([[0.2]])
    """
    error = truth[..., None] - quantiles
    loss: Array = np.maximum(levels * error, (levels - 1) * error).mean(-1)
    return loss
