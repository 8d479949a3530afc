"""A network in service: the same as in training, blind to the future, indifferent to scale and to company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from worlds import dataset, homes, hourly_group, inputs, untrained

from forecaster.errors import ModelError, ModelMismatch
from forecaster.inputs import Dataset
from forecaster.nets.batches import whole
from forecaster.nets.features import extract
from forecaster.nets.network import Network as Committee
from forecaster.nets.network import view
from forecaster.nets.predictor import NetworkPredictor, unscaled
from forecaster.nets.shape import to_json
from forecaster.nets.walk import inputs_at
from forecaster.records import Array
from forecaster.settings import Group, Network

NAN = np.nan
VALUES = st.one_of(st.floats(-1e6, 1e6), st.just(NAN), st.just(0.0))


def weights(predictor: NetworkPredictor) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in predictor.network.state_dict().items()}


def stepped(predictor: NetworkPredictor, data: Dataset, group: Group, first: int = 0) -> Array:
    """Forecasts of each origin from ``first`` on, one closed step at a time: (S, T, H, Q)."""
    state = predictor.initial_state(len(data.streams))
    made = []
    for origin in range(first, data.values.shape[-1]):
        state, quantiles = predictor.step(state, inputs_at(data, origin, group))
        made.append(quantiles)
    return np.stack(made, axis=1)


def a_world(group: Group, steps: int = 220) -> Dataset:
    """Two homes with gaps, a late start, covariates and a change of the clock."""
    random = np.random.default_rng(3)
    values = random.normal(5, 2, (2, len(group.channels), steps))
    values[:, 0] = homes(2, steps)
    values[random.random(values.shape) < 0.1] = NAN
    values[1, 0, :30] = NAN
    for channel, role in enumerate(group.channels):
        if role == "static":
            values[:, channel] = [[3.0], [7.0]]
    shift = np.where(np.arange(steps + group.horizon) < 150, 0, 1)
    return dataset(values, group, shift=shift)


@pytest.mark.parametrize(
    "group",
    [
        hourly_group(),
        hourly_group(lookback=170, seasons=(12, 24)),
        hourly_group(
            network=Network(cell="lstm", layers=2, hidden=5), seasons=(12, 24), levels=(0.025, 0.5, 0.9, 0.99)
        ),
        hourly_group(network=Network(cell="elman", hidden=5), seasons=(), lookback=10, levels=(0.5,)),
        hourly_group(roles=("target", "past", "future", "static")),
        hourly_group(roles=("target", "past", "future", "static"), own_past=False),
    ],
    ids=["gru", "levels and drifts", "lstm", "elman without season", "covariates", "covariates only"],
)
def test_serving_is_training_one_step_at_a_time(group: Group) -> None:
    """Stepping through a series equals the forward pass of training over all of it, to 1e-5."""
    data = a_world(group)
    predictor = untrained(group)
    network = predictor.network
    steps = data.values.shape[-1]

    features = extract(whole(data, group.horizon, group.lookback, steps), network.shape, network.usual)
    with torch.no_grad():
        scaled, _ = network(view(features), network.initial_state(2))

    # Future-known channels are hidden after the last step of training, so the last origins see less there.
    until = steps - group.horizon
    expected = unscaled(scaled.numpy(), features)[:, :until]
    found = stepped(predictor, data, group)[:, :until]
    spread = features.scale[:, :until, None, None]
    np.testing.assert_allclose(found / spread, expected / spread, atol=1e-5, rtol=1e-5)


def test_many_steps_are_gone_in_one() -> None:
    """As a new model does through what is known of every stream: in pieces, and to 1e-5 as one step at a time."""
    group = hourly_group(roles=("target", "past", "future", "static"))
    data, predictor = a_world(group), untrained(group)
    steps, origin = 100, 150
    last = origin + steps - 1
    wide = inputs_at(data, last, replace(group, lookback=group.lookback + steps - 1))

    state, quantiles = predictor.step(predictor.initial_state(2), replace(wide, steps=steps))

    carried = predictor.initial_state(2)
    for one in range(origin, last + 1):
        carried, said = predictor.step(carried, inputs_at(data, one, group))
    np.testing.assert_allclose(state, carried, atol=1e-5)
    np.testing.assert_allclose(quantiles, said, atol=1e-5 * np.ptp(said), rtol=0)


def apart(network: Committee) -> Iterator[Committee]:
    """A committee as so many networks of one member each."""
    kept = {"centre", "spread", "width"}
    for member in range(network.shape.members):
        one = Committee(replace(network.shape, members=1), network.usual)
        some = {name: part if name in kept else part[member, None] for name, part in network.state_dict().items()}
        one.load_state_dict(some)
        yield one


def test_a_committee_says_the_mean_of_its_members() -> None:
    """Each has weights and a state of its own; in training each row is forecast by one of them."""
    group = hourly_group(network=Network(hidden=5, members=3))
    network = untrained(group).network
    data = a_world(group)
    with torch.no_grad():
        seen = view(extract(whole(data, group.horizon, group.lookback, 30), network.shape, network.usual))
        together, state = network(seen, network.initial_state(2))
        alone = [one(seen, torch.zeros(2, 1, 1, 5)) for one in apart(network)]
        rows = [torch.cat([tensor, tensor, tensor]) for tensor in seen]
        dealt, after = network.dealt(type(seen)(*rows), torch.zeros(6, 1, 1, 5), 1, torch.arange(group.horizon))

        leads = torch.tensor([1, 3])
        some = [part if part is rows[0] else part[:, :, leads] for part in rows]
        asked, _ = network.dealt(type(seen)(*some), torch.zeros(6, 1, 1, 5), 1, leads)

    assert state.shape == (2, 3, 1, 5)
    torch.testing.assert_close(asked, dealt[:, :, leads])
    assert not torch.allclose(alone[0][0], alone[1][0])
    torch.testing.assert_close(together, torch.stack([one for one, _ in alone]).mean(0))
    torch.testing.assert_close(dealt, torch.cat([one for one, _ in alone]))
    torch.testing.assert_close(after, torch.cat([one for _, one in alone]))
    torch.testing.assert_close(state, torch.cat([one for _, one in alone], dim=1))


def test_ranges_are_as_wide_as_the_tail_said_and_learned_as_they_are() -> None:
    """Each lead's on its own, around a median that stays; what a training sees stays too."""
    group = hourly_group()
    network = untrained(group).network
    seen = view(extract(whole(a_world(group), group.horizon, group.lookback, 30), network.shape, network.usual))
    times = torch.linspace(1, 1.4, group.horizon)
    with torch.no_grad():
        state = network.initial_state(2)
        before, learned = network(seen, state)[0], network.dealt(seen, state[:, :1], 1, torch.arange(group.horizon))[0]
        network.width.copy_(times)
        after, again = network(seen, state)[0], network.dealt(seen, state[:, :1], 1, torch.arange(group.horizon))[0]

    middle = network.shape.middle
    torch.testing.assert_close(after[..., middle], before[..., middle])
    torch.testing.assert_close(after[..., -1] - after[..., 0], times * (before[..., -1] - before[..., 0]))
    torch.testing.assert_close(again, learned)


