"""A predictor and its second opinion as one, to be judged; in service what comes true tells how far that is followed.

See :mod:`forecaster.pipeline.choose`.
"""

from __future__ import annotations

from math import prod

import numpy as np

from forecaster.ports import PART_OF_SECOND, Opinion, Predictor
from forecaster.records import Array, Inputs


def together(predictor: Predictor, middle: int) -> Predictor:
    """The predictor with its second opinion; itself where it has none. ``middle`` is where its median is."""
    return predictor if predictor.second is None else Together(predictor, predictor.second, middle)


def shifted(quantiles: Array, median: Array, middle: int) -> Array:
    """Quantiles (..., Q) moved half of the way from their median to another (...), where there is another."""
    way = PART_OF_SECOND * (median - quantiles[..., middle])
    return quantiles + np.where(np.isnan(way), 0.0, way)[..., None]


class Together:
    """Carries both states as one.

    Implements :class:`forecaster.ports.Predictor`.
    """

    second = None

    def __init__(self, first: Predictor, second: Opinion, middle: int) -> None:
        self._parts, self._middle = (first, second), middle
        self._shapes = [part.initial_state(1).shape[1:] for part in self._parts]
        self.version, self.warmup = first.version, first.warmup

    def initial_state(self, streams: int) -> Array:
        """Of both, as one row for each stream, (streams, 1, 1, N)."""
        return joined([part.initial_state(streams) for part in self._parts])

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        states = np.split(state[:, 0, 0], [prod(self._shapes[0])], axis=-1)
        (own, quantiles), (other, median) = (
            part.step(one.reshape(-1, *shape), inputs)
            for part, one, shape in zip(self._parts, states, self._shapes, strict=True)
        )
        return joined([own, other]), shifted(quantiles, median, self._middle)


def joined(states: list[Array]) -> Array:
    """States of streams as one row for each, (B, 1, 1, N)."""
    return np.concatenate([state.reshape(len(state), -1) for state in states], axis=1)[:, None, None]
