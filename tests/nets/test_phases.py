"""Same local time, seasons ago; and quantiles of what was seen then."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecaster.nets.phases import latest, look, look_back, quantiles, same_phase

NAN = np.nan


def test_newest_known_of_a_phase_is_as_many_seasons_back_as_the_lead_needs() -> None:
    """Leads within a season look one season back, later ones two, and none looks past the origin."""
    leads = 10 + np.arange(1, 8)

    assert latest(leads, np.array(10), 3, np.zeros(20, np.int64)).tolist() == [8, 9, 10, 8, 9, 10, 8]


def test_hour_that_is_still_to_come_is_taken_from_the_day_before() -> None:
    """The clock goes forward before step 9: the hour before step 9 does not exist, the same phase is one step later.

    A lead whose phase of yesterday would lie after the origin takes the one of the day before.
    """
    shift = np.array([0] * 9 + [1] * 11)

    assert same_phase(np.array([9, 10, 12]), 1, 4, shift).tolist() == [6, 7, 9]
    assert latest(np.array([11, 12, 13]), np.array(8), 4, shift).tolist() == [8, 5, 6]


def test_outside_of_the_grid_is_a_gap() -> None:
    """Nothing wraps around."""
    np.testing.assert_array_equal(look(np.array([1.0, 2.0]), np.array([-1, 0, 1, 2])), [NAN, 1, 2, NAN])


def test_looks_back_season_by_season() -> None:
    """Newest first, gaps where the window begins."""
    found = look_back(np.arange(8.0), np.array([7, 4]), 3, np.zeros(8, np.int64), 3)

    np.testing.assert_array_equal(found, [[7, 4, 1], [4, 1, NAN]])


@given(arrays(np.float64, (3, 9), elements=st.one_of(st.floats(-1e6, 1e6), st.just(NAN))))
def test_quantiles_are_those_of_numpy(sample: np.ndarray) -> None:
    """Where numpy's slow function gives a number, ours gives the same; where nothing was seen, NaN."""
    levels = [0.0, 0.1, 0.5, 0.975, 1.0]

    for row, found in zip(sample, quantiles(sample, levels), strict=True):
        expected = np.quantile(row[np.isfinite(row)], levels) if np.isfinite(row).any() else np.full(5, NAN)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
