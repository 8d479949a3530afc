"""How good a predictor is on steps it has not learned from, and whether one is better than another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.inputs import Dataset
from forecaster.nets.baseline import NAIVE, season_of
from forecaster.nets.history import of_streams
from forecaster.nets.phases import look, same_phase
from forecaster.nets.walk import Half, walk
from forecaster.nets.width import places
from forecaster.ports import Predictor
from forecaster.records import Array
from forecaster.settings import Group

STREAMS, FEWEST, FORECASTS = 200, 20, 40_000
"""Streams scored at most, evenly spread over those that speak, and fewer (down to so many) where all would make more
than so many forecasts: enough to compare, and the judgement of 100 000 streams takes seconds."""

Scores = Mapping[str, float]


def score(
    predictor: Predictor | Half, dataset: Dataset, group: Group, first: int, missed: list[Array] | None = None
) -> dict[str, float]:
    """Step through the tail of a dataset as the service would, and score every lead whose truth is there.

    Parameters
    ----------
    predictor
        With its second opinion, where it has one; see :func:`forecaster.nets.walk.walk`.
    first
        First step of the tail; the first origin is the step before it, and the state is warmed up on what is
        before that.
    missed
        Where to put what came less each quantile, at each origin and the leads of :func:`forecaster.nets.width.places`,
        over the same as ``pinball``; (S, P, Q), NaN where nothing came.

    Returns
    -------
    dict
        ``mae`` of the median; ``mase``, the same over the stream's error of a value one season old (:func:`unit_of`);
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
    unit = unit_of(truth, first, season_of(group), dataset.shift)  # (S,)
    total = np.zeros(4)
    for origin, quantiles in enumerate(walk(predictor, part, group, first - 1), start=first - 1):
        error = look(truth, origin + np.arange(1, group.horizon + 1))[..., None] - quantiles  # (S, H, Q)
        if missed is not None:
            missed.append(error[:, places(group.horizon)] / unit[:, None, None])
        there = np.isfinite(error[..., middle])
        error = np.where(there[..., None], error, 0.0)
        absolute = np.abs(error[..., middle]).sum(-1)  # (S,)
        pinball = np.maximum(levels * error, (levels - 1) * error).mean(-1).sum(-1)  # (S,)
        total += [absolute.sum(), (absolute / unit).sum(), (pinball / unit).sum(), there.sum()]
    mae, mase, loss = total[:3] / total[3] if total[3] else np.full(3, np.nan)
    return {"mae": float(mae), "mase": float(mase), "pinball": float(loss)}


def unit_of(target: Array, first: int, season: int, shift: Array) -> Array:
    """What errors from step ``first`` on are told in: the seasonal error before it or of all, whichever is larger.

    A stream that was all but constant until then would count for more than all others. (S, T) to (S,).
    """
    before, whole = (seasonal_error(part, season, shift) for part in (target[:, :first], target))
    return np.maximum(before, whole)


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


def against_naive(scores: Mapping[str, Scores], name: str) -> float:
    """How one of several compares (:func:`ratio`) with the best of the naive forecasts among them."""
    return max(ratio(scores[name], scores[naive]) for naive in NAIVE if naive in scores)


def judge(scores: Mapping[str, Scores]) -> tuple[bool, str]:
    """Whether the challenger goes into service, and one sentence why.

    It must beat (:func:`ratio` below 1) every naive forecast, alone or as ``half``
    (:class:`forecaster.nets.walk.Half`, scored where it does not alone). When there is a champion it must be no worse:
    one that began as the champion and found nothing better will know newer data.

    Examples
    --------
    >>> scores = {"challenger": {"mase": 0.8, "pinball": 0.3}, "naive": {"mase": 1.0, "pinball": 0.4}}
    >>> judge(scores)
    (True, 'promoted: 23 % less error than seasonal naive')
    >>> judge({**scores, "naive": {"mase": 0.78, "pinball": 0.3}, "half": {"mase": 0.7, "pinball": 0.28}})
    (True, 'promoted: 1 % more error than seasonal naive; half network, half naive: 8 % less error than the best naive')
    """
    rivals = {**NAIVE, "champion": "the champion"}
    ratios = {said: ratio(scores["challenger"], scores[name]) for name, said in rivals.items() if name in scores}
    if not np.isfinite(list(ratios.values())).all():
        return False, "rejected: there was nothing to compare"
    *most, last = [f"{compared(value)} {said}" for said, value in ratios.items()]
    verdict = f"{', '.join(most)} and {last}" if most else last
    useful = against_naive(scores, "challenger") < 1
    if not useful and "half" in scores:
        half = against_naive(scores, "half")
        useful = half < 1
        verdict += f"; half network, half naive: {compared(half)} the best naive"
    promoted = useful and ratios.get("the champion", 0.0) <= 1
    return promoted, f"{'promoted' if promoted else 'rejected'}: {verdict}"


def champion_passes(scores: Mapping[str, Scores]) -> bool:
    """Whether there is a champion that beats every naive forecast."""
    return "champion" in scores and against_naive(scores, "champion") < 1


def compared(value: float) -> str:
    """A ratio of errors in words.

    >>> compared(0.8), compared(1.05), compared(1.004)
    ('20 % less error than', '5 % more error than', 'as good as')
    """
    percent = f"{abs(1 - value) * 100:.0f}"
    return "as good as" if percent == "0" else f"{percent} % {'less' if value < 1 else 'more'} error than"
