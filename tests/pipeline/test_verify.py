"""Forecasts are remembered until their targets arrive, and scored then."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.pipeline.verify import Ledger
from forecaster.records import Array
from forecaster.testing import a_group

HORIZON = 3
LEVELS = (0.1, 0.5, 0.9)
SLOT = np.array([0])


def a_ledger() -> Ledger:
    ledger = Ledger(a_group(horizon=HORIZON, levels=LEVELS))
    ledger.add()
    return ledger


def a_forecast(origin: float) -> tuple[Array, Array]:
    """Numbers no other origin has: quantiles (1, H, Q), naive (1, H); NaN for that of NaN."""
    numbers = origin * 100.0 + np.arange(HORIZON * (len(LEVELS) + 1)).reshape(1, HORIZON, -1)
    return numbers[..., :-1], numbers[..., -1]


def issue(ledger: Ledger, index: int) -> None:
    ledger.issue(SLOT, index, *a_forecast(index), np.array([[2, 1]]))


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(-7, 7))
def test_what_was_said_for_a_step_is_found_when_it_closes(forecasts: list[bool], first: int) -> None:
    """By each lead, whatever was left out; what is out of reach, or was never said, is NaN."""
    ledger = a_ledger()
    issued: set[int] = set()
    for index, one in enumerate(forecasts, start=first):
        quantiles, naive = ledger.said(SLOT, index)
        for lead in range(1, HORIZON + 1):
            origin = index - lead
            expected, expected_naive = a_forecast(origin if origin in issued else np.nan)
            np.testing.assert_array_equal(quantiles[0, lead - 1], expected[0, lead - 1])
            np.testing.assert_array_equal(naive[0, lead - 1], expected_naive[0, lead - 1])
        if one:
            issue(ledger, index)
            issued.add(index)


def test_the_newest_forecast_is_found_whole() -> None:
    """All leads, and what they come from; nothing for a step that had none."""
    ledger = a_ledger()
    for index in (5, 6):
        issue(ledger, index)
    quantiles, sources = ledger.issued(SLOT, 6)
    np.testing.assert_array_equal(quantiles, a_forecast(6)[0])
    assert sources.tolist() == [[2, 1]]
    assert np.isnan(ledger.issued(SLOT, 7)[0]).all()


def scored(quantiles: Array, naive: Array) -> dict[str, tuple[float, float]]:
    """Rolling MAE and skill per bucket, for a truth of 1 after a 0 a season ago."""
    ledger = a_ledger()
    ledger.score(SLOT, np.array([1.0]), quantiles, naive, np.array([0.0]))
    return {score.leads: (score.mae, score.skill) for score in ledger.scores()}


def test_a_perfect_forecaster_scores_0_at_every_lead() -> None:
    """And one that is off by 1 everywhere does not."""
    ones = np.ones((1, HORIZON, len(LEVELS)))
    off = np.full((1, HORIZON), 1.5)
    assert scored(ones, off) == {"1": (0.0, 1.0), "2-4": (0.0, 1.0)}
    assert scored(ones + 1, off) == {"1": (1.0, -1.0), "2-4": (1.0, -1.0)}


@pytest.mark.parametrize("unknown", ["forecast", "naive"])
def test_what_cannot_be_compared_is_not_scored(unknown: str) -> None:
    """A lead counts only where both the forecast and its opponent spoke."""
    quantiles, naive = np.ones((1, HORIZON, len(LEVELS))), np.zeros((1, HORIZON))
    (quantiles if unknown == "forecast" else naive)[:, 1:] = np.nan
    assert list(scored(quantiles, naive)) == ["1"]
