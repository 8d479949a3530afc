"""Values far beyond all that is remembered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.pipeline.spikes import winsorized
from forecaster.pipeline.window import Window

WILD = st.lists(st.one_of(st.just(np.nan), st.floats(-10, 10), st.floats(-1e6, 1e6)), min_size=1, max_size=120)


@given(WILD, st.integers(1, 60), st.sampled_from([1, 6]))
def test_training_sees_what_the_service_remembers(values: list[float], past: int, season: int) -> None:
    """To the last bit."""
    window = Window(past, 0, season)
    window.add()
    row, taken = np.array([0]), []
    for index, value in enumerate(values):
        window.take(row, index, np.array([value]))
        taken.append(window.at(row, index).item())

    np.testing.assert_array_equal(winsorized(np.array([values]), past, season)[0], taken)


def test_a_spike_is_drawn_in_and_what_lasts_is_believed() -> None:
    """Twice; the third value is the new world, and what comes after it too."""
    values = np.tile([0.0, 10.0], 20)
    values[30:] += 1000

    taken = winsorized(values[None], past=24, season=1)[0]

    np.testing.assert_array_equal(taken[:30], values[:30])
    np.testing.assert_array_equal(taken[30:32], [20.0, 40.0])
    np.testing.assert_array_equal(taken[32:], values[32:])


@pytest.mark.parametrize("season", [1, 24])
def test_a_young_stream_and_a_dead_sensor_are_believed(season: int) -> None:
    """Two seasons, or eight values, must be known; and they must differ."""
    young = np.r_[np.arange(2.0 * season if season > 1 else 7.0)[:-1], 1e6][None]
    awake = np.r_[np.zeros(100), 5.0, 6.0][None]

    np.testing.assert_array_equal(winsorized(young, 200, season), young)
    np.testing.assert_array_equal(winsorized(awake, 200, season), awake)
