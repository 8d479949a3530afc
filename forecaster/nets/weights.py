"""Weights by name: of the network that serves, of the second one beside it, and of both as they were judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from forecaster.nets.dilated import Dilated
from forecaster.records import Array

JUDGED, SECOND = "judged/", "second/"
"""Before the names of weights that were judged, where they are not those that serve; and of the second network's."""


def arrays(network: nn.Module, second: Dilated | None) -> dict[str, Array]:
    """Weights of a network, and of a second one where there is one."""
    parts = {"": network} | ({SECOND: second} if second else {})
    return {
        first + name: tensor.numpy().copy()
        for first, part in parts.items()
        for name, tensor in part.state_dict().items()
    }


def packed(serving: Mapping[str, Array], judged: Mapping[str, Array]) -> dict[str, Array]:
    """Weights that serve and weights that were judged, as one mapping."""
    return {**serving, **{JUDGED + name: array for name, array in judged.items()}}


def judged(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Of :func:`packed` weights those that were judged, of others all.

    They have not seen the tail, but for the width of the ranges, so a next training may be compared with them, and
    begin with them.
    """
    own = {name.removeprefix(JUDGED): array for name, array in weights.items() if name.startswith(JUDGED)}
    return own or dict(weights)


def without_second(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Those of the first network."""
    return {name: array for name, array in weights.items() if not name.startswith(SECOND)}


def misfits(parts: Mapping[str, nn.Module], weights: Mapping[str, Array]) -> list[str]:
    """Names of the tensors that are missing, unknown or of another shape; networks by what their names begin with."""
    wanted = {
        first + name: tuple(tensor.shape) for first, part in parts.items() for name, tensor in part.state_dict().items()
    }
    had = {name: tuple(array.shape) for name, array in weights.items()}
    return sorted(name for name in wanted.keys() | had.keys() if wanted.get(name) != had.get(name))


def load(parts: Mapping[str, nn.Module], weights: Mapping[str, Array]) -> None:
    """Put weights that fit into networks."""
    for first, part in parts.items():
        part.load_state_dict({name: torch.from_numpy(np.array(weights[first + name])) for name in part.state_dict()})
