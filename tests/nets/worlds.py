"""Small worlds for the networks: groups, datasets and series that are made up but behave like the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from forecaster.inputs import Dataset, Inputs
from forecaster.nets import fit
from forecaster.nets.features import Usual
from forecaster.nets.network import Network
from forecaster.nets.predictor import NetworkPredictor
from forecaster.nets.shape import shape_of
from forecaster.records import Array
from forecaster.settings import Group, Role, Source, Step, Training
from forecaster.settings import Network as NetworkSettings

HOUR = Step(unit="second", count=3600, text="1h")


def hourly_group(**changes: Any) -> Group:
    """Hourly, two days of lookback, six leads, a small GRU."""
    roles = changes.pop("roles", ("target",))
    settings = {
        "name": "homes",
        "sources": tuple(Source(topic=f"{role}/{{home}}", role=role) for role in roles),
        "step": HOUR,
        "horizon": 6,
        "levels": (0.1, 0.5, 0.9),
        "seasons": (24,),
        "calendar": ("hour",),
        "lookback": 72,
        "network": NetworkSettings(hidden=8),
    }
    return Group(**settings | changes)


def hours(steps: int, day: int = 24) -> Array:
    """A calendar of the hour, from midnight on, (N, 2)."""
    angle = 2 * np.pi * np.arange(steps) / day
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).astype(np.float32)


def dataset(values: Array, group: Group, roles: Sequence[Role] | None = None, shift: Array | None = None) -> Dataset:
    """Streams (S, C, T) with a calendar of the hour; a flat (S, T) has one channel."""
    values = values[:, None] if values.ndim == 2 else values
    length = values.shape[-1] + group.horizon
    return Dataset(
        streams=tuple(f"home{index}" for index in range(len(values))),
        values=values.astype(np.float64),
        calendar=hours(length, group.seasons[0] if group.seasons else 24),
        shift=np.zeros(length, np.int64) if shift is None else shift,
        roles=tuple(roles or group.channels),
    )


def homes(streams: int, steps: int, seed: int = 0) -> Array:
    """Household load by the hour: a daily shape of its own per home, busy and quiet hours, never negative. (S, T)"""
    random = np.random.default_rng(seed)
    hours = np.arange(steps)
    peak = random.uniform(0, 24, (streams, 1))
    size = np.exp(random.normal(0, 0.5, (streams, 1)))
    shape = 1.2 + np.cos(2 * np.pi * (hours - peak) / 24)
    return size * shape * np.exp(random.normal(0, 0.4, (streams, steps)))


def inputs(values: Array, group: Group, shift: Array | None = None) -> Inputs:
    """The newest window of streams (B, C, W), nothing known ahead."""
    length = values.shape[-1] + group.horizon
    return Inputs(
        values=values.astype(np.float64),
        future=np.full((*values.shape[:2], group.horizon), np.nan),
        calendar=hours(length),
        shift=np.zeros(length, np.int64) if shift is None else shift,
    )


def untrained(group: Group, seed: int = 0) -> NetworkPredictor:
    """A network with random weights everywhere, so that every path matters."""
    shape = shape_of(group, features=2)
    channels = len(group.channels)
    network = Network(shape, Usual(np.full(channels, 0.5), np.full(channels, 2.0)))
    random = np.random.default_rng(seed)
    for weight in network.parameters():
        weight.data += weight.new_tensor(random.normal(0, 0.3, weight.shape))
    return NetworkPredictor(network, group, "0001")


def trained(data: Dataset, group: Group, updates: int | None = None, **options: Any) -> fit.Trained:
    """A training on a clock that stands still, or that lets it make so many updates until it is judged."""
    ticks = count()
    budget = Training(seed=group.training.seed, budget_s=1.0 if updates is None else (updates + 2) / fit.UNTIL_JUDGED)
    result = fit.train(
        data,
        replace(group, training=budget),
        elapsed_s=lambda: 0.0 if updates is None else float(next(ticks)),
        **{"progress": lambda _: None, "version": "0001"} | options,
    )
    assert result is not None
    return result


def serving(result: fit.Trained, group: Group) -> NetworkPredictor:
    """The predictor of a training."""
    return NetworkPredictor.from_weights(result.weights, result.shape, group, "0001")
