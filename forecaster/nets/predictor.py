"""A trained network behind the port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from forecaster.errors import ModelError
from forecaster.nets.baseline import clip
from forecaster.nets.dilated import Dilated
from forecaster.nets.features import Features, Usual, extract, strip_of
from forecaster.nets.network import Network, view
from forecaster.nets.shape import from_json, require
from forecaster.nets.weights import JUDGED, SECOND, load, misfits
from forecaster.records import Array, Inputs
from forecaster.settings import Group

BLOCK = 256
"""Streams computed at a time, which bounds memory when all streams of a large group close at once."""


class NetworkPredictor:
    """Serves a network, and a second one where there is one: numpy in, numpy out.

    Implements :class:`forecaster.ports.Predictor`.
    """

    def __init__(self, network: Network, group: Group, version: str, second: Dilated | None = None) -> None:
        self.network = network.eval()
        self.second = second.eval() if second else None
        self.version = version
        self.warmup = network.shape.warmup
        self.bounds = group.bounds

    @classmethod
    def from_weights(
        cls, weights: Mapping[str, Array], shape: Mapping[str, object], group: Group, version: str
    ) -> NetworkPredictor:
        """Build a network again.

        Parameters
        ----------
        weights, shape
            As :class:`forecaster.nets.fit.Trained` had them.
        group
            What the forecasts are for.

        Raises
        ------
        ModelMismatch
            When it was trained for other leads, levels, channels, … than the group has now.
        ModelError
            When shape and weights do not belong together.
        """
        made = from_json(shape)
        require(made, group, version)
        nothing = np.zeros(len(made.channels))
        network = Network(made, Usual(nothing, nothing.copy()))
        serving = {name: array for name, array in weights.items() if not name.startswith(JUDGED)}
        names = serving.get(SECOND + "names")
        second = Dilated.known_by(made, names) if names is not None else None
        parts = {"": network} | ({SECOND: second} if second else {})
        if wrong := misfits(parts, serving):
            raise ModelError(
                f"model {group.name}-{version}: {', '.join(wrong)} do not fit the recorded shape; "
                f"retrain with: forecaster train {group.name}"
            )
        load(parts, serving)
        return cls(network, group, version, second)

    def initial_state(self, streams: int) -> Array:
        """Zeros, float32 (streams, P, L, N); both states as one row with a second network, (streams, 1, 1, N)."""
        first = self.network.initial_state(streams)
        return first.numpy() if self.second is None else both(first, self.second.initial_state(streams)).numpy()

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        after = np.empty_like(state)
        quantiles = np.empty((len(state), self.network.shape.horizon, len(self.network.shape.levels)))
        for first in range(0, len(state), BLOCK):
            rows = slice(first, first + BLOCK)
            part = replace(inputs, values=inputs.values[rows], future=inputs.future[rows], streams=inputs.streams[rows])
            with torch.inference_mode():
                moved, said = self._step(torch.tensor(state[rows], dtype=torch.float32), part)
            quantiles[rows] = clip(said, self.bounds)
            after[rows] = moved.numpy()
        return after, quantiles

    def _step(self, state: Tensor, inputs: Inputs) -> tuple[Tensor, Array]:
        features = extract(strip_of(inputs), self.network.shape, self.network.usual)
        if self.second is None:
            scaled, moved = self.network(view(features), state)
            return moved, unscaled(scaled.numpy(), features)[:, 0]
        own, others = apart(state, *(part.initial_state(0).shape[1:] for part in (self.network, self.second)))
        scaled, own = self.network(view(features), own)
        others, median = self.second.step(others, inputs.values[:, 0], inputs.streams)
        said = unscaled(scaled.numpy(), features)[:, 0]
        return both(own, others), shifted(said, median, self.network.shape.middle)


def shifted(quantiles: Array, median: Array, middle: int) -> Array:
    """Quantiles (..., Q) moved until theirs is the mean of their median and another (...), where there is another."""
    way = (median - quantiles[..., middle]) / 2
    return quantiles + np.where(np.isnan(way), 0.0, way)[..., None]


def both(first: Tensor, second: Tensor) -> Tensor:
    """Two states as one row for each stream, (B, 1, 1, N)."""
    return torch.cat([first.flatten(1), second.flatten(1)], 1)[:, None, None]


def apart(state: Tensor, first: Sequence[int], second: Sequence[int]) -> tuple[Tensor, Tensor]:
    """What :func:`both` joined, each of this shape after its first axis."""
    flat, size = state.flatten(1), prod(first)
    return flat[:, :size].reshape(-1, *first), flat[:, size:].reshape(-1, *second)


def unscaled(scaled: Array, features: Features) -> Array:
    """Back into the unit of the data, NaN for streams of which nothing is known; (B, T, H, Q)."""
    location = np.where(features.known, features.location, np.nan)[..., None, None]
    return location + features.scale[..., None, None] * scaled.astype(np.float64)
