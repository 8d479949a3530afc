"""Scores: a perfect forecaster has none, and leads are counted right."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import dataset, homes, hourly_group

from forecaster.inputs import Dataset, Inputs
from forecaster.nets.score import judge, score
from forecaster.records import Array


class Seer:
    """Knows the future, read ``late`` steps off."""

    version, warmup, second = "seer", 2, None

    def __init__(self, data: Dataset, first: int, late: int = 0, width: float = 0.0) -> None:
        self.truth = data.values[:, 0]
        self.origin = first - 1 - self.warmup
        self.late = late
        self.width = width

    def initial_state(self, streams: int) -> Array:
        return np.zeros((streams, 0, 0, 0), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        horizon = inputs.future.shape[-1]
        steps = np.minimum(self.origin + self.late + np.arange(1, horizon + 1), self.truth.shape[1] - 1)
        self.origin += 1
        return state, self.truth[:, steps, None] + self.width * np.array([-1.0, 0.0, 1.0])


def test_perfect_forecaster_scores_zero_and_one_a_step_late_does_not() -> None:
    """At every lead."""
    group = hourly_group()
    data = dataset(homes(2, 120), group)

    assert score(Seer(data, 100), data, group, 100) == {"mae": 0, "mase": 0, "pinball": 0}
    assert score(Seer(data, 100, late=1), data, group, 100)["mae"] > 0.1


def test_scores_by_hand() -> None:
    """A ramp of 2 a season told right but for an interval of ±3: MAE 0, pinball 3 · (0.1 + 0 + 0.1) / 3 over 2."""
    group = hourly_group(seasons=(4,), lookback=12)
    data = dataset(np.arange(60.0)[None] / 2, group)

    found = score(Seer(data, 50, width=3.0), data, group, 50)

    assert found == {"mae": 0, "mase": 0, "pinball": pytest.approx(3 * 0.2 / 3 / 2)}
    late = score(Seer(data, 50, late=-1), data, group, 50)
    assert late["mae"] == pytest.approx(0.5)
    assert late["mase"] == pytest.approx(0.25)


def test_a_stream_that_slept_until_the_tail_does_not_decide_alone() -> None:
    """Constant but for one small reading, then in use: its errors are told in what it does then."""
    group = hourly_group()
    values = homes(5, 120)
    usual = dataset(values[1:], group)
    values[0, :100] = 0.0
    values[0, 50] = 1e-6
    data = dataset(values, group)

    found = score(Seer(data, 100, late=1), data, group, 100)["mase"]

    assert found < 5 * score(Seer(usual, 100, late=1), usual, group, 100)["mase"]


def test_streams_that_ended_before_the_tail_are_not_drawn() -> None:
    """One of a thousand speaks in the tail: it is the one that is scored."""
    group = hourly_group()
    values = np.full((1000, 120), np.nan)
    values[:, :90] = homes(1, 90)
    values[777] = homes(1, 120)
    data = dataset(values, group)
    alone = dataset(values[777:778], group)

    assert score(Seer(alone, 100, late=1), data, group, 100) == score(Seer(alone, 100, late=1), alone, group, 100)


def test_long_tails_are_scored_on_fewer_streams() -> None:
    """Of two hundred streams at most, and of some forty thousand forecasts."""
    group = hourly_group()
    data = dataset(np.tile(homes(1, 3000), (300, 1)), group)
    asked = []

    class Counted(Seer):
        def initial_state(self, streams: int) -> Array:
            asked.append(streams)
            return super().initial_state(streams)

        def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
            state, quantiles = super().step(state, inputs)
            return state, quantiles[: len(inputs.values)]

    for first in (2990, 2000):
        score(Counted(data, first), data, group, first)

    assert asked == [200, 40]


def test_gaps_are_not_scored() -> None:
    """A missing truth is left out; with no truth at all there is no score."""
    group = hourly_group()
    values = homes(1, 120)
    values[0, 100:] = np.nan

    found = score(Seer(dataset(values, group), 100), dataset(values, group), group, 100)

    assert all(np.isnan(value) for value in found.values())


@pytest.mark.parametrize(
    ("challenger", "champion", "promoted", "verdict"),
    [
        ((0.8, 0.3), None, True, "promoted: 20 % less error than seasonal naive"),
        ((1.1, 0.375), None, False, "rejected: 5 % more error than seasonal naive"),
        (
            (0.8, 0.3),
            (0.6, 0.3),
            False,
            "rejected: 20 % less error than seasonal naive and 17 % more error than the champion",
        ),
        (
            (0.8, 0.3),
            (0.8, 0.3),
            True,
            "promoted: 20 % less error than seasonal naive and as good as the champion",
        ),
        (
            (0.8, 0.3),
            (0.798, 0.3),
            False,
            "rejected: 20 % less error than seasonal naive and as good as the champion",
        ),
        ((np.nan, np.nan), None, False, "rejected: there was nothing to compare"),
    ],
)
def test_verdict(
    challenger: tuple[float, float], champion: tuple[float, float] | None, promoted: bool, verdict: str
) -> None:
    """Better than seasonal naive and no worse than the champion, by the mean of the ratios of MASE and pinball loss."""
    scores = {"challenger": challenger, "naive": (1.0, 0.375)}
    if champion:
        scores["champion"] = champion
    named = {name: dict(zip(("mase", "pinball"), pair, strict=True)) for name, pair in scores.items()}

    assert judge(named) == (promoted, verdict)


def test_a_verdict_names_every_opponent() -> None:
    """The third, where there is a season, may be the one that is not beaten."""
    pairs = {
        "challenger": (0.8, 0.3),
        "naive": (1.0, 0.375),
        "climatology": (0.8, 0.3),
        "smart_persistence": (0.64, 0.24),
    }
    named = {name: dict(zip(("mase", "pinball"), pair, strict=True)) for name, pair in pairs.items()}

    assert judge(named) == (
        False,
        "rejected: 20 % less error than seasonal naive, as good as climatology and 25 % more error than smart "
        "persistence",
    )


@pytest.mark.parametrize(
    ("half", "promoted", "end"),
    [
        ((0.9, 0.35), True, "; half network, half naive: 8 % less error than the best naive"),
        ((1.02, 0.39), False, "; half network, half naive: 3 % more error than the best naive"),
    ],
)
def test_a_network_about_as_good_as_naive_is_judged_by_what_it_adds(
    half: tuple[float, float], promoted: bool, end: str
) -> None:
    """Two forecasts that err apart are better together, and together is how they are published."""
    pairs = {"challenger": (1.02, 0.37), "naive": (1.0, 0.375), "half": half}
    named = {name: dict(zip(("mase", "pinball"), pair, strict=True)) for name, pair in pairs.items()}

    found, verdict = judge(named)

    assert found is promoted
    assert verdict.endswith(end)
