"""Which model serves a group, and how long it takes."""

from __future__ import annotations

import numpy as np

from forecaster.inputs import Inputs
from forecaster.nets.baseline import SeasonalNaive
from forecaster.runtime.models import Timed
from forecaster.testing import a_group


class Advised:
    """A naive forecast that is its own second opinion."""

    version, warmup = "0001", 0

    def __init__(self, naive: SeasonalNaive) -> None:
        self.initial_state, self.step, self.second = naive.initial_state, naive.step, naive


def inputs() -> Inputs:
    return Inputs(
        values=np.arange(8.0).reshape(1, 1, 8),
        future=np.full((1, 1, 3), np.nan),
        calendar=np.zeros((11, 0), np.float32),
        shift=np.zeros(11, np.int64),
    )


def test_a_timed_predictor_answers_as_the_one_inside() -> None:
    """Each step tells one duration and changes nothing else."""
    group = a_group(seasons=(2,), horizon=3)
    inside, durations = SeasonalNaive(group), list[float]()
    timed = Timed(inside, durations.append)
    seen = inputs()

    state, quantiles = timed.step(timed.initial_state(1), seen)

    expected = inside.step(inside.initial_state(1), seen)
    assert (timed.version, timed.warmup) == (inside.version, inside.warmup)
    assert state.tolist() == expected[0].tolist()
    assert quantiles.tolist() == expected[1].tolist()
    assert timed.second is None
    assert len(durations) == 1
    assert durations[0] > 0


def test_a_second_opinion_is_timed_too() -> None:
    """And answers as before."""
    group = a_group(seasons=(2,), horizon=3)
    inside, durations = SeasonalNaive(group), list[float]()
    timed = Timed(Advised(inside), durations.append)
    assert timed.second is not None
    seen = inputs()
    _, answer = timed.second.step(timed.second.initial_state(1), seen)
    assert answer.tolist() == inside.step(inside.initial_state(1), seen)[1].tolist()
    assert len(durations) == 1
