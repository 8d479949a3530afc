"""Through a history: the same forecasts as step by step, a second opinion and a naive forecast mixed in as told."""

from __future__ import annotations

import numpy as np
from worlds import dataset, homes, hourly_group, untrained

from forecaster.nets.baseline import Climatology, SeasonalNaive
from forecaster.nets.dilated import Dilated
from forecaster.nets.predictor import NetworkPredictor
from forecaster.nets.walk import Half, inputs_at, steps, walk
from forecaster.settings import Network


def test_a_network_says_in_one_go_what_it_says_step_by_step() -> None:
    """To 1e-5 of what it says, wherever the walk begins; blocks of origins do not show."""
    group = hourly_group(roles=("target", "past", "future"), bounds=(0, None))
    values = np.stack([homes(3, 400, seed) for seed in range(3)], axis=1)
    values[1, 0, :130] = np.nan
    data = dataset(values, group)
    predictor = untrained(group)

    for first in (0, 100, 390):
        found = np.stack(list(walk(predictor, data, group, first)))
        expected = np.stack(list(steps(predictor, predictor.warmup, data, group, first)))

        assert found.shape == (399 - first, 3, group.horizon, len(group.levels))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_medians_go_half_of_the_way_to_a_second_opinion() -> None:
    """And all quantiles move with them, in order; of other streams the first network's word stands."""
    group = hourly_group(network=Network(hidden=8, members=1))
    data = dataset(homes(3, group.lookback + 2), group)
    names = data.streams[:2]
    first = untrained(group)
    second = Dilated(first.network.shape, names, np.zeros(2), np.ones(2))
    model = NetworkPredictor(first.network, group, "0001", second)
    middle, origin = group.levels.index(0.5), group.lookback

    (alone,) = walk(first, data, group, origin)
    (quantiles,) = walk(model, data, group, origin)
    assert model.second is not None
    *_, median = steps(model.second, model.warmup, data, group, origin)

    assert np.isfinite(median).all(-1).tolist() == [True, True, False]
    np.testing.assert_allclose(quantiles[:2, :, middle], (alone[:2, :, middle] + median[:2]) / 2)
    np.testing.assert_array_equal(quantiles[2], alone[2])
    assert (np.diff(quantiles, axis=-1) > 0).all()


def test_half_of_each_is_the_mean_of_both() -> None:
    """Quantile by quantile."""
    group = hourly_group()
    data = dataset(homes(2, 120), group)
    one, other = SeasonalNaive(group), Climatology(group)
    inputs = inputs_at(data, 118, group)

    (quantiles,) = walk(Half(one, other), data, group, 118)

    both = [predictor.step(predictor.initial_state(2), inputs)[1] for predictor in (one, other)]
    np.testing.assert_allclose(quantiles, np.mean(both, axis=0))


def test_inputs_show_the_past_and_only_known_futures() -> None:
    """Before the first step are gaps; only future-known channels are seen beyond the origin, to the end."""
    group = hourly_group(roles=("target", "past", "future"), lookback=4, horizon=3, seasons=())
    values = np.stack([np.arange(6.0), 10 + np.arange(6.0), 20 + np.arange(6.0)])[None]
    nan = np.nan

    shown = inputs_at(dataset(values, group), 3, group)
    early = inputs_at(dataset(values, group), 0, group)

    np.testing.assert_array_equal(shown.values[0], [[0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]])
    np.testing.assert_array_equal(shown.future[0], [[nan] * 3, [nan] * 3, [24, 25, nan]])
    np.testing.assert_array_equal(early.values[0, 0], [nan, nan, nan, 0])
    assert shown.calendar.shape == (7, 2)
