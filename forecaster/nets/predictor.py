"""A trained network behind the port."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from forecaster.errors import ModelError
from forecaster.nets.baseline import clip
from forecaster.nets.features import Features, Usual, extract, strip_of
from forecaster.nets.network import Network, view
from forecaster.nets.shape import from_json, require
from forecaster.records import Array, Inputs
from forecaster.settings import Group

BLOCK = 256
"""Streams computed at a time, which bounds memory when all streams of a large group close at once."""


JUDGED = "judged/"
"""Before the names of the weights of the network that was judged, where they are not those that serve."""


class NetworkPredictor:
    """Serves a network: numpy in, numpy out. Implements :class:`forecaster.ports.Predictor`."""

    def __init__(self, network: Network, group: Group, version: str) -> None:
        self.network = network.eval()
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
        weights = {name: array for name, array in weights.items() if not name.startswith(JUDGED)}
        if wrong := misfits(network, weights):
            raise ModelError(
                f"model {group.name}-{version}: {', '.join(wrong)} do not fit the recorded shape; "
                f"retrain with: forecaster train {group.name}"
            )
        load(network, weights)
        return cls(network, group, version)

    def initial_state(self, streams: int) -> Array:
        """Zeros, float32 (streams, P, L, N)."""
        return self.network.initial_state(streams).numpy()

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        after = np.empty_like(state)
        quantiles = np.empty((len(state), self.network.shape.horizon, len(self.network.shape.levels)))
        for first in range(0, len(state), BLOCK):
            rows = slice(first, first + BLOCK)
            part = Inputs(
                values=inputs.values[rows], future=inputs.future[rows], calendar=inputs.calendar, shift=inputs.shift
            )
            features = extract(strip_of(part), self.network.shape, self.network.usual)
            with torch.inference_mode():
                scaled, moved = self.network(view(features), torch.tensor(state[rows], dtype=torch.float32))
            quantiles[rows] = clip(unscaled(scaled.numpy(), features)[:, 0], self.bounds)
            after[rows] = moved.numpy()
        return after, quantiles


def unscaled(scaled: Array, features: Features) -> Array:
    """Back into the unit of the data, NaN for streams of which nothing is known; (B, T, H, Q)."""
    location = np.where(features.known, features.location, np.nan)[..., None, None]
    return location + features.scale[..., None, None] * scaled.astype(np.float64)


def packed(serving: Mapping[str, Array], judged: Mapping[str, Array]) -> dict[str, Array]:
    """Weights of the network that serves and of the one that was judged, as one mapping."""
    return {**serving, **{JUDGED + name: array for name, array in judged.items()}}


def judged(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Of :func:`packed` weights those that were judged, of others all.

    They have not seen the tail, so a next training may be compared with them, and begin with them.
    """
    own = {name.removeprefix(JUDGED): array for name, array in weights.items() if name.startswith(JUDGED)}
    return own or dict(weights)


def misfits(network: Network, weights: Mapping[str, Array]) -> list[str]:
    """Names of the tensors that are missing, unknown or of another shape."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    had = {name: tuple(array.shape) for name, array in weights.items()}
    return sorted(name for name in wanted.keys() | had.keys() if wanted.get(name) != had.get(name))


def load(network: Network, weights: Mapping[str, Array]) -> None:
    """Put weights that fit into a network."""
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
