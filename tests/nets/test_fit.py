"""Training: better than naive on homes, repeatable, honest about its tail."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from math import ceil

import numpy as np
import pytest
import torch
from worlds import dataset, homes, hourly_group, serving, trained, untrained

from forecaster.inputs import Dataset
from forecaster.nets import batches, fit, loop
from forecaster.nets.history import enough, needed, split
from forecaster.nets.predictor import NetworkPredictor
from forecaster.nets.shape import shape_of
from forecaster.nets.walk import inputs_at
from forecaster.nets.weights import judged
from forecaster.ports import Progress
from forecaster.settings import Group, Network, Training

HISTORY = 24 * 21


@pytest.fixture(scope="module")
def homely() -> tuple[Group, Dataset, fit.Trained]:
    """Four homes over three weeks, and what was trained on them."""
    group = hourly_group(bounds=(0.0, None), network=Network(hidden=16))
    data = dataset(homes(4, HISTORY), group)
    return group, data, trained(data, group)


def test_network_beats_seasonal_naive_on_homes(homely: tuple[Group, Dataset, fit.Trained]) -> None:
    """On the tail it has not seen, for all leads, and says so."""
    _, _, result = homely

    assert result.promoted
    assert result.scores["challenger"]["mae"] < 0.8 * result.scores["naive"]["mae"]
    assert result.scores["challenger"]["pinball"] < 0.8 * result.scores["naive"]["pinball"]
    assert result.verdict.startswith("promoted: ")


def test_intervals_cover_about_what_they_say(homely: tuple[Group, Dataset, fit.Trained]) -> None:
    """Between the 0.1- and the 0.9-quantile lie about 80 % of the days that follow."""
    group, _, result = homely
    data = dataset(homes(4, HISTORY + 24 * 7), group)
    predictor = serving(result, group)
    state = predictor.initial_state(4)
    inside = []
    for origin in range(HISTORY - 48, HISTORY + 24 * 7 - group.horizon):
        state, quantiles = predictor.step(state, inputs_at(data, origin, group))
        truth = data.values[:, 0, origin + 1 : origin + 1 + group.horizon]
        inside.append((quantiles[..., 0] <= truth) & (truth <= quantiles[..., 2]))

    assert 0.7 < np.mean(inside[48:]) < 0.9


def test_warm_up_replaces_a_memory(homely: tuple[Group, Dataset, fit.Trained]) -> None:
    """A state rebuilt over the recorded warm-up forecasts almost as one carried all along."""
    group, data, result = homely
    predictor = serving(result, group)
    carried = predictor.initial_state(4)
    rebuilt = predictor.initial_state(4)
    for origin in range(HISTORY):
        window = inputs_at(data, origin, group)
        carried, long = predictor.step(carried, window)
        if origin >= HISTORY - predictor.warmup:
            rebuilt, short = predictor.step(rebuilt, window)

    spread = (long[..., 2] - long[..., 0]).mean()
    assert np.abs(long - short).mean() < 0.01 * spread


def test_same_seed_same_weights() -> None:
    """Bit for bit, and the random numbers of the process are left alone."""
    group = hourly_group(network=Network(hidden=4, dropout=0.1, layers=2))
    data = dataset(homes(2, 150), group)
    torch.manual_seed(11)
    expected = torch.rand(3)

    torch.manual_seed(11)
    one = trained(data, group, updates=60)
    after = torch.rand(3)
    two = trained(data, group, updates=60)
    other = trained(data, replace(group, training=Training(seed=1)), updates=60)

    assert all(np.array_equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert one.scores == two.scores
    assert not all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)
    torch.testing.assert_close(after, expected)


def test_nothing_is_learned_from_the_tail() -> None:
    """Whatever the tail holds, the weights that are judged are the same: no target of the loss lies there.

    But for two things that are found there: the width of the ranges, left out where networks are compared, and how far
    the layer that forecasts goes from where it began.
    """
    group = hourly_group(network=Network(hidden=4), roles=("target", "past", "future"))
    values = np.stack([homes(2, 150, seed) for seed in range(3)], axis=1)
    data = dataset(values, group)
    _, first = split(data, group)
    other = values.copy()
    other[..., first:] += 100

    one, two = (judged(trained(one, group, updates=60).weights) for one in (data, dataset(other, group)))

    assert first == 135
    assert all(np.array_equal(one[name], two[name]) for name in one.keys() - {"width", "head.weight", "start"})
    part = two["head.weight"] / one["head.weight"]
    np.testing.assert_allclose(part, part.flat[0], rtol=1e-3)


@pytest.mark.timeout(300)  # three trainings, longer on a busy machine
def test_what_passes_goes_on_with_everything(homely: tuple[Group, Dataset, fit.Trained]) -> None:
    """From the tail too, which the weights that were judged have not seen; what does not pass serves as judged."""
    group, data, passed = homely
    changed = data.values.copy()
    changed[..., -24:] += 1.0
    told: list[Progress] = []
    other = trained(replace(data, values=changed), group, progress=told.append)
    failed = trained(data, group, updates=0, champion=serving(passed, group))

    assert [result.promoted for result in (passed, other, failed)] == [True, True, False]
    for result, same in ((passed, False), (failed, True)):
        assert same == all(
            np.array_equal(result.weights[name], array) for name, array in judged(result.weights).items()
        )
    same_but_for = {
        name for name, array in judged(passed.weights).items() if not np.array_equal(judged(other.weights)[name], array)
    }
    assert same_but_for <= {"width", "head.weight", "start"}
    assert not all(np.array_equal(other.weights[name], array) for name, array in passed.weights.items())
    assert [line.fraction for line in told] == sorted(line.fraction for line in told)


def test_too_little_time_for_learning_on_leaves_it_as_judged(
    homely: tuple[Group, Dataset, fit.Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few updates from a fresh optimiser would do harm."""
    group, data, in_time = homely
    with monkeypatch.context() as patch:
        patch.setattr(fit, "MORE", 5.0)
        hurried = trained(data, group, updates=60)

    assert in_time.more == ceil(fit.MORE * in_time.updates)
    assert (hurried.promoted, hurried.more) == (True, 0)
    assert judged(hurried.weights).keys() == hurried.weights.keys()


