"""Covariates find their streams, in whatever order they appear."""

from __future__ import annotations

from itertools import permutations

import pytest

from forecaster.pipeline.links import Links
from forecaster.records import Series
from forecaster.testing import a_group, a_source

METER_A = Series(name="a/1", source=0, labels=(("home", "a"), ("meter", "1")))
METER_B = Series(name="b/1", source=0, labels=(("home", "b"), ("meter", "1")))
INDOOR_A = Series(name="~indoor/a", source=1, labels=(("home", "a"),))
OUTDOOR = Series(name="~outdoor", source=2, labels=())


@pytest.mark.parametrize("order", list(permutations([(1, METER_A), (2, METER_B), (3, INDOOR_A), (4, OUTDOOR)])))
def test_shared_captures_link(order: tuple[tuple[int, Series], ...]) -> None:
    """A temperature per home goes to the meters of that home, one without captures to all."""
    links = Links(
        a_group(
            sources=(
                a_source(topic="home/{home}/{meter}/energy"),
                a_source(topic="home/{home}/temperature", role="past"),
                a_source(topic="weather/temperature", role="future"),
            )
        )
    )

    found = {link for row, series in order for link in links.add(row, series)}

    assert found == {(1, 1, 3), (1, 2, 4), (2, 2, 4)}
