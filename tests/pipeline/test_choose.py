"""What is published is the candidate that has come true best, without dithering."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.pipeline.choose import Choice
from forecaster.pipeline.shadow import Said
from forecaster.records import Array

SLOT = np.array([0])

NOTHING = np.full((1, 1), np.nan)


def trust_in_network(choice: Choice) -> float:
    """Its part in what is published."""
    return float(choice.shares(SLOT, np.array([True]))[0, 0, 0])


def a_choice(lead: int = 1) -> Choice:
    choice = Choice(leads=(lead,), naives=2)
    choice.add()
    return choice


def said(network: Array, naives: Array, second: Array = NOTHING) -> Said:
    """What had been said by one stream for one lead."""
    quantiles = np.zeros((1, 1, 5))
    return Said(network, second, naives, quantiles, quantiles, NOTHING, NOTHING)


def live(choice: Choice, network: float, naives: tuple[float, float], steps: int, seed: int = 0) -> list[float]:
    """Trust in the network over time, when candidates err with these deviations about a truth of noise."""
    random = np.random.default_rng(seed)
    trust = []
    for _ in range(steps):
        truth = random.normal(size=1)
        ours = truth[:, None] + network * random.normal(size=(1, 1))
        others = truth[:, None, None] + np.array([[naives]]) * random.normal(size=(1, 1, 2))
        choice.learn(SLOT, 0, said(ours, others), truth)
        trust.append(trust_in_network(choice))
    return trust


def test_a_network_worse_than_naive_is_not_published() -> None:
    """It loses the stream, but for a small part, and wins it back when it has become better."""
    choice = a_choice()
    assert live(choice, network=3.0, naives=(1.0, 2.0), steps=200)[-1] < 0.2
    assert live(choice, network=0.1, naives=(1.0, 2.0), steps=1500)[-1] == 1


def test_errors_that_cancel_are_blended() -> None:
    """Two forecasts as good as each other, with errors of their own: their mean is better than both."""
    assert 0.4 < live(a_choice(), network=1.0, naives=(1.0, 5.0), steps=400)[-1] < 0.6


def test_the_better_naive_is_the_opponent() -> None:
    """Seasonal naive or climatology, whichever has come true better for the stream."""
    choice = a_choice()
    live(choice, network=1.0, naives=(2.0, 1.0), steps=200)
    assert choice.best_naive(SLOT).tolist() == [[1]]


def alone(choice: Choice) -> list[float]:
    """Parts of the naive forecasts where there is no network."""
    found: list[float] = choice.shares(SLOT, np.array([False]))[0, 0, 1:].tolist()
    return found


def test_naive_forecasts_are_mixed_as_they_have_come_true() -> None:
    """The first until anything was told, which takes that they differ; then both, and the better where one is."""
    choice, random = a_choice(), np.random.default_rng(0)
    for error in random.normal(size=50):
        choice.learn(SLOT, 0, said(NOTHING, np.full((1, 1, 2), error)), np.zeros(1))
    assert alone(choice) == [1, 0]
    for one, other in random.normal(size=(300, 2)):
        choice.learn(SLOT, 0, said(NOTHING, np.array([[[one, other]]])), np.zeros(1))
    assert min(alone(choice)) > 0.1
    for one, other in random.normal(size=(300, 2)):
        choice.learn(SLOT, 0, said(NOTHING, np.array([[[2 * one, other]]])), np.zeros(1))
    assert alone(choice) == [0, 1]


def test_what_is_far_better_in_a_mixture_only_is_no_division_by_nothing() -> None:
    """The network errs the other way round than the naive forecast that is lost by itself."""
    choice = a_choice()
    for _ in range(1000):
        choice.learn(SLOT, 0, said(np.full((1, 1), -1e9), np.array([[[1.0, 1e9]]])), np.zeros(1))
    assert choice.shares(SLOT, np.array([True])).sum() == pytest.approx(1)


def test_equals_do_not_take_turns() -> None:
    """The mixture of two equals moves slowly, and stays a mixture."""
    trust = live(a_choice(), network=1.0, naives=(1.0, 5.0), steps=3000)
    assert np.abs(np.diff(trust[400:])).max() < 0.1
    assert 0 < min(trust[400:]) <= max(trust[400:]) < 1


def test_a_network_stands_until_there_is_something_to_judge_it_by() -> None:
    """It has passed its gate, which counts on where every candidate is right."""
    choice = a_choice()
    assert trust_in_network(choice) == 1
    trust = live(choice, network=0.0, naives=(0.0, 0.0), steps=400)
    assert min(trust[50:]) > 0.85


def test_few_targets_tell_large_differences_not_small_ones() -> None:
    """A network that errs a tenth more keeps most of its part over a hundred targets; one far worse has none."""
    assert of_one_that_errs(1.1)[100] > 0.5
    assert of_one_that_errs(1.1)[-1] < 0.1
    assert of_one_that_errs(1.5)[200] == 0
    assert of_one_that_errs(2.0)[100] == 0


def test_of_two_about_as_good_the_network_is_preferred() -> None:
    """It has half of the say where it errs 5 % more."""
    assert of_one_that_errs(1.03)[-1] > 0.7
    assert of_one_that_errs(1.05)[-1] == pytest.approx(0.5)
    assert of_one_that_errs(1.08)[-1] < 0.3


def of_one_that_errs(times: float) -> list[float]:
    """Trust over 400 targets in a network whose errors are so many times those of the naive forecast."""
    choice, random, found = a_choice(), np.random.default_rng(0), []
    for error in random.normal(size=400):
        choice.learn(SLOT, 0, said(np.full((1, 1), times * error), np.array([[[error, 5.0]]])), np.zeros(1))
        found.append(trust_in_network(choice))
    return found


def test_a_long_lead_is_judged_by_what_does_not_overlap() -> None:
    """Errors of forecasts 50 steps ahead last for 50 steps: a run of luck is not taken for skill."""
    wandering = {lead: np.std(runs_of_luck(a_choice(lead), lasting=50)[1000:]) for lead in (1, 50)}
    assert wandering[50] < wandering[1] / 3


def test_a_second_opinion_is_followed_as_far_as_it_came_true() -> None:
    """Half of the way at first, and about that where both err alike; where one errs much more, the other stands."""

    def part(second: float, times: int) -> float:
        choice, random = a_choice(), np.random.default_rng(0)
        for error, other in random.normal(size=(times, 2)):
            one = said(
                np.full((1, 1), error), np.array([[[5.0, 5.0]]]), np.full((1, 1), second * (0.8 * error + 0.6 * other))
            )
            choice.learn(SLOT, 0, one, np.zeros(1))
        return float(choice.second(SLOT)[0, 0])

    assert part(1.0, times=0) == pytest.approx(0.5)
    assert part(2.0, times=400) < 0.01
    assert 0.3 < part(1.1, times=400) < part(0.9, times=400) < 0.7
    assert part(0.7, times=400) > 0.9


def test_without_a_second_opinion_the_network_is_judged_alone() -> None:
    """NaN of a second opinion teaches nothing about it, and the network is as far from the truth as it was."""
    choice = a_choice()
    for _ in range(400):
        choice.learn(SLOT, 0, said(np.full((1, 1), 0.1), np.array([[[1.0, 5.0]]])), np.zeros(1))
    assert choice.second(SLOT)[0, 0] == pytest.approx(0.5)
    assert trust_in_network(choice) == 1


def test_the_newest_error_is_added_as_far_as_errors_came_again() -> None:
    """Most of it where each is much like the one before, nothing where they come by chance."""

    def part(alike: float) -> float:
        choice, random, error = a_choice(), np.random.default_rng(0), 0.0
        for _ in range(400):
            before, error = error, alike * error + np.sqrt(1 - alike**2) * random.normal()
            choice.learn(SLOT, 0, mixed(0.0, moved=before), np.full(1, error))
        return float(choice.again(SLOT)[0, 0])

    assert part(0.9) > 0.7
    assert part(0.0) == 0
    assert a_choice().again(SLOT)[0, 0] == 0


def test_a_forecast_is_moved_by_what_it_erred_by_at_the_step_before() -> None:
    """By no more than half of its range, so that one spike does not carry it away; by less where ranges are smaller."""
    choice = a_choice()
    choice.learn(SLOT, 7, mixed(1.0), np.full(1, 4.0))
    assert moved(choice, 7) == [103.0, 101.5, 100.0]
    assert np.isnan(moved(choice, 8)).all()
    choice.learn(SLOT, 8, mixed(1.0), np.full(1, 1000.0))
    assert moved(choice, 8) == [105.0, 102.5, 100.0]
    choice.unknown(SLOT)
    assert np.isnan(moved(choice, 8)).all()
    choice.learn(SLOT, 9, mixed(1.0), np.full(1, np.nan))
    assert np.isnan(moved(choice, 9)).all()


def moved(choice: Choice, index: int) -> list[float]:
    """Medians of 100 at leads with ranges of 20, 5 and 0."""
    found: list[float] = choice.moved(SLOT, index, np.full((1, 3), 100.0), np.array([[20.0, 5.0, 0.0]]))[0].tolist()
    return found


def mixed(median: float, moved: float = np.nan) -> Said:
    """What had been said by one stream for one lead, of a range ten wide."""
    quantiles = np.linspace(-5.0, 5.0, 5)[None, None]
    nothing = said(NOTHING, np.full((1, 1, 2), np.nan))
    return nothing._replace(raw=quantiles, mixed=np.full((1, 1), median), moved=np.full((1, 1), moved))


def runs_of_luck(choice: Choice, lasting: int) -> list[float]:
    """Trust over time in a network somewhat better than the naive forecasts, when errors stay for a while."""
    random = np.random.default_rng(0)
    trust = []
    for _ in range(4000 // lasting):
        ours, others = 2.0 * random.normal(size=(1, 1)), np.full((1, 1, 2), 3.0 * random.normal())
        for _ in range(lasting):
            choice.learn(SLOT, 0, said(ours, others), np.zeros(1))
            trust.append(trust_in_network(choice))
    return trust
