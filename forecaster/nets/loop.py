"""The loop of training: batches in, better weights out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from math import ceil, cos, pi
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from forecaster.nets.batches import CHUNK, ROWS, Batch, batches, pools
from forecaster.nets.features import Strip
from forecaster.nets.loss import pinball_loss
from forecaster.nets.muon import Muon
from forecaster.nets.network import Network, View

RATE = 3e-3
WEIGHT_DECAY = 1e-2
CLIP = 1.0
AVERAGING = 0.99
"""Learning rate at its height, decay of weights, largest gradient norm, memory of the averaged weights."""

FEWEST, PASSES, CYCLES = 400, 4, 5
"""Updates of the first cycle at least, passes over the history in it, and cycles at most, each twice as long."""

AGAIN, WORTH = 0.5, 0.02
"""Learning rate of the cycles after the first, as a part of its, and what each must gain of the loss to count: of many
exams the best is a little better by chance."""

LONG, SHORT = 0.4, 0.2
"""Steps of the matrices, as a part of the learning rate: where history is so little that the first cycle is as short as
it may be, and elsewhere. Many unlike streams are learned worse by long steps, few too slowly by short ones."""

CHECK, LOOKS, PATIENCE = 20, 20, 0.6
"""Updates between two exams at least, exams in a cycle at most, and the part of a cycle without a better one before it
is enough. The first few passes over much history have one exam, at their end: nothing is learned by heart so soon, and
while the learning rate is high what does best on the last weeks does so by chance."""

AT_ONCE = 20_000
"""Leads forecast at once in an exam; more would need much memory, and be no faster."""


class Course(NamedTuple):
    """What a network is taught, and how long.

    Attributes
    ----------
    lessons
        Batches, for as long as they are asked for.
    spent
        Part of the time that is gone.
    progress
        Told the part of the course that is done, and the loss.
    planned, rate, stride
        Updates (of the first cycle), the highest learning rate, and how far matrices step.
    """

    lessons: Iterator[Batch]
    spent: Callable[[], float]
    progress: Callable[[float, float], None]
    planned: int
    rate: float
    stride: float


def fit(network: Network, course: Course, exam: Batch) -> int:
    """Make the pinball loss small; leaves in the network the averaged weights that did best in the exam.

    In cycles, each twice as long as the one before, until one brings little or the time is gone: few data are not
    learned by heart, and much are learned for long. Without any update the network stays as it is: a mixture of
    simple forecasts.

    Parameters
    ----------
    exam
        Steps not learned from.

    Returns
    -------
    int
        Updates that led to the weights left in the network.

    References
    ----------
    Loshchilov & Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR.
    """
    best = examined(network, exam, updates=0)
    made = 0
    for number in range(CYCLES if exam.observed.any() else 1):
        looks = LOOKS if number or course.planned == FEWEST else 1
        found = cycle(network, course, exam, best, looks)
        gain = best.loss - found.loss
        if gain <= (WORTH * abs(best.loss) if number else 0.0):
            break
        made += found.updates
        best = found
        network.load_state_dict(best.weights)
        if course.spent() >= 1:
            break
        course = course._replace(planned=2 * course.planned, rate=AGAIN * course.rate if number == 0 else course.rate)
    network.load_state_dict(best.weights)
    network.eval()
    return made


def cycle(network: Network, course: Course, exam: Batch, best: Best, looks: int) -> Best:
    """Train once up and down with the learning rate; the best weights seen, those given if none were better."""
    check, patience = max(CHECK, course.planned // looks), max(100, round(PATIENCE * course.planned))
    newest = updates = 0
    for updates, (average, loss, gone, _) in enumerate(taught(network, course), start=1):
        if updates % CHECK == 0:
            course.progress(gone, loss)
        if updates % check == 0:
            now = examined(average, exam, updates)
            if now.loss < best.loss:
                best, newest = now, updates
            elif updates - newest > patience:
                break
    if updates % check:
        best = min(best, examined(average, exam, updates), key=lambda one: one.loss)
    return best


def go_on(network: Network, course: Course) -> int:
    """Train once up and down with the learning rate, without an exam; leaves the averaged weights in the network.

    Less than half of the updates planned would do more harm than good; then the weights stay as they were.

    Returns
    -------
    int
        Updates made; 0 when the weights stayed.
    """
    before = weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    updates = 0
    for updates, (average, loss, _, done) in enumerate(taught(network, course), start=1):
        weights = average.state_dict()
        if updates % CHECK == 0:
            course.progress(done, loss)
    enough = updates >= course.planned / 2 and all(tensor.isfinite().all() for tensor in weights.values())
    network.load_state_dict(weights if enough else before)
    network.eval()
    return updates if enough else 0


class Update(NamedTuple):
    """After an update: the averaged network, the loss lately, the part of the time that was gone before it, and the
    part of the way up and down with the learning rate."""

    average: Network
    loss: float
    gone: float
    done: float


def taught(network: Network, course: Course) -> Iterator[Update]:
    """Update after update; the learning rate follows the updates or the time, whichever is further."""
    levels = torch.tensor(network.shape.levels)
    optimizers = optimizers_of(network, course.stride)
    average = AveragedModel(network, avg_fn=averaged)
    fresh = network.initial_state(ROWS * network.shape.members)[:, :1]  # of one member each
    state = fresh
    loss = begun = 0.0
    for updates, batch in enumerate(course.lessons):
        gone = course.spent()
        begun = begun if updates else gone  # making the first batch may take long
        done = way(updates / course.planned, gone, begun)
        if done >= 1:
            break
        for group in chain.from_iterable(optimizer.param_groups for optimizer in optimizers):
            group["lr"] = course.rate * one_cycle(done)
        state = fresh if batch.fresh else state.detach()
        quantiles, state = network.train().dealt(batch.seen, state, batch.every, batch.leads)
        error = pinball_loss(quantiles, batch.target, batch.observed, levels)
        network.zero_grad()
        torch.autograd.backward(error)
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        for optimizer in optimizers:
            optimizer.step()
        average.update_parameters(network)
        loss = error.item() if updates == 0 else 0.95 * loss + 0.05 * error.item()
        yield Update(cast(Network, average.module), loss, gone, done)


def optimizers_of(network: Network, stride: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices, AdamW for all else."""
    matrices = network.matrices()
    others = [weight for weight in network.parameters() if weight not in matrices]
    return (
        Muon(matrices, lr=RATE, weight_decay=WEIGHT_DECAY, stride=stride),
        torch.optim.AdamW(others, lr=RATE, weight_decay=WEIGHT_DECAY, fused=True),
    )


