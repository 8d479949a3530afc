"""Train a network on the history of a group, and put it to the test against what it would replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch

from forecaster.inputs import Dataset
from forecaster.nets.baseline import NAIVE, naives
from forecaster.nets.batches import examination, whole
from forecaster.nets.belief import USUAL, believed, go, outputs
from forecaster.nets.dilated import Dilated
from forecaster.nets.features import Usual
from forecaster.nets.history import enough, of_streams, split
from forecaster.nets.history import needed as needed  # for those who have fit at hand
from forecaster.nets.loop import RATE, Course, endless, fit, go_on, plan, stride
from forecaster.nets.network import Network
from forecaster.nets.opinion import helps, learn
from forecaster.nets.predictor import NetworkPredictor
from forecaster.nets.score import against_naive, champion_passes, judge, ratio, score
from forecaster.nets.shape import shape_of, to_json
from forecaster.nets.start import ranges, worth
from forecaster.nets.walk import Half
from forecaster.nets.weights import arrays, load, misfits, packed, without_second
from forecaster.nets.width import width
from forecaster.ports import Predictor, Progress
from forecaster.records import Array
from forecaster.settings import Group

UNTIL_JUDGED = 2 / 3
"""Part of the time for learning until the network is judged; the rest is for that, and for learning on."""

FOR_SECOND = 0.15
"""Part of the time, at most, for a second network, and again for learning it from all there is."""

MORE, FEWEST = 0.5, 200
"""Updates of learning on, as a part of those before; and how many where there were none and it is the champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network that was trained and judged.

    Attributes
    ----------
    weights
        Arrays by name: of the network to be served, and of the one that was judged where that is another; see
        :func:`forecaster.nets.weights.packed`.
    shape
        Plain JSON values from which the network is built again.
    scores
        ``challenger``, the naive ones (:data:`forecaster.nets.baseline.NAIVE`) and, when there is one, ``champion``, as
        :func:`forecaster.nets.score.score` gives.
    updates, more
        Steps of the optimiser that led to the network that was judged; and those of learning on, 0 without.
    promoted, verdict
        Whether it should go into service, and one sentence why.
    """

    weights: dict[str, Array]
    shape: dict[str, object]
    scores: dict[str, dict[str, float]]
    updates: int
    more: int
    promoted: bool
    verdict: str


def train(
    dataset: Dataset,
    group: Group,
    *,
    elapsed_s: Callable[[], float],
    progress: Callable[[Progress], None],
    version: str,
    champion: Predictor | None = None,
    warm_weights: Mapping[str, Array] | None = None,
) -> Trained | None:
    """Fit on all but the tail, score on the tail, judge; what passes learns on from all there is.

    Without that the newest fifth of the history would not be learned from. Where the challenger began as the champion
    and came out worse, it is the champion that learns on.

    Repeatable bit for bit on one machine by the seed, as long as the time budget does not cut it short.

    Parameters
    ----------
    dataset
        The history; its last part is held out.
    group
        What is asked for; the training part is in ``group.training``.
    elapsed_s
        Seconds since the training began.
    progress
        Told every few updates.
    version
        Name of the model to be.
    champion
        What is in service now.
    warm_weights
        Weights to start from; those of a network of another shape are left aside.

    Returns
    -------
    Trained or None
        None when there is too little history; see :func:`needed`.
    """
    if not enough(dataset, group):
        return None
    shape = shape_of(group, dataset.calendar.shape[-1])
    since, until = split(dataset, group)
    began_s, random = elapsed_s(), np.random.default_rng(group.training.seed)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(group.training.seed)
        network = Network(shape, usual(dataset.values[..., :since]))
        began = without_second(warm_weights or {})
        warm = not misfits({"": network}, began)
        if warm:
            load({"": network}, began)
            network.width.fill_(1)
        limit_s = max(group.training.budget_s - began_s, 1e-9)

        def told(note: str, begin: float, end: float) -> Callable[[float, float], None]:
            """Passes on what part of this is done, and the loss."""

            def say(done: float, loss: float) -> None:
                fraction = begin + (end - begin) * min(done, 1.0)
                left_s = max(limit_s - (elapsed_s() - began_s), 0.0)
                progress(Progress(fraction=fraction, loss=loss, seconds_left=left_s, note=note))

            return say

        def spent(part: float) -> Callable[[], float]:
            """What is gone of a part of the time."""
            return lambda: (elapsed_s() - began_s) / (part * limit_s)

        def course(end: int, note: str, begin: float, part: float) -> Course:
            """All that was observed before step ``end``, to be learned until a part of the time is gone."""
            spoken = np.flatnonzero(np.isfinite(dataset.values[:, 0, :end]).sum(-1) > 1)
            lessons = whole(of_streams(dataset, spoken), shape.horizon, shape.lookback, end)
            planned = plan(lessons)
            return Course(
                lessons=endless(lessons, network, random),
                spent=spent(part),
                progress=told(note, begin, part),
                planned=planned,
                rate=RATE * (0.3 if warm else 1.0),
                stride=stride(planned),
            )

        def second_network(end: int, begin: float) -> Dilated | None:
            """One that learned from all that was observed before step ``end``; None where it is not made for that."""
            part = begin + FOR_SECOND
            say = told("a second network", begin, part)
            return learn(dataset, shape, end, group.training.seed, spent(part), say)

        other = second_network(since, 0.0)
        learning = course(since, "training", FOR_SECOND if other else 0.0, UNTIL_JUDGED)
        blank = Network(shape, network.usual) if warm else network
        weight = worth(learning.lessons, shape.horizon)
        blank.begin(weight, ranges(learning.lessons, weight, shape.levels))
        begun = outputs(blank)
        updates = fit(
            network,
            learning,
            examination(whole(dataset, shape.horizon, shape.lookback, until), shape, network.usual, since, random),
        )
        del learning  # and its lessons, before others are made
        learned, part = outputs(network), USUAL
        if updates:
            everything = whole(dataset, shape.horizon, shape.lookback, dataset.values.shape[-1])
            part = believed(network, begun, examination(everything, shape, network.usual, until, random))
        if other:
            other.hear(helps(other, network, dataset, until))
        second = other if other and other.heard.any() else None
        missed: list[Array] = []
        challenger = NetworkPredictor(network, group, version, second)
        scores = scored(challenger, champion, dataset, group, until, progress, missed)
        network.width.copy_(torch.from_numpy(width(missed, shape.levels, shape.horizon)))
        promoted, verdict = judge(scores)
        stands = warm and not promoted and champion_passes(scores)
        weights = before = arrays(network, second)
        served, more = second, 0
        if (stands or (promoted and (updates or warm))) and elapsed_s() < group.training.budget_s:
            end = dataset.values.shape[-1]
            if stands:
                load({"": network}, began)
                served = champion.second.network if isinstance(champion, NetworkPredictor) and champion.second else None
                before = arrays(network, served)
            if served:
                newer = second_network(end, UNTIL_JUDGED)
                if newer:
                    newer.hear(served.heard)
                served = newer or served
            if stands or not updates:  # it is the champion
                begun = learned = outputs(network)
            planned = ceil(MORE * updates) or FEWEST
            learning = course(end, "learning from all there is", UNTIL_JUDGED, 1.0)
            go(network, begun, learned, 1.0)
            more = go_on(network, learning._replace(planned=planned))
            go(network, begun, outputs(network), part)
        if stands and more:  # what is kept, and told of, is the champion
            promoted, verdict = True, f"promoted: the champion, with newer data; the challenger was {verdict}"
            scores["challenger"], updates = scores["champion"], 0
    progress(Progress(fraction=1.0, loss=None, seconds_left=None, note=verdict))
    return Trained(
        weights=packed(arrays(network, served), before) if more else weights,
        shape=to_json(shape),
        scores=scores,
        updates=updates,
        more=more,
        promoted=promoted,
        verdict=verdict,
    )


def scored(
    challenger: Predictor,
    champion: Predictor | None,
    dataset: Dataset,
    group: Group,
    until: int,
    progress: Callable[[Progress], None],
    missed: list[Array],
) -> dict[str, dict[str, float]]:
    """How the challenger and all it must beat do on the tail, which begins at step ``until``; networks as learned.

    How far what came was from the quantiles of the challenger is put into ``missed``.
    """
    naive = dict(zip(NAIVE, naives(group), strict=False))
    champion = champion.as_learned() if isinstance(champion, NetworkPredictor) else champion
    rivals = {"challenger": challenger, **naive, **({"champion": champion} if champion is not None else {})}
    scores = {}

    def put(name: str, rival: Predictor | Half) -> None:
        progress(Progress(fraction=UNTIL_JUDGED, loss=None, seconds_left=None, note=f"scoring {name}"))
        scores[name] = score(rival, dataset, group, until, missed if name == "challenger" else None)

    for name, rival in rivals.items():
        put(name, rival)
    if against_naive(scores, "challenger") >= 1:
        better = min(naive, key=lambda name: ratio(scores[name], scores["challenger"]))
        put("half", Half(challenger, naive[better]))
    return scores


def usual(values: Array) -> Usual:
    """Centre and spread of each channel over streams and time, (S, C, T) to two of (C,); 0 and 1 where empty."""
    flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    pairs = [
        (row[np.isfinite(row)].mean(), row[np.isfinite(row)].std()) if np.isfinite(row).any() else (0.0, 1.0)
        for row in flat
    ]
    centre, spread = np.array(pairs).T
    return Usual(centre.copy(), np.where(spread > 0, spread, 1.0))
