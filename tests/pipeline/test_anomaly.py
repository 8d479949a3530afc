"""How unusual a value is."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.pipeline.anomaly import anomaly


@pytest.mark.parametrize(
    ("levels", "quantiles", "expected"),
    [
        ((0.025, 0.5, 0.975), [[0.0, 1.0, 2.0]], 2 * 1.96 / 2.576),
        ((0.5, 0.975), [[1.0, 2.0]], 2 * 1.96 / 2.576),
        ((0.025, 0.5), [[0.0, 1.0]], 2 * 1.96 / 2.576),
        ((0.5,), [[1.0]], np.nan),
    ],
)
@pytest.mark.parametrize("truth", [-1.0, 3.0])
def test_a_side_without_a_level_is_as_wide_as_the_other(
    levels: tuple[float, ...], quantiles: list[list[float]], expected: float, truth: float
) -> None:
    """The median alone says nothing about what is unusual."""
    found = anomaly(np.array([truth]), np.array(quantiles), levels)

    np.testing.assert_allclose(found, [expected], rtol=1e-3)
