"""Ranges hold what they say, whatever the network says."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.pipeline.calibrate import Calibration

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
STREAMS = 200
SLOTS = np.arange(STREAMS)


def a_calibration() -> Calibration:
    calibration = Calibration(LEVELS, np.array([0]), season=24)
    for _ in SLOTS:
        calibration.add()
    return calibration


def inside(calibration: Calibration, steps: int, *, says: float, true: float, seed: int = 0) -> np.ndarray:
    """Fractions inside the 80 and 95 % ranges per step (T, 2): the network says one deviation, it is another."""
    random = np.random.default_rng(seed)
    found = np.empty((steps, 2))
    raw = np.tile(says * NORMAL, (STREAMS, 1, 1))
    for step in range(steps):
        truth = true * random.normal(size=STREAMS)
        said = calibration.apply(SLOTS, raw, np.array([step]))
        for column, (low, high) in enumerate(((1, 3), (0, 4))):
            found[step, column] = ((said[:, 0, low] <= truth) & (truth <= said[:, 0, high])).mean()
        calibration.learn(SLOTS, raw, said, truth, step)
    return found


@pytest.mark.parametrize("says", [0.6, 1.0, 1.6])
def test_a_network_too_sure_or_too_shy_is_put_right(says: float) -> None:
    """Within a few hundred targets, to within two points."""
    calibration = a_calibration()
    inside(calibration, 500, says=says, true=1.0)
    assert inside(calibration, 300, says=says, true=1.0, seed=1).mean(0) == pytest.approx([0.8, 0.95], abs=0.02)


def test_four_times_the_variance_is_covered_within_three_seasons() -> None:
    """Within three points after 72 steps, for seasons of 24."""
    calibration = a_calibration()
    inside(calibration, 800, says=1.0, true=1.0)
    inside(calibration, 72, says=1.0, true=2.0, seed=1)
    assert inside(calibration, 24, says=1.0, true=2.0, seed=2).mean(0) == pytest.approx([0.8, 0.95], abs=0.03)


def test_what_is_right_is_left_alone() -> None:
    """A network whose ranges hold gets ranges of the same width."""
    calibration = a_calibration()
    inside(calibration, 1000, says=1.0, true=1.0)
    said = calibration.apply(SLOTS, np.tile(NORMAL, (STREAMS, 1, 1)), np.array([0]))[:, 0]
    assert (said[:, 3] - said[:, 1]).mean() == pytest.approx(NORMAL[3] - NORMAL[1], rel=0.05)


@given(
    st.lists(st.lists(st.floats(-100, 100), min_size=5, max_size=5), min_size=1, max_size=20),
    st.lists(st.floats(-1000, 1000), min_size=20, max_size=20),
)
def test_corrected_quantiles_never_cross(forecasts: list[list[float]], truths: list[float]) -> None:
    """Whatever has been forecast and has come."""
    calibration, slots = a_calibration(), np.array([0])
    for forecast, truth in zip(forecasts, truths, strict=False):
        raw = np.sort(np.array([[forecast]]))
        said = calibration.apply(slots, raw, np.array([0]))
        assert (np.diff(said) >= 0).all()
        assert np.isfinite(said).all()
        calibration.learn(slots, raw, said, np.array([truth]), 0)


def test_a_gap_teaches_nothing() -> None:
    """No truth, or no forecast: the state stays."""
    calibration = a_calibration()
    raw = np.tile(NORMAL, (STREAMS, 1, 1))
    before = calibration.state()
    calibration.learn(SLOTS, raw, raw, np.full(STREAMS, np.nan), 0)
    calibration.learn(SLOTS, np.full_like(raw, np.nan), raw, np.zeros(STREAMS), 0)
    for name, array in calibration.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_each_part_of_the_season_holds_what_it_says() -> None:
    """Nights that scatter less than the network thinks, and days that scatter more, after eight months."""
    calibration, random = a_calibration(), np.random.default_rng(0)
    raw = np.tile(NORMAL, (STREAMS, 1, 1))
    hits = np.empty((240 * 24, 2))
    for step in range(len(hits)):
        truth = (0.7 if step % 24 < 12 else 1.3) * random.normal(size=STREAMS)
        said = calibration.apply(SLOTS, raw, np.array([step]))
        hits[step] = [((said[:, 0, n] <= truth) & (truth <= said[:, 0, -1 - n])).mean() for n in (1, 0)]
        calibration.learn(SLOTS, raw, said, truth, step)

    of_part = hits[-30 * 24 :].reshape(30, 8, 3, 2).mean((0, 2))
    np.testing.assert_allclose(of_part, np.tile([0.8, 0.95], (8, 1)), atol=0.03)