class Best(NamedTuple):
    """Weights, their loss in the exam, and the updates of the cycle that led to them."""

    loss: float
    weights: dict[str, Tensor]
    updates: int


def examined(network: Network, exam: Batch, updates: int) -> Best:
    """The loss on steps not learned from; where none of these was observed, the newest is taken for the best."""
    network.eval()
    levels = torch.tensor(network.shape.levels)
    total = seen = 0.0
    with torch.inference_mode():
        few = max(1, AT_ONCE // exam.target[0].numel())
        for first in range(0, len(exam.target), few):
            some = slice(first, first + few)
            target, observed = exam.target[some].float(), exam.observed[some]
            state = network.initial_state(len(target))
            quantiles, _ = network(View(*(tensor[some].float() for tensor in exam.seen)), state, exam.every)
            count = observed.sum().item()
            total += count * pinball_loss(quantiles, target, observed, levels).item()
            seen += count
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return Best(total / seen if seen else -updates, weights, updates)


def plan(strip: Strip) -> int:
    """Updates of the first cycle for this much history."""
    origins = np.isfinite(strip.values[:, 0]).sum()
    return max(FEWEST, ceil(PASSES * origins / (ROWS * CHUNK)))


def way(updates: float, gone: float, begun: float) -> float:
    """What part of a cycle is done, by the updates or the time, whichever is further; 1 when the time is gone.

    Examples
    --------
    >>> [way(0.5, gone=0.4, begun=0.2), way(0.1, gone=0.4, begun=0.2), way(0.0, gone=1.0, begun=1.0)]
    [0.5, 0.25, 1.0]
    """
    return max(updates, (gone - begun) / (1 - begun)) if gone < 1 else 1.0


def stride(planned: int) -> float:
    """How far matrices step where the first cycle has so many updates."""
    return LONG if planned == FEWEST else SHORT


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
        yield from batches(pool, network.shape.members, random)
        del pool  # before the next is made


def averaged(mean: Tensor, newest: Tensor, count: Tensor | int) -> Tensor:
    """Exponential moving average of the weights, steadier than the last; while young it soon forgets the start.

    References
    ----------
    Polyak & Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30(4).
    """
    keep = min(AVERAGING, (1 + int(count)) / (10 + int(count)))
    return torch.lerp(mean, newest, 1 - keep)