def test_a_champion_that_stands_its_ground_learns_the_newer_data(homely: tuple[Group, Dataset, fit.Trained]) -> None:
    """A challenger that began as it and found nothing better, or came out worse: the old weights learn on."""
    group, data, champion = homely
    began = judged(champion.weights)
    standing = NetworkPredictor.from_weights(began, champion.shape, group, "0001")

    for spoilt, verdict in ((0.0, "as good as the champion"), (9.0, "promoted: the champion, with newer data;")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fit, "fit", lambda net, *_, by=spoilt: net.head.weight.data.add_(by) is None)
            result = trained(data, group, champion=standing, warm_weights=began)

        assert verdict in result.verdict
        assert (result.promoted, result.more) == (True, fit.FEWEST)
        assert result.scores["challenger"] == champion.scores["challenger"]
        assert all(np.array_equal(began[name], array) for name, array in judged(result.weights).items())


def test_too_little_history_is_no_training() -> None:
    """Three short seasons and a horizon of at least one stream, gaps not counted."""
    group = hourly_group()
    short = homes(1, 90)
    short[0, 40:50] = np.nan

    assert needed(group) == 78
    assert enough(dataset(homes(1, 78), group), group)
    assert not enough(dataset(homes(1, 77), group), group)
    assert enough(dataset(short, group), group)
    assert (
        fit.train(dataset(homes(1, 77), group), group, elapsed_s=lambda: 0.0, progress=lambda _: None, version="1")
        is None
    )


@pytest.mark.parametrize(("known", "exam", "tail"), [(1000, 112, 100), (200, 24, 20), (60, 24, 20)])
def test_what_is_held_out_is_a_part_of_a_typical_stream(known: int, exam: int, tail: int) -> None:
    """Beside a stream of long standing the others are younger; of so many hours a tenth, at least a horizon of 20, is
    the tail, and an eighth of the rest, at least a day, the exam."""
    group = hourly_group(horizon=20)
    values = np.ones((4, 2000))
    values[1:, : 2000 - known] = np.nan

    since, until = split(dataset(values, group), group)

    assert (until - since, 2000 - until) == (exam, tail)


