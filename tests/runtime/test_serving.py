"""Which model serves a group, and how long it takes."""

from __future__ import annotations

import numpy as np

from forecaster.nets.baseline import SeasonalNaive
from forecaster.records import Inputs
from forecaster.runtime.models import Timed
from forecaster.testing import a_group


def test_a_timed_predictor_answers_as_the_one_inside() -> None:
    """Each step tells one duration and changes nothing else."""
    group = a_group(seasons=(2,), horizon=3)
    inside, durations = SeasonalNaive(group), list[float]()
    timed = Timed(inside, durations.append)
    inputs = Inputs(
        values=np.arange(8.0).reshape(1, 1, 8),
        future=np.full((1, 1, 3), np.nan),
        calendar=np.zeros((11, 0), np.float32),
        shift=np.zeros(11, np.int64),
    )

    state, quantiles = timed.step(timed.initial_state(1), inputs)

    expected = inside.step(inside.initial_state(1), inputs)
    assert (timed.version, timed.warmup) == (inside.version, inside.warmup)
    assert state.tolist() == expected[0].tolist()
    assert quantiles.tolist() == expected[1].tolist()
    assert len(durations) == 1
    assert durations[0] > 0
