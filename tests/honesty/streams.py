"""Made-up streams, told to the engine step by step, and what it forecasts for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from forecaster.inputs import Inputs
from forecaster.nets.baseline import naives
from forecaster.pipeline.engine import Engine
from forecaster.ports import Opinion
from forecaster.records import Array, Forget, Issued, ModelReady, Reading, Readings, Tick
from forecaster.settings import Exclusion, Group, Mqtt, Settings
from forecaster.testing import a_group, at

HOUR_MS = 3_600_000
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
MEDIAN = 2


def hourly(**changes: object) -> Group:
    """Three leads, a daily season, a lookback of two weeks."""
    return a_group(**{"levels": LEVELS, "seasons": (24,), "lookback": 336, "horizon": 3} | changes)


@dataclass(frozen=True)
class Made:
    """A network that is a function of the windows (B, W), giving medians and deviations (B, H)."""

    forecast: Callable[[Array], tuple[Array, Array]]
    version: str = "0001"
    second: Opinion | None = None
    warmup: int = 0

    def initial_state(self, streams: int) -> Array:
        return np.zeros((streams, 0, 0, 0), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        median, deviation = self.forecast(inputs.values[:, 0])
        return state, median[..., None] + deviation[..., None] * NORMAL


@dataclass(frozen=True)
class Thought:
    """A second opinion that is a function of the windows (B, W), giving medians (B, H)."""

    median: Callable[[Array], Array]

    def initial_state(self, streams: int) -> Array:
        return np.zeros((streams, 0), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        return state, self.median(inputs.values[:, 0])


@dataclass(frozen=True)
class Told:
    """What was forecast.

    Attributes
    ----------
    truth
        (T, S), NaN for gaps.
    quantiles
        (T, S, H, Q), those of row t made at the end of step t; NaN where none.
    models
        What they came from, by step and stream.
    """

    truth: Array
    quantiles: Array
    models: Mapping[tuple[int, int], str]

    def covered(self, first: int, end: int) -> Array:
        """Parts of the targets of origins ``first`` … ``end - 1`` that the 80 and the 95 % range held, (2,)."""
        held = []
        for lead in range(1, self.quantiles.shape[2] + 1):
            origins = np.arange(first, min(end, len(self.truth) - lead))
            truth, said = self.truth[origins + lead], self.quantiles[origins, :, lead - 1]
            known = np.isfinite(truth) & np.isfinite(said[..., 0])
            truth, said = truth[known][:, None], said[known]
            held.append((said[:, [1, 0]] <= truth) & (truth <= said[:, [3, 4]]))
        return np.concatenate(held).mean(0)

    def width(self, first: int, end: int) -> float:
        """Mean width of the 80 % range of these origins."""
        return float((self.quantiles[first:end, ..., 3] - self.quantiles[first:end, ..., 1]).mean())

    def sources(self, first: int, end: int) -> set[str]:
        """What the forecasts of these origins came from."""
        return {model for (step, _), model in self.models.items() if first <= step < end}


def live(
    values: Array,
    group: Group | None = None,
    network: Made | None = None,
    forget: tuple[int, int, int] | None = None,
) -> Told:
    """Tell the engine of streams (T, S), NaN for gaps, hour by hour; each hour ends before the next is told of.

    After a step, the first of ``forget``, the steps from the second to before the third of all streams are forgotten.
    """
    group = group or hourly()
    engine = Engine(Settings(mqtt=Mqtt(url=""), groups=(group,), clock="events"), naives)
    if network is not None:
        engine.handle([ModelReady(group.name, network.version, network)])
    start_ms, names = at("2026-03-02T00:00"), [f"s{stream:04d}" for stream in range(values.shape[1])]
    column = {name: stream for stream, name in enumerate(names)}
    quantiles = np.full((*values.shape, group.horizon, len(group.levels)), np.nan)
    models = {}
    for step, row in enumerate(values.tolist()):
        time_ms = start_ms + step * HOUR_MS
        readings = tuple(
            Reading(name, (("home", name),), 0, time_ms, value, True)
            for name, value in zip(names, row, strict=True)
            if value == value
        )
        effects = engine.handle([Readings(group.name, readings), Tick(time_ms + HOUR_MS)])
        if forget is not None and step == forget[0]:
            since_ms, until_ms = (start_ms + one * HOUR_MS for one in forget[1:])
            effects += engine.handle([Forget(group.name, Exclusion(stream="*", since_ms=since_ms, until_ms=until_ms))])
        for effect in effects:
            if isinstance(effect, Issued) and effect.origin_ms == time_ms + HOUR_MS:
                streams = [column[name] for name in effect.streams]
                quantiles[step, streams] = effect.quantiles
                models |= {(step, stream): model for stream, model in zip(streams, effect.models, strict=True)}
    return Told(values, quantiles, models)


def daily(steps: int) -> Array:
    """A day's wave about 10, (T, 1)."""
    return 10 + 3 * np.sin(2 * np.pi * np.arange(steps)[:, None] / 24)
