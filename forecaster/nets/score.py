"""How good a predictor is on steps it has not learned from, and whether one is better than another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.nets.baseline import season_of
from forecaster.nets.history import of_streams
from forecaster.nets.phases import look, same_phase
from forecaster.ports import Predictor
from forecaster.records import Array, Dataset, Inputs
from forecaster.settings import Group

STREAMS, FEWEST, FORECASTS = 200, 20, 40_000
"""Streams scored at most, evenly spread over those that speak, and fewer (down to so many) where all would make more
than so many forecasts: enough to compare, and the judgement of 100 000 streams takes seconds."""

Scores = Mapping[str, float]


def inputs_at(dataset: Dataset, origin: int, group: Group) -> Inputs:
    """What may be known at the end of step ``origin`` of a dataset.

    Steps before the first are gaps; future-known channels end where the dataset ends.
    """
    steps = np.arange(origin - group.lookback + 1, origin + 1 + group.horizon)
    rows = np.clip(steps, 0, len(dataset.shift) - 1)
    values = look(dataset.values, steps)
    future = values[..., group.lookback :]
    future[:, [role != "future" for role in dataset.roles]] = np.nan
    return Inputs(
        values=values[..., : group.lookback],
        future=future,
        calendar=dataset.calendar[rows],
        shift=dataset.shift[rows],
    )


def score(predictor: Predictor, dataset: Dataset, group: Group, first: int) -> dict[str, float]:
    """Step through the tail of a dataset as the service would, and score every lead whose truth is there.

    Parameters
    ----------
    first
        First step of the tail; the first origin is the step before it, and the state is warmed up on what is
        before that.

    Returns
    -------
    dict
        ``mae`` of the median; ``mase``, the same over the stream's error of a value one season old before the tail;
        ``pinball``, mean over levels and divided in the same way, so no stream drowns the others. NaN when there is
        nothing to score.
    """
    alive = np.flatnonzero(np.isfinite(dataset.values[:, 0, first:]).any(-1))
    if not len(alive):
        return {"mae": np.nan, "mase": np.nan, "pinball": np.nan}
    few = min(STREAMS, max(FEWEST, FORECASTS // (dataset.values.shape[-1] - first)))
    chosen = alive[np.unique(np.linspace(0, len(alive) - 1, few).astype(int))]
    part = of_streams(dataset, chosen)
    truth = part.values[:, 0]
    levels = np.asarray(group.levels)
    middle = group.levels.index(0.5)
    unit = seasonal_error(truth[:, :first], season_of(group), dataset.shift)  # (S,)
    total = np.zeros(4)
    state = predictor.initial_state(len(chosen))
    for origin in range(max(0, first - 1 - predictor.warmup), truth.shape[1] - 1):
        state, quantiles = predictor.step(state, inputs_at(part, origin, group))
        if origin < first - 1:
            continue
        error = look(truth, origin + np.arange(1, group.horizon + 1))[..., None] - quantiles  # (S, H, Q)
        there = np.isfinite(error[..., middle])
        error = np.where(there[..., None], error, 0.0)
        absolute = np.abs(error[..., middle]).sum(-1)  # (S,)
        pinball = np.maximum(levels * error, (levels - 1) * error).mean(-1).sum(-1)  # (S,)
        total += [absolute.sum(), (absolute / unit).sum(), (pinball / unit).sum(), there.sum()]
    mae, mase, loss = total[:3] / total[3] if total[3] else np.full(3, np.nan)
    return {"mae": float(mae), "mase": float(mase), "pinball": float(loss)}


def seasonal_error(target: Array, season: int, shift: Array) -> Array:
    """Mean absolute difference of values one season apart, (S, T) to (S,); of the group where a stream has none."""
    steps = np.arange(target.shape[-1])
    change = np.abs(target - look(target, same_phase(steps, 1, season, shift)))
    number = np.isfinite(change).sum(-1)
    error = np.nan_to_num(change).sum(-1) / np.maximum(number, 1)
    usual = error[error > 0].mean() if (error > 0).any() else 1.0
    return np.where(error > 0, error, usual)


def ratio(one: Scores, other: Scores) -> float:
    """How ``one`` compares with ``other``: the mean of the ratios of MASE and of pinball loss; below 1 is better."""
    return (one["mase"] / other["mase"] + one["pinball"] / other["pinball"]) / 2 if other["mase"] > 0 else np.inf


def judge(scores: Mapping[str, Scores]) -> tuple[bool, str]:
    """Whether the challenger goes into service, and one sentence why.

    It must beat (:func:`ratio` below 1) both naive forecasts and, when there is one, be no worse than the champion: one
    that began as the champion and found nothing better will know newer data.

    Examples
    --------
    >>> judge({"challenger": {"mase": 0.8, "pinball": 0.3}, "naive": {"mase": 1.0, "pinball": 0.4}})
    (True, 'promoted: 23 % less error than seasonal naive')
    """
    rivals = {"naive": "seasonal naive", "climatology": "climatology", "champion": "the champion"}
    ratios = {said: ratio(scores["challenger"], scores[name]) for name, said in rivals.items() if name in scores}
    if not np.isfinite(list(ratios.values())).all():
        return False, "rejected: there was nothing to compare"
    promoted = all(value <= 1 if said == "the champion" else value < 1 for said, value in ratios.items())
    told = [f"{compared(value)} {said}" for said, value in ratios.items()]
    return promoted, f"{'promoted' if promoted else 'rejected'}: {' and '.join(told)}"


def champion_passes(scores: Mapping[str, Scores]) -> bool:
    """Whether there is a champion that beats both naive forecasts."""
    return "champion" in scores and judge({**scores, "challenger": scores["champion"]})[0]


def compared(value: float) -> str:
    """A ratio of errors in words.

    >>> compared(0.8), compared(1.05), compared(1.0)
    ('20 % less error than', '5 % more error than', 'as good as')
    """
    if value == 1:
        return "as good as"
    return f"{abs(1 - value) * 100:.0f} % {'less' if value < 1 else 'more'} error than"
