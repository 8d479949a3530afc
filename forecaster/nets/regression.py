"""Linear regression: each lead from the last steps, with the same weights for all streams of a group.

Other simple forecasts look at one phase of the season at a time. This one sees all steps of the last seasons at once:
that yesterday's noon was as warm as usual and the evening warmer. A network of this size could not learn so many
weights from batches; here they solve one system of linear equations (:mod:`forecaster.nets.start`).

Shape letters: **B** batch, **N** steps, **T'** origins that forecast, **H** horizon, **L** lags, **R** all that the
regression sees, **D** domains, the data and their logarithms.

References
----------
Montero-Manso & Hyndman (2021), "Principles and algorithms for forecasting groups of time series: locality and
globality", International Journal of Forecasting 37(4): one linear autoregression for all series of a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecaster.nets.shape import Shape
from forecaster.records import Array

FAR = 20.0
"""A step further from the mean at its phase, in units of the local scale, counts as this far."""


class Lags(NamedTuple):
    """What the regression sees at each origin, in units of the local scale.

    Attributes
    ----------
    expected
        float32 (B, T', H), the mean of all seasons at the phase of each lead.
    shown
        float32 (B, T', R): how far each of the last L steps, newest last, was from the mean at its phase; then these
        means, as logarithms, so that a large swing does not shout.
    """

    expected: Array
    shown: Array


def width(shape: Shape) -> int:
    """R."""
    return shape.lags + shape.fold


def lagged(series: Array, origins: Array, location: Array, scale: Array, shape: Shape) -> Lags:
    """What the regression sees at origins (T',).

    A gap takes the value of the same phase in the next newer season that has one, else of the next older one.

    Parameters
    ----------
    series
        (B, N), NaN for gaps.
    location, scale
        (B, T').
    """
    window = sliding_window_view(series, shape.lags, axis=-1)[:, origins - shape.lags + 1]
    unit = ((window - location[..., None]) / scale[..., None]).astype(np.float32)
    seasons = unit.reshape(*unit.shape[:-1], shape.lags // shape.fold, shape.fold)
    if np.isnan(seasons).any():
        seasons = np.nan_to_num(onwards(onwards(seasons[..., ::-1, :])[..., ::-1, :]), copy=False)
    means = seasons.mean(-2)  # (B, T', fold)
    away = np.clip(seasons - means[..., None, :], -FAR, FAR).reshape(unit.shape)
    leads = np.arange(shape.horizon) % shape.fold
    return Lags(means[..., leads], np.concatenate([away, np.copysign(np.log1p(np.abs(means)), means)], axis=-1))


def onwards(blocks: Array) -> Array:
    """Gaps take the value before them along the axis before the last."""
    number = np.arange(blocks.shape[-2])[:, None]
    newest = np.maximum.accumulate(np.where(np.isnan(blocks), 0, number), axis=-2)
    return np.take_along_axis(blocks, newest, axis=-2)


@dataclass(slots=True)
class Equations:
    """The normal equations of residuals (n, H) on what is shown (n, R), added up piece by piece.

    Attributes
    ----------
    squares, products
        Shown by shown, float64 (R, R); and shown by residuals, (R, H).
    """

    squares: Array
    products: Array

    @classmethod
    def none(cls, shape: Shape) -> Equations:
        """Of no rows."""
        return cls(np.zeros((width(shape), width(shape))), np.zeros((width(shape), shape.horizon)))

    def add(self, shown: Array, residuals: Array) -> None:
        """More rows."""
        self.squares += shown.T @ shown
        self.products += shown.T @ residuals

    def __add__(self, other: Equations) -> Equations:
        """The rows of both."""
        return Equations(self.squares + other.squares, self.products + other.products)

    def solved(self, ridge: float) -> Array:
        """Weights, float32 (R, H), drawn to zero by a part ``ridge`` of the mean square of what is shown.

        References
        ----------
        Hoerl & Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12(1).
        """
        seen = len(self.squares)
        drawn = ridge * np.trace(self.squares) / seen + 1e-9
        return np.linalg.solve(self.squares + drawn * np.eye(seen), self.products).astype(np.float32)
