"""Ranges that were too narrow on steps not learned from become wider."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.nets.width import places, width
from forecaster.records import Array

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
BELL = np.array([-1.96, -1.2816, 0.0, 1.2816, 1.96])


def missed(streams: int, origins: int, horizon: int, said: float) -> list[Array]:
    """Standard normal errors of ranges that say their deviation is ``said``."""
    random = np.random.default_rng(0)
    return [random.normal(size=(streams, len(places(horizon)), 1)) - said * BELL for _ in range(origins)]


@pytest.mark.parametrize(("said", "expected"), [(1.0, 1.0), (0.8, 0.8**-0.5), (1.3, 1.0), (0.1, 2**0.5)])
def test_half_of_what_was_missing_is_added_and_nothing_taken_away(said: float, expected: float) -> None:
    """In logarithms; at most a factor of the root of two."""
    found = width(missed(2000, 20, 24, said), LEVELS, 24)

    assert found.shape == (24,)
    assert found == pytest.approx(expected, rel=0.03)


def test_few_targets_say_little() -> None:
    """Of one stream whose tail is as long as the last lead; none says nothing, gaps neither."""
    few = width(missed(1, 24, 24, 0.5), LEVELS, 24)

    assert (few < 2**0.5 - 0.05).all()
    assert (few > 1.05).all()
    assert (width([], LEVELS, 24) == 1).all()
    assert (width([np.full((3, len(places(24)), 5), np.nan)], LEVELS, 24) == 1).all()


def test_a_lead_of_which_nothing_came_is_as_the_one_before() -> None:
    """A tail shorter than the horizon."""
    short = missed(2000, 20, 24, 0.8)
    for origin in short:
        origin[:, places(24) >= 12] = np.nan

    assert width(short, LEVELS, 24) == pytest.approx(0.8**-0.5, rel=0.03)


@pytest.mark.parametrize("horizon", [1, 2, 24, 720])
def test_places_reach_from_the_first_lead_to_the_last(horizon: int) -> None:
    """At most eight."""
    found = places(horizon)

    assert (found[0], found[-1]) == (0, horizon - 1)
    assert len(found) <= 8
    assert (np.diff(found) > 0).all()
