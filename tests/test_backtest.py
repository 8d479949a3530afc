"""Past steps as events: what a service would have been told, and when."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.backtest import backtest, readings
from forecaster.inputs import Dataset, Inputs
from forecaster.pipeline.calendar import Grid
from forecaster.ports import Columns
from forecaster.records import Array, Panel, Series
from forecaster.settings import Exclusion, Group, Source, Step
from forecaster.testing import a_group

HOUR_MS = 3_600_000


def test_what_is_known_ahead_is_told_as_far_ahead_as_the_forecast_reaches() -> None:
    """When a step begins, its own target is read, and the covariates of it and of the leads of the next forecast."""
    step = Step(unit="second", count=3600, text="1h")
    sources = (Source(topic="load"), Source(topic="weather", role="future"))
    group = Group(name="g", sources=sources, step=step, horizon=2)
    series = (Series(name="~1/weather", source=1, labels=()), Series(name="load", source=0, labels=()))
    values = np.array([[10.0, 11.0, 12.0, 13.0], [0.0, 1.0, np.nan, 3.0]])

    events = list(readings(group, Panel(series=series, first=0, values=values), Grid(step, "UTC"), 1))

    told = [[(one.stream, one.time_ms // HOUR_MS, one.value) for one in event.readings] for event in events]
    assert told == [
        [("load", 1, 1.0), ("~1/weather", 1, 11.0), ("~1/weather", 2, 12.0), ("~1/weather", 3, 13.0)],
        [],
        [("load", 3, 3.0)],
    ]


class Spy:
    """A predictor that writes down what it is told of the covariate ahead."""

    version, warmup, second = "0001", 0, None

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self.told: list[list[float]] = []

    def initial_state(self, streams: int) -> Array:
        return np.zeros((streams, 0, 0, 0), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        self.told.append(inputs.future[0, 1].tolist())
        return state, np.zeros((len(state), self.horizon, 5))


@pytest.mark.parametrize("horizon", [1, 3])
def test_each_lead_of_a_forecast_knows_its_covariate(horizon: int) -> None:
    """And of no step beyond the horizon."""
    sources = (Source(topic="load"), Source(topic="weather", role="future"))
    group = a_group(sources=sources, horizon=horizon, seasons=(24,), lookback=48)
    series = (Series(name="load", source=0, labels=()), Series(name="~1/weather", source=1, labels=()))
    hours = np.arange(100)
    steps = Columns(
        series=np.repeat(np.arange(2, dtype=np.int32), 100),
        start_ms=np.tile(hours * HOUR_MS, 2),
        values=np.concatenate([hours, 1000.0 + hours]),
    )
    spy = Spy(horizon)

    backtest(group, series, steps, 80 * HOUR_MS, lambda _: spy)

    assert spy.told[:10] == [[1000.0 + hour + lead for lead in range(horizon)] for hour in range(80, 90)]


def test_what_is_excluded_is_neither_learned_from_nor_scored() -> None:
    """As in the service."""
    stretch = Exclusion(stream="*", since_ms=85 * HOUR_MS, until_ms=95 * HOUR_MS)
    group = a_group(sources=(Source(topic="load"),), seasons=(24,), lookback=48, exclude=(stretch,))
    values = np.where(np.arange(100) // 10 == 8, 1000.0, 1.0)
    values[85:95] = 5000.0
    steps = Columns(series=np.zeros(100, np.int32), start_ms=np.arange(100) * HOUR_MS, values=values)
    shown: list[Dataset] = []

    def network(past: Dataset) -> None:
        shown.append(past)

    result = backtest(group, (Series(name="load", source=0, labels=()),), steps, 90 * HOUR_MS, network)

    assert np.isnan(shown[0].values[0, 0, 85:]).all()
    assert result.scores[-1].mae < 2000


@pytest.mark.parametrize("number", [1, 7])
def test_each_step_from_the_first_origin_on_is_forecast_and_scored(number: int) -> None:
    """The first of them too, of which nothing but the past is known, and the last, after which nothing comes."""
    group = a_group(sources=(Source(topic="load"),), horizon=3, seasons=(24,), lookback=48)
    steps = Columns(series=np.zeros(100, np.int32), start_ms=np.arange(100) * HOUR_MS, values=np.arange(100.0) // 24)
    shown: list[Dataset] = []

    def network(past: Dataset) -> None:
        shown.append(past)

    result = backtest(group, (Series(name="load", source=0, labels=()),), steps, (100 - number) * HOUR_MS, network)

    assert result.origins == result.scores[0].count == number
    assert shown[0].values.shape[-1] == 100 - number
