"""Errors that rise for good are told from those that come and go with the time of day."""

from __future__ import annotations

import numpy as np

from forecaster.pipeline.drift import Drift

DAY = 288
"""Steps of five minutes."""


def daily(days: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Errors of a tank that is refilled for an hour each morning: large then, and small else."""
    step = np.arange(days * DAY) % DAY
    noise = np.random.default_rng(1).uniform(0.5, 1.5, step.size)
    return np.where((step >= 72) & (step < 84), 20.0, 1.0) * noise


def test_errors_that_are_large_at_the_same_time_of_every_day_are_no_drift() -> None:
    test = Drift(DAY)

    assert not any(test.changed(error) for error in daily(30))


def test_errors_that_rise_at_all_times_of_the_day_are_found_within_two_days() -> None:
    test = Drift(DAY)
    errors = daily(30) * np.where(np.arange(30 * DAY) < 20 * DAY, 1.0, 2.0)

    first = next(step for step, error in enumerate(errors) if test.changed(error))

    assert 20 * DAY < first < 22 * DAY
