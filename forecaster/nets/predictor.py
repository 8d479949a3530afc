"""A trained network behind the port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import replace

import numpy as np
import torch

from forecaster.errors import ModelError
from forecaster.inputs import Inputs
from forecaster.nets.baseline import clip
from forecaster.nets.dilated import Dilated
from forecaster.nets.features import Features, Strip, Usual, extract, strip_of
from forecaster.nets.network import Network, view
from forecaster.nets.shape import from_json, require
from forecaster.nets.weights import JUDGED, SECOND, load, misfits
from forecaster.records import Array
from forecaster.settings import Group

BLOCK, LEADS, STEPS = 128, 50_000, 48
"""Streams computed at a time, leads of them, and steps, which bounds memory when all of a large group close at once."""


class NetworkPredictor:
    """Serves a network, with a second one beside it where there is one: numpy in, numpy out.

    Implements :class:`forecaster.ports.Predictor`.
    """

    def __init__(self, network: Network, group: Group, version: str, second: Dilated | None = None) -> None:
        self.network = network.eval()
        self.second = SecondOpinion(second) if second else None
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

    def as_learned(self) -> NetworkPredictor:
        """The same with ranges as wide as they were learned, to be compared with one whose width is not known yet."""
        found = copy(self)
        found.network = deepcopy(self.network)
        found.network.width.fill_(1)
        return found

    def initial_state(self, streams: int) -> Array:
        """Zeros, float32 (streams, P, L, N)."""
        return self.network.initial_state(streams).numpy()

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Forecast; see :class:`forecaster.ports.Predictor`."""
        after = np.empty_like(state)
        quantiles = np.empty((len(state), self.network.shape.horizon, len(self.network.shape.levels)))
        for rows, part in blocks(inputs):
            after[rows], quantiles[rows] = self._through(strip_of(part), state[rows], inputs.steps)
        return after, quantiles

    def _through(self, strip: Strip, state: Array, steps: int) -> tuple[Array, Array]:
        """The state after the last steps of a strip, and the forecast from there."""
        moved, around = torch.tensor(state, dtype=torch.float32), len(strip.calendar) - steps
        for first in range(0, steps, STEPS):
            origins = min(STEPS, steps - first)
            part = strip.part(slice(first, first + origins + around))
            features = extract(part, self.network.shape, self.network.usual, origins)
            with torch.inference_mode():
                scaled, moved = self.network(view(features), moved, origins)
        return moved.numpy(), clip(unscaled(scaled.numpy(), features)[:, 0], self.bounds)


class SecondOpinion:
    """Serves a second network: numpy in, numpy out.

    Implements :class:`forecaster.ports.Opinion`.
    """

    def __init__(self, network: Dilated) -> None:
        self.network = network.eval()

    def initial_state(self, streams: int) -> Array:
        """Zeros, float32 (streams, M, D)."""
        return self.network.initial_state(streams).numpy()

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Its medians; see :class:`forecaster.ports.Opinion`."""
        after, median = np.empty_like(state), np.empty((len(state), self.network.horizon))
        for rows, part in blocks(inputs):
            window = part.values[:, 0]
            with torch.inference_mode():
                moved, median[rows] = self.network.step(
                    torch.tensor(state[rows]), window, part.calendar[: window.shape[-1]], part.streams
                )
            after[rows] = moved.numpy()
        return after, median


def blocks(inputs: Inputs) -> Iterator[tuple[slice, Inputs]]:
    """Some streams at a time, and where they are."""
    size = max(1, min(BLOCK, LEADS // inputs.future.shape[-1]))
    for first in range(0, len(inputs.values), size):
        rows = slice(first, first + size)
        yield (
            rows,
            replace(inputs, values=inputs.values[rows], future=inputs.future[rows], streams=inputs.streams[rows]),
        )


def unscaled(scaled: Array, features: Features) -> Array:
    """Back into the unit of the data, NaN for streams of which nothing is known; (B, T, H, Q)."""
    location = np.where(features.known, features.location, np.nan)[..., None, None]
    return location + features.scale[..., None, None] * scaled.astype(np.float64)
