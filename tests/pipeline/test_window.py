"""The ring of closed steps and of values known ahead."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forecaster.pipeline.window import Window

NAN = np.nan


def a_window(past: int = 3, ahead: int = 2) -> Window:
    window = Window(past, ahead, season=1)
    window.add()
    return window


ROW = np.array([0])


def test_steps_come_back_oldest_first() -> None:
    """A view ends at the index asked for; what was never pushed is NaN."""
    window = a_window()
    for index in (10, 11):
        window.push(ROW, index, np.array([float(index)]))

    np.testing.assert_array_equal(window.view(ROW, 11, past=3, ahead=2), [[NAN, 10, 11, NAN, NAN]])


def test_what_is_known_ahead_stays_when_its_step_closes_without_a_reading() -> None:
    """Tomorrow's temperature is used today, and kept when nobody measures it; a measurement replaces it."""
    window = a_window()
    window.push(ROW, 10, np.array([NAN]))
    window.know(0, 11, 21.0)
    window.know(0, 12, 22.0)
    np.testing.assert_array_equal(window.view(ROW, 10, past=1, ahead=2), [[NAN, 21, 22]])

    window.push(ROW, 11, np.array([NAN]))
    window.push(ROW, 12, np.array([30.0]))

    np.testing.assert_array_equal(window.view(ROW, 12, past=2, ahead=1), [[21, 30, NAN]])


def test_a_state_brings_everything_back() -> None:
    """Snapshot and restore change no view."""
    window, other = a_window(), a_window()
    for index in range(20):
        window.push(ROW, index, np.array([float(index)]))

    other.restore(window.state())

    np.testing.assert_array_equal(other.view(ROW, 19, 3, 2), window.view(ROW, 19, 3, 2))


@given(st.lists(st.floats(-1e6, 1e6) | st.just(NAN), min_size=1, max_size=40), st.integers(-50, 50))
def test_a_view_is_the_tail_of_what_was_pushed(values: list[float], start: int) -> None:
    """Whatever the ring does inside, also below index 0."""
    window = a_window(past=5, ahead=1)
    for offset, value in enumerate(values):
        window.push(ROW, start + offset, np.array([value]))

    expected = [*([NAN] * 5 + values)[-5:], NAN]

    np.testing.assert_array_equal(window.view(ROW, start + len(values) - 1, 5, 1)[0], expected)
