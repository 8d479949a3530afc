"""Through a history from origin to origin, as the service would: a network in one go, all others step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from forecaster.inputs import Dataset, Inputs
from forecaster.nets.baseline import clip
from forecaster.nets.batches import STRETCH, whole
from forecaster.nets.features import extract
from forecaster.nets.loop import AT_ONCE
from forecaster.nets.network import view
from forecaster.nets.phases import look
from forecaster.nets.predictor import NetworkPredictor, unscaled
from forecaster.ports import PART_OF_SECOND, Opinion, Predictor
from forecaster.records import Array
from forecaster.settings import Group


@dataclass(frozen=True, slots=True)
class Half:
    """A network mixed half and half with a naive forecast, as the engine does where the two are about as good."""

    network: Predictor
    naive: Predictor


def walk(predictor: Predictor | Half, data: Dataset, group: Group, first: int) -> Iterator[Array]:
    """Quantiles (S, H, Q) at each origin from step ``first`` to the last but one, the state warmed up before.

    Where a predictor has a second opinion its medians go half of the way there; in service what comes true tells how
    far.
    """
    if isinstance(predictor, Half):
        pairs = zip(walk(predictor.network, data, group, first), walk(predictor.naive, data, group, first), strict=True)
        return ((network + naive) / 2 for network, naive in pairs)
    own = (
        at_once(predictor, data, group, first)
        if isinstance(predictor, NetworkPredictor)
        else steps(predictor, predictor.warmup, data, group, first)
    )
    if predictor.second is None:
        return own
    medians = steps(predictor.second, predictor.warmup, data, group, first)
    middle = group.levels.index(0.5)
    return (shifted(quantiles, median, middle) for quantiles, median in zip(own, medians, strict=True))


def shifted(quantiles: Array, median: Array, middle: int) -> Array:
    """Quantiles (..., Q) moved half of the way from their median to another (...), where there is another."""
    way = PART_OF_SECOND * (median - quantiles[..., middle])
    return quantiles + np.where(np.isnan(way), 0.0, way)[..., None]


def steps(asked: Predictor | Opinion, warmup: int, data: Dataset, group: Group, first: int) -> Iterator[Array]:
    """What is said at each origin, asked at one after the other."""
    state = asked.initial_state(len(data.streams))
    for origin in range(max(0, first - warmup), data.values.shape[-1] - 1):
        state, said = asked.step(state, inputs_at(data, origin, group))
        if origin >= first:
            yield said


def at_once(predictor: NetworkPredictor, data: Dataset, group: Group, first: int) -> Iterator[Array]:
    """The same for a network, whose features are computed for many origins in a fraction of the time."""
    network, end = predictor.network, data.values.shape[-1] - 1
    strip = whole(data, group.horizon, group.lookback, end + 1)
    size = int(np.clip(AT_ONCE // (len(data.streams) * group.horizon), 1, STRETCH))
    state = network.initial_state(len(data.streams))
    for begin in range(max(0, first - predictor.warmup), end, size):
        part = slice(begin, min(begin + size, end) + group.lookback - 1 + group.horizon)
        features = extract(strip.part(part), network.shape, network.usual)
        with torch.inference_mode():
            scaled, state = network(view(features), state)
        quantiles = clip(unscaled(scaled.numpy(), features), predictor.bounds)  # (S, T, H, Q)
        yield from np.moveaxis(quantiles, 1, 0)[max(0, first - begin) :]


def inputs_at(dataset: Dataset, origin: int, group: Group) -> Inputs:
    """What may be known at the end of step ``origin`` of a dataset.

    Steps before the first are gaps; future-known channels end where the dataset ends.
    """
    steps = np.arange(origin - group.lookback + 1, origin + 1 + group.horizon)
    rows = np.clip(steps, 0, len(dataset.shift) - 1)
    values = look(dataset.values, steps)
    future = values[..., group.lookback :]
    future[:, [role != "future" for role in dataset.roles]] = np.nan
    return Inputs(
        values=values[..., : group.lookback],
        future=future,
        calendar=dataset.calendar[rows],
        shift=dataset.shift[rows],
        streams=dataset.streams,
    )
