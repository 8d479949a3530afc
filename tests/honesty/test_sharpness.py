"""Ranges are as narrow as they can be at the coverage they promise."""

from __future__ import annotations

import numpy as np
import pytest
from streams import Made, hourly, live

from forecaster.records import Array

STEPS, FROM, STREAMS = 1000, 600, 10


def deviation(steps: Array) -> Array:
    """Quiet nights, restless days."""
    return 1.2 + np.sin(2 * np.pi * steps / 24)


def test_ranges_are_narrower_than_those_of_split_conformal_prediction() -> None:
    """At the same coverage, where the noise depends on the hour; the network knows how, but is too sure by half.

    Split conformal prediction adds to the same medians the quantile of what their errors were before.

    References
    ----------
    Lei et al. (2018), "Distribution-free predictive inference for regression", JASA 113(523).
    """
    random = np.random.default_rng(0)
    values = 10 + deviation(np.arange(STEPS))[:, None] * random.normal(size=(STEPS, STREAMS))
    values[:, 0] = 10 + deviation(np.arange(STEPS))  # tells the network the hour: it is given no calendar here
    hour = Made(lambda windows: (np.full((len(windows), 3), 10.0), 0.5 * known(windows)))

    told = live(values, hourly(lookback=48), hour)

    conformal = np.quantile(np.abs(values[:FROM, 1:] - 10), 0.8)
    assert told.covered(FROM, STEPS)[0] == pytest.approx(0.8, abs=0.02)
    assert told.width(FROM, STEPS) < 0.95 * 2 * conformal


def known(windows: Array) -> Array:
    """Deviations of the next three hours (B, 3), read off the first stream of the batch."""
    day = windows[0, -24:] - 10
    return np.broadcast_to(day[:3] if np.isfinite(day).all() else 1.2, (len(windows), 3))
