"""What was learned is believed as far as steps not learned from speak for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from worlds import dataset, hourly_group, serving, trained, untrained

from forecaster.nets import belief
from forecaster.nets.batches import Batch
from forecaster.nets.belief import LEANING, PARTS, USUAL, believed, outputs
from forecaster.nets.loop import Best
from forecaster.nets.network import Network, View
from forecaster.nets.walk import inputs_at
from forecaster.settings import Network as NetworkSettings
from forecaster.settings import Step


def found(loss: Callable[[float], float], stretches: int) -> float:
    """The part of the way for a loss that depends on it; it begins at 0 everywhere and learned what is random."""
    network = untrained(hourly_group()).network
    learned = outputs(network)
    begun = {name: torch.zeros_like(tensor) for name, tensor in learned.items()}
    some = learned["weight"].flatten()[0]

    def examined(now: Network, *_: object, updates: int) -> Best:
        return Best(loss(float(now.head.weight.detach().flatten()[0] / some)), {}, updates)

    nothing, horizon = torch.empty(0), network.shape.horizon
    seen = View(nothing, nothing, nothing)
    there = torch.ones(stretches * horizon, 1, horizon, dtype=torch.bool)
    tail = Batch(seen=seen, target=nothing, observed=there, leads=torch.arange(horizon), every=1, fresh=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(belief, "examined", examined)
        part = believed(network, begun, tail)
    for name, now in outputs(network).items():
        torch.testing.assert_close(now, part * learned[name])
    return part


def test_much_is_believed_and_little_is_not() -> None:
    """A tenth less loss over many stretches is enough, over few it is a hint; and it may speak against all of it."""
    assert found(lambda part: 1 - 0.1 * part, stretches=200) > 0.95
    assert USUAL < found(lambda part: 1 - 0.1 * part, stretches=3) < 0.5
    assert found(lambda part: 1 + 0.1 * part, stretches=200) < 0.02
    assert found(lambda part: 1 - part * (1.2 - part), stretches=1000) == pytest.approx(0.6, abs=0.15)


@pytest.mark.parametrize(("loss", "stretches"), [(1.0, 0), (0.0, 9), (1.0, 9)])
def test_nothing_that_tells_is_a_quarter_of_the_way(loss: float, stretches: int) -> None:
    """Nothing came, nothing was missed, or all parts are as good."""
    weight = np.exp(-LEANING * np.array(PARTS))

    assert weight @ PARTS / weight.sum() == pytest.approx(USUAL, abs=0.005)
    assert found(lambda _: loss, stretches) == pytest.approx(USUAL, abs=0.005)


@pytest.mark.timeout(300)
def test_a_few_short_series_do_not_make_it_too_sure() -> None:
    """Five random walks with a season, eight years by the month: their ranges hold on what comes after."""
    random = np.random.default_rng(1)
    season = 5 * random.normal(size=(5, 12))
    walks = random.normal(size=(5, 120)).cumsum(-1) + np.tile(season, 10)
    month = Step(unit="month", count=1, text="month")
    group = hourly_group(step=month, horizon=12, seasons=(12,), lookback=36, network=NetworkSettings(hidden=16))
    predictor = serving(trained(dataset(walks[:, :96], group), group), group)

    data, state, inside = dataset(walks, group), predictor.initial_state(5), []
    for origin in range(60, 108):
        state, quantiles = predictor.step(state, inputs_at(data, origin, group))
        if origin >= 95:
            truth = walks[:, origin + 1 : origin + 13]
            inside.append((quantiles[..., 0] <= truth) & (truth <= quantiles[..., 2]))

    assert np.mean(inside) > 0.7
