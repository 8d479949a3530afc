"""From quantiles to a mean."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from forecaster.pipeline.mean import mean_of, weights

LEVELS = [
    (0.5,),
    (0.5, 0.9),
    (0.1, 0.5),
    (0.1, 0.5, 0.9),
    (0.025, 0.1, 0.5, 0.9, 0.975),
    tuple(np.arange(1, 100) / 100),
]


@pytest.mark.parametrize("levels", LEVELS)
def test_the_mean_of_a_normal_distribution_is_its_median(levels: tuple[float, ...]) -> None:
    """Whatever the levels, on one side of the median too."""
    quantiles = np.array([NormalDist(3.0, 2.0).inv_cdf(level) for level in levels])

    assert weights(levels).sum() == pytest.approx(1)
    assert mean_of(quantiles, levels) == pytest.approx(3.0)


def test_the_mean_of_a_skewed_distribution_lies_above_its_median() -> None:
    """Log-normal, a variance of 1 / 4: three levels know the mean to 0.4 %, five to a hundredth of that."""
    for levels, near in ((LEVELS[3], 0.004), (LEVELS[4], 0.00015), (LEVELS[5], 0.00015)):
        quantiles = np.exp([0.5 * NormalDist().inv_cdf(level) for level in levels])

        assert mean_of(quantiles, levels) == pytest.approx(np.exp(0.125), rel=near)


def test_the_mean_stays_between_the_ends() -> None:
    """Of a bounded meter no mean is below 0; one quantile that is not known makes it unknown."""
    found = mean_of(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 9.0], [np.nan, 1.0, 2.0]]), (0.1, 0.5, 0.9))

    assert found[0] == 0
    assert 0 < found[1] < 9
    assert np.isnan(found[2])
