"""A stream that no training has seen."""

from __future__ import annotations

import numpy as np
from worlds import dataset, homes, hourly_group, inputs, serving, trained

from forecaster.nets.predictor import NetworkPredictor
from forecaster.records import Array
from forecaster.settings import Group

STREAMS, STEPS, UPDATES = 16, 24 * 40, 300


def error(network: NetworkPredictor, group: Group, values: Array, known: int) -> float:
    """Mean absolute error over a week of origins, for streams of which only the last so many steps are known."""
    errors = []
    for origin in range(STEPS - 24 * 7, STEPS - group.horizon, 5):
        window = values[:, origin - group.lookback : origin].copy()
        window[:, : group.lookback - known] = np.nan
        _, quantiles = network.step(network.initial_state(len(values)), inputs(window[:, None], group))
        errors.append(np.abs(values[:, origin : origin + group.horizon] - quantiles[..., 1]))
    return float(np.mean(errors))


def test_two_seasons_are_enough_to_be_forecast_like_the_others() -> None:
    """Known for two days and never trained on, against known for a week and trained on: within 10 %."""
    group = hourly_group(lookback=168)
    strangers, others = homes(STREAMS, STEPS, seed=5), homes(STREAMS, STEPS, seed=6)

    without = serving(trained(dataset(others, group), group, UPDATES), group)
    among = serving(trained(dataset(np.concatenate([others, strangers]), group), group, UPDATES), group)

    assert error(without, group, strangers, known=48) < 1.1 * error(among, group, strangers, known=168)
