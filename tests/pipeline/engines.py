"""Engines, messages and predictors for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecaster.inputs import Inputs
from forecaster.nets.baseline import SeasonalNaive
from forecaster.pipeline.engine import Engine
from forecaster.ports import Opinion
from forecaster.records import Array, Effect, Issued, Message
from forecaster.settings import Group, Mqtt, Settings
from forecaster.testing import a_group, at

HOUR_MS = 3_600_000
START_MS = at("00:00")


def an_engine(*groups: Group, clock: str = "system", first: type = SeasonalNaive) -> Engine:
    groups = groups or (a_group(),)
    return Engine(
        Settings(mqtt=Mqtt(url="mqtt://localhost"), groups=groups, clock=clock), lambda group: (first(group),)
    )


def power(hour: float, value: float, home: str = "a", **changes: object) -> Message:
    """A reading of one home, some hours after the start."""
    said = Message(f"home/{home}/power", f"{value:g}".encode(), START_MS + round(hour * HOUR_MS))
    return replace(said, **changes)


def wave(hours: int, homes: Sequence[str] = ("a",)) -> list[Message]:
    return [power(h, 10 + np.sin(h) + i, home) for h in range(hours) for i, home in enumerate(homes)]


def at_hour(hour: int) -> int:
    """Epoch ms."""
    return START_MS + hour * HOUR_MS


def kinds(effects: list[Effect]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def forecasts(effects: list[Effect]) -> dict[tuple[str, int], Array]:
    """Quantiles (H, Q) by stream and origin."""
    return {
        (stream, one.origin_ms): one.quantiles[i]
        for one in effects
        if isinstance(one, Issued)
        for i, stream in enumerate(one.streams)
    }


class Adviser:
    """A second opinion: ten less for each step it has carried its state over; of stream b it says nothing."""

    def initial_state(self, streams: int) -> Array:
        return np.zeros((streams, 2), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        known = [name != "b" for name in inputs.streams]
        median = np.where(np.array(known)[:, None], -10.0 * (state[:, 1:] + 1), np.nan)
        return state + 1, np.broadcast_to(median, (len(state), 3)).astype(np.float64)


@dataclass(frozen=True)
class Counter:
    """A predictor that says how many steps it has carried its state over, at every lead and level."""

    horizon: int = 3
    levels: int = 5
    version: str = "0001"
    second: Opinion | None = None
    warmup: int = 4

    def initial_state(self, streams: int) -> Array:
        return np.zeros((streams, 1, 1, 1), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        state = state + inputs.steps
        return state, np.broadcast_to(state[:, 0, :, :], (len(state), self.horizon, self.levels)).astype(np.float64)