def test_history_that_has_just_begun_again_is_learned_from() -> None:
    """One reading, long silence, four days: not all of these are for judging, however long ago the one was."""
    group = hourly_group()
    values = np.full((2, 5000), np.nan)
    values[:, 0] = 1.0
    values[:, -100:] = homes(2, 100)

    result = trained(dataset(values, group), group)

    assert result.updates > 0
    assert np.isfinite(result.scores["challenger"]["mae"])


def test_stream_that_is_new_does_not_stop_the_others() -> None:
    """It has nothing to learn from yet."""
    group = hourly_group(network=Network(hidden=4))
    values = homes(3, 150)
    values[1, :140] = np.nan
    values[2] = np.nan

    assert trained(dataset(values, group), group, updates=30).updates > 0


def test_clock_cuts_training_short() -> None:
    """When the budget is spent, what there is is averaged and judged; progress counts up to one."""
    group = hourly_group()
    told: list[Progress] = []

    result = trained(dataset(homes(2, 150), group), group, updates=50, progress=told.append)

    assert 0 < result.updates <= 50
    fractions = [line.fraction for line in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_champion_stands_unless_beaten(homely: tuple[Group, Dataset, fit.Trained]) -> None:
    """A challenger that was given no time is judged against the champion too, and stays out."""
    group, data, champion = homely
    standing = NetworkPredictor.from_weights(judged(champion.weights), champion.shape, group, "0001")
    result = trained(data, group, updates=0, champion=standing, version="2")

    assert not result.promoted
    assert result.scores["champion"] == champion.scores["challenger"]
    assert "more error than the champion" in result.verdict


def test_a_network_without_time_to_learn_knows_what_has_been_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a random walk that is the last value, more so at the first lead; a gate that begins alike is far worse."""
    group = hourly_group()
    walks = dataset(np.random.default_rng(4).normal(size=(4, 1, HISTORY)).cumsum(-1), group)

    knowing = trained(walks, group, updates=0)
    monkeypatch.setattr(fit, "worth", lambda _, horizon: torch.zeros(horizon, 1))
    blank = trained(walks, group, updates=0)

    assert max(knowing.updates, blank.updates) <= 1
    assert knowing.scores["challenger"]["mae"] < 0.8 * blank.scores["challenger"]["mae"]


def test_warm_start_begins_where_the_champion_is(homely: tuple[Group, Dataset, fit.Trained]) -> None:
    """With no time to learn, the weights are those given; weights of another shape are left aside."""
    group, data, champion = homely
    wider = replace(group, network=Network(hidden=17))

    given = judged(champion.weights)
    same = trained(data, group, updates=-1, warm_weights=given).weights
    other = trained(data, wider, updates=-1, warm_weights=given).weights

    assert all(np.array_equal(given[name], array) for name, array in judged(same).items())
    assert other["recurrent.again_0"].shape == (2, 17, 51)


def test_the_first_cycle_counts_and_those_that_gained_two_hundredths(
    homely: tuple[Group, Dataset, fit.Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exam losses 1, then .999, .9, .899 and, were it asked for, .5."""
    group, data, _ = homely
    network = untrained(group).network
    told = ((0.999, 100), (0.9, 50), (0.899, 20), (0.5, 1000))
    found = iter(loop.Best(loss, network.state_dict(), made) for loss, made in told)
    monkeypatch.setattr(loop, "examined", lambda *_, updates: loop.Best(1.0, network.state_dict(), updates))
    monkeypatch.setattr(loop, "cycle", lambda *_: next(found))
    strip = batches.whole(data, group.horizon, group.lookback, HISTORY)
    exam = batches.examination(strip, network.shape, network.usual, 400, np.random.default_rng(0))
    course = loop.Course(iter(()), spent=lambda: 0.0, progress=lambda *_: None, planned=100, rate=1e-3, stride=0.2)

    assert loop.fit(network, course, exam) == 150


@pytest.mark.parametrize(("planned", "exams"), [(40, [0, 20, 40]), (50, [0, 50])])
def test_first_passes_over_much_history_are_examined_at_their_end(
    homely: tuple[Group, Dataset, fit.Trained], monkeypatch: pytest.MonkeyPatch, planned: int, exams: list[int]
) -> None:
    """Over little history, which is soon known by heart, they are examined on the way; updates at which, and before."""
    group, data, _ = homely
    network = untrained(group).network
    asked = []

    def examined(network: torch.nn.Module, _: object, updates: int) -> loop.Best:
        asked.append(updates)
        return loop.Best(1 / (1 + updates), network.state_dict(), updates)

    monkeypatch.setattr(loop, "examined", examined)
    monkeypatch.setattr(loop, "CYCLES", 1)
    monkeypatch.setattr(loop, "FEWEST", 40)
    random = np.random.default_rng(0)
    strip = batches.whole(data, group.horizon, group.lookback, HISTORY)
    exam = batches.examination(strip, network.shape, network.usual, 400, random)
    lessons = loop.endless(strip, network, random)
    course = loop.Course(lessons, spent=lambda: 0.0, progress=lambda *_: None, planned=planned, rate=1e-3, stride=0.2)

    assert loop.fit(network, course, exam) == planned
    assert asked == exams


def test_memory_is_bounded_by_drawing_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """When not all streams fit, pools of stretches are drawn; of each a third is new at the next pass; all are real."""
    monkeypatch.setattr(batches, "YOUNG", 0)
    group = hourly_group()
    shape = shape_of(group, 2)
    strip = batches.whole(dataset(homes(20, 400), group), group.horizon, group.lookback, 400)
    usual = fit.usual(strip.values)
    size = sum(tensor.nbytes for tensor in batches.lesson(strip._replace(values=strip.values[:1]), shape, usual))
    everything = next(batches.pools(strip, shape, usual, np.random.default_rng(0)))
    monkeypatch.setattr(batches, "POOL_BYTES", 4 * size)

    pools = batches.pools(strip, shape, usual, np.random.default_rng(0))
    drawn = [pool.target.clone() for pool in islice(pools, 3)]

    assert everything.target.shape[:2] == (20, 400)
    assert [target.shape[:2] for target in drawn] == [(48, 96)] * 3  # every third of 288 origins
    for one, other, new in zip(drawn, drawn[1:], (slice(16), slice(16, 32)), strict=False):
        kept = np.delete(np.arange(48), new)
        torch.testing.assert_close(one[kept], other[kept], equal_nan=True)
        assert not torch.equal(one[new], other[new])
    whole = everything.target[:, :, 0].double()
    phases = torch.cat([whole[:, start : start + 396 : 3] for start in range(3)])
    for row in drawn[0][:, :20, 0].double():
        pieces = phases.unfold(1, 20, 1)
        assert torch.isclose(pieces, row, atol=1e-5, equal_nan=True).all(-1).any()


def test_rows_go_on_chunk_by_chunk() -> None:
    """The first chunk of a row begins with nothing remembered; the chunks after it follow in time."""
    group = hourly_group(horizon=1, lookback=72)
    values = np.arange(400.0)[None]
    strip = batches.whole(dataset(values, group), 1, 72, 400)
    usual = fit.usual(strip.values)
    pool = batches.pool([strip], shape_of(group, 2), usual)

    row = list(batches.batches(pool, 1, np.random.default_rng(0)))[: batches.CHUNKS]

    hours = [torch.atan2(chunk.seen.inputs[0, :, -2], chunk.seen.inputs[0, :, -1]) for chunk in row]
    phases = torch.cat(hours).div(2 * torch.pi / 24).round().remainder(24)
    assert [chunk.fresh for chunk in row] == [True, False, False, False]
    assert torch.equal(phases.diff().remainder(24), torch.ones(95))
