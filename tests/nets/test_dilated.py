"""The second network: the same in training and serving, silent about what it does not know, served where it helps."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from torch import Tensor
from worlds import dataset, homes, hourly_group, hours, inputs, serving, trained, untrained

from forecaster.nets import fit, loop, opinion
from forecaster.nets.dilated import Dilated, Past
from forecaster.nets.phases import look
from forecaster.nets.predictor import NetworkPredictor, SecondOpinion
from forecaster.nets.shape import shape_of, to_json
from forecaster.nets.weights import arrays, judged
from forecaster.records import Array
from forecaster.settings import COLUMNS, Cell, Group, Network

NAMES = ("home0", "home1", "home2")
LONG = 24 * (opinion.LONG + 40)


def a_group(cell: Cell = "gru") -> Group:
    return hourly_group(network=Network(cell=cell, hidden=8, members=1))


def a_second(group: Group, names: tuple[str, ...] = NAMES, seed: int = 0) -> Dilated:
    """With random weights, and a level and spread of its own for each stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Dilated(shape_of(group, 2), names, np.arange(len(names)) + 1.0, np.arange(len(names)) + 0.5)
    return made.eval()


def learned(values: Array, group: Group, end: int, updates: int = 10**6) -> Dilated | None:
    """With time for so many updates."""
    data, asked = dataset(values, group), count()
    return opinion.learn(data, shape_of(group, 2), end, 0, lambda: next(asked) / updates, lambda done, loss: None)


def test_it_begins_with_half_of_what_usually_comes() -> None:
    """Before it has learned anything: a switch at eight, of which the last value knows nothing, is half foreseen."""
    group = a_group()
    second = a_second(group)
    torch.nn.init.zeros_(second.head[1].weight)
    torch.nn.init.zeros_(second.head[1].bias)
    steps = np.arange(group.lookback - group.lookback % 24 + 8)[-group.lookback :]
    values = np.tile(10.0 * (steps % 24 >= 8), (3, 1))

    with torch.inference_mode():
        _, median = second.step(second.initial_state(3), values, hours(group.lookback), NAMES)

    assert median == pytest.approx(5.0, rel=1e-5)


@pytest.mark.parametrize(
    ("calendar", "column"),
    [(("hour",), 0), (("weekday", "hour"), 3), (("weekday", "month", "hour"), 5), (("weekday",), None), ((), None)],
)
def test_it_finds_the_hour_in_the_calendar(calendar: tuple[str, ...], column: int | None) -> None:
    """Wherever it stands; without one it does without."""
    group = replace(a_group(), calendar=calendar)
    width = sum(COLUMNS[feature] for feature in calendar)
    shape = shape_of(group, width)
    second = Dilated(shape, NAMES, np.zeros(3), np.ones(3)).eval()
    with torch.inference_mode():
        days = np.zeros((group.lookback, width), np.float32)
        _, median = second.step(second.initial_state(3), homes(3, group.lookback), days, NAMES)

    assert shape.hour == column
    assert np.isfinite(median).all()


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_a_step_at_a_time_is_what_training_sees(cell: Cell) -> None:
    """From a state made of the first window, carried for two days; with a gap on the way."""
    group = a_group(cell)
    second, width = a_second(group), group.lookback
    values = homes(3, width + 48)
    values[0, width + 5 : width + 9] = np.nan
    state, calendar = second.initial_state(3), hours(width + 48)
    with torch.inference_mode():
        for end in range(width, width + 49):
            state, median = second.step(state, values[:, end - width : end], calendar[end - width : end], NAMES)
        past, rows = second.past(values, calendar, np.arange(3)), np.arange(3)
        seasons = (width - 1 - 24) // 24 + 2
        memory, places = second.walk(past, width + 47, seasons)
        origin = np.array([[width + 47]])
        last, _ = second.remember(second.seen(past, origin), places[:, 0])
        assert np.abs(second.median(last, past, origin, rows)[:, 0] - median).max() < 1e-5
    assert memory.shape == (3, 24 * seasons, 128)


def test_it_says_nothing_of_what_it_does_not_know() -> None:
    """A stream it was not trained on, and one that has just begun."""
    group = a_group()
    window = homes(3, group.lookback)
    window[1, : group.lookback - 5] = np.nan
    with torch.inference_mode():
        state, median = a_second(group).step(
            torch.zeros(3, 24, 128), window, hours(group.lookback), ("home0", "home1", "a new one")
        )
    assert np.isfinite(median).all(-1).tolist() == [True, False, False]
    assert state.flatten(1).any(-1).tolist() == [True, True, False]


def test_the_state_is_carried() -> None:
    """The next step depends on what was remembered, not only on the window."""
    group = a_group()
    second = SecondOpinion(a_second(group))
    seen = replace(inputs(homes(3, group.lookback)[:, None], group), streams=NAMES)
    state, _ = second.step(second.initial_state(3), seen)
    carried, blank = (second.step(one, seen)[1] for one in (state, second.initial_state(3)))
    assert np.abs(carried - blank).max() > 1e-3


