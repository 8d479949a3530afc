"""Train a network on the history of a group, and put it to the test against what it would replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, cos, pi
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from forecaster.nets.baseline import SeasonalNaive
from forecaster.nets.batches import CHUNK, ROWS, Batch, batches, examination, pools, whole
from forecaster.nets.features import Strip, Usual
from forecaster.nets.history import enough, held_out, split
from forecaster.nets.history import needed as needed  # for those who have fit at hand
from forecaster.nets.loss import pinball_loss
from forecaster.nets.network import Network
from forecaster.nets.predictor import NetworkPredictor, load, misfits
from forecaster.nets.score import judge, score
from forecaster.nets.shape import shape_of, to_json
from forecaster.ports import Predictor, Progress
from forecaster.records import Array, Dataset
from forecaster.settings import Group, Training

RATE = 6e-3
WEIGHT_DECAY = 1e-2
CLIP = 1.0
AVERAGING = 0.99
"""Learning rate at its height, decay of weights, largest gradient norm, memory of the averaged weights."""

FEWEST, MOST, PASSES = 400, 12_000, 40
"""Updates: at least, at most, and passes over the history in between."""

CHECK, PATIENCE = 20, 100
"""Updates between two exams, and without a better one before it is enough (a quarter of the plan if that is more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network that was trained and judged.

    Attributes
    ----------
    weights
        Arrays by name.
    shape
        Plain JSON values from which the network is built again.
    scores
        ``challenger``, ``naive`` and, when there is one, ``champion``, as :func:`forecaster.nets.score.score` gives.
    updates
        Steps of the optimiser.
    promoted, verdict
        Whether it should go into service, and one sentence why.
    """

    weights: dict[str, Array]
    shape: dict[str, object]
    scores: dict[str, dict[str, float]]
    updates: int
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
    """Fit on all but the tail of some streams, score on that tail, judge.

    Repeatable bit for bit on one machine by the seed, as long as the time budget does not cut it short.

    Parameters
    ----------
    dataset
        The history; the last part of some streams, or of all when they are few, is held out.
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(group.training.seed)
        judges = held_out(dataset, until)
        shown = dataset.values.copy()
        shown[judges, :, since:] = np.nan
        network = Network(shape, usual(shown))
        warm = warm_weights is not None and not misfits(network, warm_weights)
        if warm_weights is not None and warm:
            load(network, warm_weights)
        random = np.random.default_rng(group.training.seed)
        learned = whole(replace(dataset, values=shown), shape.horizon, shape.lookback, shown.shape[-1])
        learned = learned._replace(values=learned.values[np.isfinite(learned.values[:, 0]).sum(-1) > 1])
        tried = replace(dataset, values=dataset.values[judges], streams=tuple(dataset.streams[row] for row in judges))
        asked = whole(tried, shape.horizon, shape.lookback, until)
        updates = fit(
            network,
            endless(learned, network, random),
            examination(asked, shape, network.usual, since, random),
            group.training,
            elapsed_s,
            progress,
            planned=plan(learned),
            rate=RATE * (0.3 if warm else 1.0),
        )

    rivals: dict[str, Predictor] = {
        "challenger": NetworkPredictor(network, group, version),
        "naive": SeasonalNaive(group),
    }
    rivals |= {"champion": champion} if champion is not None else {}
    scores = {}
    for name, rival in rivals.items():
        progress(Progress(fraction=1.0, loss=None, seconds_left=None, note=f"scoring {name}"))
        scores[name] = score(rival, tried, group, until)
    promoted, verdict = judge(scores)
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    return Trained(
        weights=weights, shape=to_json(shape), scores=scores, updates=updates, promoted=promoted, verdict=verdict
    )


def usual(values: Array) -> Usual:
    """Centre and spread of each channel over streams and time, (S, C, T) to two of (C,); 0 and 1 where empty."""
    flat = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    pairs = [
        (row[np.isfinite(row)].mean(), row[np.isfinite(row)].std()) if np.isfinite(row).any() else (0.0, 1.0)
        for row in flat
    ]
    centre, spread = np.array(pairs).T
    return Usual(centre.copy(), np.where(spread > 0, spread, 1.0))


def fit(
    network: Network,
    lessons: Iterator[Batch],
    exam: Batch,
    training: Training,
    elapsed_s: Callable[[], float],
    progress: Callable[[Progress], None],
    *,
    planned: int,
    rate: float,
) -> int:
    """Make the pinball loss small; leaves in the network the averaged weights that did best in the exam.

    The learning rate follows what is done of the planned updates or of the time, whichever is further.

    Returns
    -------
    int
        Number of updates made. Without any the network stays as it is: a mixture of simple forecasts.
    """
    levels = torch.tensor(network.shape.levels)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    average = AveragedModel(network, avg_fn=averaged)
    best = examined(network, exam, updates=0)
    began_s = elapsed_s()
    loss, updates = 0.0, 0
    state = network.recurrent.initial_state(ROWS)
    for batch in lessons:
        spent_s = elapsed_s() - began_s
        done = max(updates / planned, spent_s / max(training.budget_s - began_s, 1e-9))
        if done >= 1 or updates % CHECK == 0:
            best = min(best, examined(cast(Network, average.module), exam, updates), key=lambda known: known.loss)
            if done >= 1 or updates - best.updates > max(PATIENCE, planned // 4):
                break
            progress(
                Progress(fraction=done, loss=loss, seconds_left=spent_s * (1 / max(done, 1e-9) - 1), note="training")
            )
        optimizer.param_groups[0]["lr"] = rate * one_cycle(done)
        state = network.recurrent.initial_state(ROWS) if batch.fresh else state.detach()
        quantiles, state = network.train()(batch.seen, state, batch.every)
        error = pinball_loss(quantiles, batch.target, batch.observed, levels)
        optimizer.zero_grad()
        torch.autograd.backward(error)
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        average.update_parameters(network)
        updates += 1
        loss = error.item() if updates == 1 else 0.95 * loss + 0.05 * error.item()
    network.load_state_dict(best.weights)
    network.eval()
    return updates


class Best(NamedTuple):
    """Weights, after how many updates, and their loss in the exam."""

    loss: float
    updates: int
    weights: dict[str, Tensor]


def examined(network: Network, exam: Batch, updates: int) -> Best:
    """The loss on steps not learned from; where none of these was observed, the newest is taken for the best."""
    network.eval()
    with torch.inference_mode():
        state = network.recurrent.initial_state(len(exam.target))
        quantiles, _ = network(exam.seen, state, exam.every)
        loss = pinball_loss(quantiles, exam.target, exam.observed, torch.tensor(network.shape.levels)).item()
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return Best(loss if exam.observed.any() else -updates, updates, weights)


def plan(strip: Strip) -> int:
    """Updates worth making on this much history, were there no clock."""
    origins = np.isfinite(strip.values[:, 0]).sum()
    return int(np.clip(ceil(PASSES * origins / (ROWS * CHUNK)), FEWEST, MOST))


def one_cycle(done: float) -> float:
    """Learning rate as a part of its height: up in a tenth of the way, then down along a cosine.

    References
    ----------
    Smith & Topin (2018), "Super-Convergence", arXiv:1708.07120.
    """
    return max(done / 0.1, 0.04) if done < 0.1 else 0.5 * (1 + cos(pi * (done - 0.1) / 0.9)) + 1e-3


def endless(strip: Strip, network: Network, random: np.random.Generator) -> Iterator[Batch]:
    """Batches for as long as they are asked for; they end when there is nothing to learn."""
    for pool in pools(strip, network.shape, network.usual, random):
        if not len(pool.useful):
            return
        yield from batches(pool, random)


def averaged(mean: Tensor, newest: Tensor, count: Tensor | int) -> Tensor:
    """Exponential moving average of the weights, steadier than the last; while young it soon forgets the start.

    References
    ----------
    Polyak & Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30(4).
    """
    keep = min(AVERAGING, (1 + int(count)) / (10 + int(count)))
    return torch.lerp(mean, newest, 1 - keep)
