"""A small search over settings of a network: many cheap trainings, then a second look at the best of them.

This is successive halving with two rounds. What is in use now takes part in both, so nothing is compared with a
training that had more time. The second round starts from another seed: who won the first by luck does not win twice.

References
----------
Jamieson & Talwalkar (2016), "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from forecaster.ports import Predictor
from forecaster.settings import Cell, Group, Network

CELLS: tuple[Cell, ...] = ("gru", "lstm", "elman")
LAYERS = (1, 2)
HIDDEN = (16, 32, 64, 128)
DROPOUT = (0.0, 0.1, 0.2)
"""What is tried, each with each."""

FIRST_ROUND, TRIALS = 0.5, 20
"""Part of the budget for the first round, and into how many trainings the whole would be cut."""

FINALISTS = 2
"""Of the first round, beside the present settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Settings that are tried together."""

    network: Network
    lookback: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training, judged on steps that it had not seen.

    Attributes
    ----------
    choice, round
        What was tried, in the first or the second round.
    limit_s, seconds
        Time limit of the training; what it took.
    updates
        Steps of the optimiser.
    error
        Mean of the ratios of MASE and of pinball loss to seasonal naive; NaN when it came to nothing.
    model
        The network that came of it.
    """

    choice: Choice
    round: int
    limit_s: float
    seconds: float
    updates: int
    error: float
    model: Predictor | None = field(default=None, compare=False, repr=False)


def present(group: Group) -> Choice:
    """What is in use now."""
    return Choice(network=group.network, lookback=group.lookback)


def asked(group: Group, choice: Choice) -> Group:
    """The group as it would be with other settings."""
    return replace(group, network=choice.network, lookback=choice.lookback)


def choices(group: Group, seed: int) -> list[Choice]:
    """The present settings, then all others of the space in random order.

    The lookback is also halved, where two of the longest season still fit.
    """
    half = group.lookback // 2
    lookbacks = [group.lookback, *([half] if half >= 2 * max(group.seasons, default=8) else [])]
    now = present(group)
    space = (
        Choice(network=replace(group.network, cell=cell, layers=layers, hidden=hidden, dropout=dropout), lookback=steps)
        for cell, layers, hidden, dropout, steps in product(CELLS, LAYERS, HIDDEN, DROPOUT, lookbacks)
    )
    others = [choice for choice in space if choice != now]
    return [now, *(others[place] for place in np.random.default_rng(seed).permutation(len(others)).tolist())]


def search(
    candidates: Iterable[Choice],
    attempt: Callable[[Choice, int, float], Trial],
    elapsed_s: Callable[[], float],
    budget_s: float,
) -> list[Trial]:
    """Try what the time allows, then the best again for longer.

    Parameters
    ----------
    candidates
        The present settings first; at least one more is tried, however short the time.
    attempt
        Trains: a choice, the round and the time limit of the training.
    elapsed_s
        Seconds since the search began.
    budget_s
        What the whole may take; a training that has begun is ended.

    Returns
    -------
    list of Trial
        In the order in which they were made.
    """
    first: list[Trial] = []
    limit_s = budget_s / TRIALS
    for candidate in candidates:
        if len(first) >= 2 and elapsed_s() >= FIRST_ROUND * budget_s:
            break
        first.append(attempt(candidate, 1, limit_s))
    good = sorted((trial for trial in first[1:] if math.isfinite(trial.error)), key=lambda trial: trial.error)
    finalists = [first[0], *good[:FINALISTS]]
    judging_s = max(max(trial.seconds - trial.limit_s, 0.0) for trial in finalists)
    limit_s = max(limit_s, (budget_s - elapsed_s()) / len(finalists) - judging_s)
    return first + [attempt(trial.choice, 2, limit_s) for trial in finalists]


def best(trials: Sequence[Trial]) -> Trial | None:
    """The best of the second round; None when none came to anything."""
    last = [trial for trial in trials if trial.round == 2 and math.isfinite(trial.error)]
    return min(last, key=lambda trial: trial.error, default=None)