def test_it_travels_with_the_weights() -> None:
    """Names, level and spread too, in any alphabet."""
    group = a_group()
    both = NetworkPredictor(untrained(group).network, group, "0001", a_second(group, ("home0", "Küche", "a/b c")))
    assert both.second is not None
    kept = arrays(both.network, both.second.network)
    again = NetworkPredictor.from_weights(kept, to_json(both.network.shape), group, "0001")
    seen = replace(inputs(homes(3, group.lookback)[:, None], group), streams=("Küche", "a/b c", "home0"))
    assert again.second is not None
    one, other = (model.step(model.initial_state(3), seen)[1] for model in (both.second, again.second))
    assert np.array_equal(one, other)


def test_only_long_histories_with_a_course_of_the_day_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of streams that were observed for long and are not constant; and only when there is time for it."""
    monkeypatch.setattr(opinion, "UPDATES", 8)
    group, values = a_group(), homes(3, LONG)
    values[1, 24 * 50 :] = np.nan
    values[2] = 1.0
    found = learned(values, group, LONG)
    assert found is not None
    assert found.streams == ("home0",)
    assert learned(values, group, 24 * 60) is None
    assert learned(values, hourly_group(seasons=(7,)), LONG) is None
    assert learned(np.stack([values, values], 1), hourly_group(roles=("target", "past")), LONG) is None
    assert learned(values, group, LONG, updates=3) is None
    assert learned(values, group, LONG, updates=6) is not None  # fewer than planned, to the end all the same


def test_it_learns_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, and leaves no trace in what is drawn elsewhere."""
    monkeypatch.setattr(opinion, "UPDATES", 5)
    values = homes(2, LONG)
    torch.manual_seed(3)
    one = learned(values, a_group(), LONG)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    two = learned(values, a_group(), LONG)
    assert one is not None
    assert two is not None
    assert all(torch.equal(first, second) for first, second in zip(one.parameters(), two.parameters(), strict=True))


def wandering(streams: int, steps: int) -> Array:
    """Series that come back to their level slowly, (S, T)."""
    random = np.random.default_rng(1)
    values, now = np.empty((streams, steps)), np.zeros(streams)
    for step in range(steps):
        now = 0.98 * now + random.normal(size=streams)
        values[:, step] = now
    return values


def test_it_is_a_help_where_series_wander(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that was not trained is none."""
    monkeypatch.setattr(opinion, "UPDATES", 300)
    torch.manual_seed(0)  # the networks that were not trained are the same each time
    group = replace(a_group(), horizon=24)
    data, first = dataset(wandering(3, LONG), group), untrained(group)
    found = learned(data.values[:, 0], group, LONG - 400)
    assert found is not None
    assert opinion.helps(found, first.network, data, LONG - 400).any()
    far = Dilated(shape_of(group, 2), NAMES, np.zeros(3), np.full(3, 1e4)).eval()
    assert not opinion.helps(far, first.network, data, LONG - 400).any()


def test_it_is_heard_in_the_buckets_of_leads_in_which_it_helps() -> None:
    """Here it knows all from the second lead on, and is far off at the first."""
    group = replace(a_group(), horizon=24)
    data = dataset(homes(3, LONG), group)
    truth = data.values[:, 0]

    class Seer(Dilated):
        def median(self, memory: Tensor, past: Past, origins: Array, rows: Array) -> Array:
            return look(truth[rows], origins[0, :, None] + np.arange(1, 25)) + np.where(np.arange(24) > 0, 0, 1000)

    seer = Seer(shape_of(group, 2), NAMES, np.zeros(3), np.ones(3)).eval()
    heard = opinion.helps(seer, untrained(group).network, data, LONG - 400)
    assert heard.tolist() == [False] + 23 * [True]


def test_it_is_silent_at_leads_at_which_it_is_not_heard() -> None:
    """Also when its weights have been kept and loaded."""
    group = a_group()
    second, values = a_second(group), homes(3, group.lookback)
    second.hear(np.arange(group.horizon) >= 4)
    kept = Dilated.known_by(shape_of(group, 2), second.names.numpy())
    kept.load_state_dict(second.state_dict())
    with torch.inference_mode():
        _, median = kept.step(kept.initial_state(3), values, hours(group.lookback), NAMES)
    assert np.isfinite(median).all(0).tolist() == second.heard.tolist() == 4 * [False] + (group.horizon - 4) * [True]


def test_a_training_keeps_it_where_it_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is served, trained anew on all there is; the judged one stays beside it. Else there is none."""
    monkeypatch.setattr(opinion, "UPDATES", 5)
    monkeypatch.setattr(loop, "CYCLES", 1)
    group, data = a_group(), dataset(homes(2, LONG), a_group())
    for helpful in (True, False):
        heard = helpful & (np.arange(group.horizon) > 0)
        monkeypatch.setattr(fit, "helps", lambda *_, answer=heard: answer)
        result = trained(data, group)
        model = serving(result, group)
        assert (model.second is not None) == helpful
        if model.second is not None:
            assert model.second.network.streams == data.streams
            assert model.second.network.heard.tolist() == heard.tolist()
            before = judged(result.weights)
            assert not np.array_equal(before["second/embed.weight"], result.weights["second/embed.weight"])