def test_what_is_added_to_the_choice_is_less_at_quiet_times() -> None:
    """In units of how lively the stream is then."""
    group = hourly_group()
    network = untrained(group).network
    seen = view(extract(whole(a_world(group), group.horizon, group.lookback, 60), network.shape, network.usual))
    candidates, middle = seen.candidates.shape[-1], network.shape.middle
    with torch.no_grad():
        before, _ = network(seen, network.initial_state(2))
        network.start[..., candidates] += 2.0
        after, _ = network(seen, network.initial_state(2))

    moved = (after - before)[..., middle]
    torch.testing.assert_close(moved, 2 * seen.leads[..., 0], atol=1e-5, rtol=1e-5)
    assert 0 < moved.min() < moved.max()


def test_future_changes_no_forecast_before_it() -> None:
    """Whatever happens later: target and past covariates after an origin, known values beyond the last lead."""
    group = hourly_group(roles=("target", "past", "future"))
    data = a_world(group)
    other = data.values.copy()
    other[:, :2, 80:] += 1000
    other[:, 2, 80 + group.horizon :] += 1000
    predictor = untrained(group)

    before = stepped(predictor, data, group)
    after = stepped(predictor, replace(data, values=other), group)

    np.testing.assert_array_equal(before[:, :80], after[:, :80])
    assert not np.allclose(before[:, 80:], after[:, 80:], equal_nan=True)


@settings(max_examples=40)
@given(arrays(np.float64, (3, 1, 72), elements=VALUES), st.integers(0, 5))
def test_quantiles_never_cross_and_are_finite_where_something_is_known(windows: Array, seed: int) -> None:
    """For any window and any weights; nothing known: NaN."""
    group = hourly_group(bounds=(-1e5, None), levels=(0.025, 0.1, 0.5, 0.9))
    predictor = untrained(group, seed)

    _, quantiles = predictor.step(predictor.initial_state(3), inputs(windows, group))

    seen = np.isfinite(windows).any((1, 2))
    assert np.isfinite(quantiles[seen]).all()
    assert np.isnan(quantiles[~seen]).all()
    assert (np.diff(quantiles[seen], axis=-1) >= 0).all()
    assert (quantiles[seen] >= -1e5).all()


