"""The loop of training: batches in, better weights out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, cos, pi
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from forecaster.nets.batches import CHUNK, ROWS, TOGETHER, Batch, batches, pools
from forecaster.nets.features import Strip
from forecaster.nets.loss import pinball_loss
from forecaster.nets.network import Network, View

RATE = 6e-3
WEIGHT_DECAY = 1e-2
CLIP = 1.0
AVERAGING = 0.99
"""Learning rate at its height, decay of weights, largest gradient norm, memory of the averaged weights."""

FEWEST, MOST, PASSES = 400, 8_000, 12
"""Updates: at least, at most, and passes over the history in between."""

CHECK, PATIENCE = 20, 100
"""Updates between two exams, and without a better one before it is enough; a hundredth and a quarter of the plan if
those are more."""


def fit(
    network: Network,
    lessons: Iterator[Batch],
    exam: Batch | None,
    *,
    spent: Callable[[], float],
    progress: Callable[[float, float, float], None],
    planned: int,
    rate: float,
) -> int:
    """Make the pinball loss small; leaves in the network the averaged weights that did best in the exam.

    The learning rate follows what is done of the planned updates or of the time, whichever is further. Without any
    update the network stays as it is: a mixture of simple forecasts.

    Parameters
    ----------
    exam
        Steps not learned from; None: the last weights are the best.
    spent
        Part of the time that is gone.
    progress
        Told the part that is done, that of the time that is gone, and the loss.
    planned, rate
        Updates, and the highest learning rate.

    Returns
    -------
    int
        Updates made.
    """
    levels = torch.tensor(network.shape.levels)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    average = AveragedModel(network, avg_fn=averaged)
    best = examined(network, exam, updates=0)
    check, patience = max(CHECK, planned // 100), max(PATIENCE, planned // 4)
    loss, updates = 0.0, 0
    state = network.recurrent.initial_state(ROWS)
    for batch in lessons:
        gone = spent()
        done = max(updates / planned, gone)
        if done >= 1 or updates % check == 0:
            best = min(best, examined(cast(Network, average.module), exam, updates), key=lambda known: known.loss)
            if done >= 1 or updates - best.updates > patience:
                break
            progress(done, gone, loss)
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


def examined(network: Network, exam: Batch | None, updates: int) -> Best:
    """The loss on steps not learned from; where none of these was observed, the newest is taken for the best."""
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if exam is None or not exam.observed.any():
        return Best(-updates, updates, weights)
    network.eval()
    levels = torch.tensor(network.shape.levels)
    total = seen = 0.0
    with torch.inference_mode():
        for first in range(0, len(exam.target), TOGETHER):
            some = slice(first, first + TOGETHER)
            target, observed = exam.target[some], exam.observed[some]
            state = network.recurrent.initial_state(len(target))
            quantiles, _ = network(View(*(tensor[some] for tensor in exam.seen)), state, exam.every)
            count = observed.sum().item()
            total += count * pinball_loss(quantiles, target, observed, levels).item()
            seen += count
    return Best(total / seen, updates, weights)


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
