"""A stream never seen before is forecast from its first reading, and what is not known yet is said by wide ranges."""

from __future__ import annotations

import numpy as np
import pytest
from streams import MEDIAN, Made, daily, hourly, live

from forecaster.records import Array

STREAMS, HORIZON = 150, 24


def noise(random: np.random.Generator, steps: int) -> Array:
    return 10 + random.normal(size=(steps, STREAMS))


def seasonal(random: np.random.Generator, steps: int) -> Array:
    return daily(steps) + 0.5 * random.normal(size=(steps, STREAMS))


def walk(random: np.random.Generator, steps: int) -> Array:
    return 10 + np.cumsum(random.normal(size=(steps, STREAMS)), axis=0)


@pytest.mark.parametrize("known", [1, 10, 100])
@pytest.mark.parametrize("kind", [noise, seasonal, walk])
def test_ranges_of_a_young_stream_hold_at_least_what_they_say(kind: object, known: int) -> None:
    """To within two points, the error of this count; for streams whose first reading tells about their size."""
    assert callable(kind)
    told = live(kind(np.random.default_rng(known), known + HORIZON), hourly(horizon=HORIZON))
    assert (told.covered(known - 1, known) > np.array([0.8, 0.95]) - 0.02).all()


@pytest.mark.parametrize("known", [40, 60, 100])
def test_ranges_that_were_a_guess_do_not_narrow_those_that_are_none(known: int) -> None:
    """Eight seasons of twelve: by then each month was seen eight times, which is not much, but what is said holds."""
    told = live(noise(np.random.default_rng(known), known + 12), hourly(horizon=12, seasons=(12,), lookback=336))
    assert (told.covered(known - 1, known) > np.array([0.8, 0.95]) - np.array([0.03, 0.06])).all()


def test_the_first_reading_is_the_first_forecast() -> None:
    """Flat, since nothing else is known; and no wider than a few times the reading."""
    told = live(np.array([[20.0], [21.0]]))
    assert told.quantiles[0, 0, :, MEDIAN].tolist() == [20.0] * 3
    assert (np.diff(told.quantiles[0, 0], axis=-1) > 0).all()
    assert told.width(0, 1) < 100


def test_a_network_is_heard_when_a_season_is_known() -> None:
    """What it says of a stream just begun is neither published nor held against it later."""

    def silly_while_young(windows: Array) -> tuple[Array, Array]:
        known = np.isfinite(windows).sum(-1)[:, None] + np.zeros(3)
        return np.where(known < 24, 1e6, 10.0), np.ones_like(known)

    told = live(noise(np.random.default_rng(0), 80)[:, :5], network=Made(silly_while_young))
    assert told.quantiles[:23, ..., MEDIAN].max() < 100
    assert not any("0001" in source for source in told.sources(0, 23))
    assert told.sources(23, 40) == {"0001"}
