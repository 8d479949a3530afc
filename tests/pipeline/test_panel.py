"""Stored steps become arrays."""

from __future__ import annotations

import numpy as np

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.excluded import mask
from forecaster.pipeline.panel import dataset, panel
from forecaster.ports import Columns
from forecaster.records import Series
from forecaster.settings import Exclusion
from forecaster.testing import a_group, a_source, at

NAN = np.nan
GROUP = a_group(sources=(a_source(), a_source(topic="home/{home}/temperature", role="past")))
GRID = Grid(GROUP.step, GROUP.timezone)
METER = Series(name="a", source=0, labels=(("home", "a"),))
OTHER = Series(name="b", source=0, labels=(("home", "b"),))
INDOOR = Series(name="~home/a/temperature", source=1, labels=(("home", "a"),))


def some_steps() -> Columns:
    """Three hours of a meter, one of another, two of a temperature."""
    return Columns(
        series=np.array([0, 0, 1, 2, 2], np.int32),
        start_ms=np.array([at("10:00"), at("12:00"), at("11:00"), at("10:00"), at("11:00")]),
        values=np.array([1.0, 3.0, 7.0, 20.0, 21.0]),
    )


def test_steps_lie_on_their_grid() -> None:
    """What is not stored is a gap."""
    found = panel((METER, OTHER, INDOOR), some_steps(), GRID)
    assert found.first == GRID.index(at("10:00"))
    np.testing.assert_array_equal(found.values, [[1, NAN, 3], [NAN, 7, NAN], [20, 21, NAN]])


def test_covariates_stand_beside_their_streams() -> None:
    """The temperature of a home goes to its meter, and to no other."""
    found = dataset(panel((METER, OTHER, INDOOR), some_steps(), GRID), GROUP, GRID)
    assert found.streams == ("a", "b")
    np.testing.assert_array_equal(found.values, [[[1, NAN, 3], [20, 21, NAN]], [[NAN, 7, NAN], [NAN, NAN, NAN]]])


def test_what_is_excluded_was_never_observed() -> None:
    """Every step the stretch touches, of the streams that match."""
    stretch = Exclusion(stream="[ab]", since_ms=at("11:30"), until_ms=at("12:01"))
    found = mask(panel((METER, OTHER, INDOOR), some_steps(), GRID), (stretch,), GRID)
    np.testing.assert_array_equal(found.values, [[1, NAN, NAN], [NAN, NAN, NAN], [20, 21, NAN]])