@settings(max_examples=20)
@given(st.floats(1e-3, 1e5))
def test_scaling_the_data_scales_the_forecast(factor: float) -> None:
    """Watts or kilowatts, the forecast is the same."""
    group = hourly_group()
    window = homes(2, 72)[:, None]
    predictor = untrained(group)

    state, plain = predictor.step(predictor.initial_state(2), inputs(window, group))
    scaled_state, scaled = predictor.step(predictor.initial_state(2), inputs(window * factor, group))

    np.testing.assert_allclose(scaled, plain * factor, rtol=1e-4, atol=1e-4 * factor)
    np.testing.assert_allclose(scaled_state, state, atol=1e-5)


def test_large_offset_loses_no_detail() -> None:
    """Air pressure near 101325 Pa with changes of a few Pa: the quantiles follow the few."""
    group = hourly_group()
    window = 101325 + homes(2, 72)[:, None]
    predictor = untrained(group)

    _, quantiles = predictor.step(predictor.initial_state(2), inputs(window, group))

    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=-1) > 0).all()
    assert np.abs(quantiles - 101325).max() < 1000


def test_company_does_not_matter() -> None:
    """The order of a batch, and who else is in it, changes nothing, also across blocks."""
    group = hourly_group()
    window = homes(1100, 72)[:, None]
    order = np.random.default_rng(0).permutation(1100)
    predictor = untrained(group)

    _, together = predictor.step(predictor.initial_state(1100), inputs(window, group))
    _, mixed = predictor.step(predictor.initial_state(1100), inputs(window[order], group))
    _, alone = predictor.step(predictor.initial_state(1), inputs(window[:1], group))

    np.testing.assert_allclose(mixed, together[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(alone[0], together[0], rtol=1e-5, atol=1e-6)


def test_state_is_carried() -> None:
    """The same window with another past is another forecast."""
    group = hourly_group()
    data = a_world(group)
    predictor = untrained(group)

    remembered = stepped(predictor, data, group)[0, -1]
    forgotten = stepped(predictor, data, group, first=219)[0, -1]

    assert np.abs(remembered - forgotten).max() > 1e-3


def test_first_reading_is_forecast_on_day_one() -> None:
    """One reading is enough for a forecast around it, honestly wide."""
    group = hourly_group()
    window = np.full((1, 1, 72), NAN)
    window[..., -1] = 50.0
    predictor = untrained(group)

    _, quantiles = predictor.step(predictor.initial_state(1), inputs(window, group))

    low, middle, high = quantiles[0, 0]
    assert np.isfinite(middle)
    assert high - low > 5


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"horizon": 48}, "for 6 leads, group 'homes' asks for 48;"),
        ({"levels": (0.1, 0.5)}, "for 0.1, 0.5, 0.9 levels, group 'homes' asks for 0.1, 0.5;"),
        ({"calendar": ()}, "for hour calendar features, group 'homes' asks for no;"),
        ({"lookback": 96}, "for 72 steps of lookback, group 'homes' asks for 96;"),
        ({"roles": ("target", "past")}, "for target channels, group 'homes' asks for target, past;"),
    ],
)
def test_model_for_other_settings_is_refused(changes: dict, told: str) -> None:
    """The message says what differs and what to do."""
    old = untrained(hourly_group())

    with pytest.raises(ModelMismatch) as refusal:
        NetworkPredictor.from_weights(weights(old), to_json(old.network.shape), hourly_group(**changes), "0007")

    assert str(refusal.value) == f"model homes-0007 was trained {told} retrain with: forecaster train homes"


def test_model_with_other_tensors_is_refused() -> None:
    """A shape that is not the one of the weights is told by the names of the tensors."""
    old = untrained(hourly_group())
    fewer = {name: array for name, array in weights(old).items() if name != "head.weight"}

    with pytest.raises(ModelError, match=r"head\.weight do not fit the recorded shape"):
        NetworkPredictor.from_weights(fewer, to_json(old.network.shape), hourly_group(), "0007")


def test_model_comes_back_as_it_went() -> None:
    """Weights and shape are all there is to it."""
    group = hourly_group()
    old = untrained(group)
    window = inputs(homes(2, 72)[:, None], group)

    new = NetworkPredictor.from_weights(weights(old), to_json(old.network.shape), group, "0007")

    assert (new.version, new.warmup) == ("0007", 48)
    expected = old.step(old.initial_state(2), window)
    found = new.step(new.initial_state(2), window)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
