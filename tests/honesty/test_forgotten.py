"""What a broken sensor said, forgotten, was never there: not in the past that is looked at, and in nothing learned."""

from __future__ import annotations

import numpy as np
import pytest
from streams import Made, daily, hourly, live

from forecaster.records import Array

STREAMS, STEPS, BEGUN, MENDED, FORGOTTEN = 20, 420, 300, 310, 313


def yesterday(windows: Array) -> tuple[Array, Array]:
    """A network that knows a little more than the naive forecasts: a day ago, drawn towards ten."""
    ago = windows[:, [-24, -23, -22]]
    return np.where(np.isnan(ago), 10.0, 0.7 * ago + 3.0), np.full(ago.shape, 0.7)


@pytest.mark.parametrize("network", [None, Made(yesterday)], ids=["naive", "network"])
@pytest.mark.parametrize("stuck", [0.0, 500.0])
def test_a_broken_stretch_that_is_forgotten_was_never_there(stuck: float, network: Made | None) -> None:
    """Three hours later it is noticed. All forecasts from then on are within 1 % of those of a run without it."""
    never = daily(STEPS) + 0.5 * np.random.default_rng(0).normal(size=(STEPS, STREAMS))
    broken = never.copy()
    broken[BEGUN:MENDED] = stuck
    never[BEGUN:MENDED] = np.nan

    expected = live(never, network=network).quantiles[FORGOTTEN:]
    found = live(broken, network=network, forget=(FORGOTTEN, BEGUN, MENDED)).quantiles[FORGOTTEN:]
    kept = live(broken, network=network).quantiles[FORGOTTEN:]

    np.testing.assert_allclose(found, expected, rtol=0.01)
    assert not np.allclose(kept, expected, rtol=0.01)


def test_what_was_forecast_from_a_forgotten_stretch_is_forecast_again_at_once() -> None:
    """The next step of a monthly series is a month away."""
    steady = 10 + np.random.default_rng(0).normal(size=(100, 3))
    steady[98:] = 500.0

    told = live(steady, hourly(), forget=(99, 98, 100))

    assert told.quantiles[99].max() < 100
