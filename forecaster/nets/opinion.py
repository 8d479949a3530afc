"""Train the second network, and find out where it is a help.

It learns from what the first one learns from. At which leads medians half of the way to its own are better than those
of the first is seen on the tail, where that is judged: the exam would favour the first, whose weights it chose.
See :mod:`forecaster.nets.dilated`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from forecaster.inputs import Dataset
from forecaster.leads import buckets
from forecaster.nets.batches import thinned, whole
from forecaster.nets.dilated import LONGEST, SHORTEST, Dilated, Past
from forecaster.nets.features import extract
from forecaster.nets.history import of_streams
from forecaster.nets.loop import CHECK, CLIP, averaged, one_cycle, way
from forecaster.nets.network import Network, view
from forecaster.nets.phases import look
from forecaster.nets.predictor import unscaled
from forecaster.nets.score import unit_of
from forecaster.nets.shape import Shape
from forecaster.nets.walk import shifted
from forecaster.records import Array

LONG, MANY = 100, 1000
"""Seasons a stream must have been observed for to be learned from, and streams beyond which there is no second network:
what it remembers is large."""

BURN, LEARNED = 15, 15
"""Seasons of a row that only fill the memory, and those that are learned from."""

UPDATES, ROWS, RATE = 800, 32, 1e-3

SQUARED = 1.0
"""Error up to which it is learned from as its square, in usual spreads; beyond, as it is. Where series wander far the
mean of what may come is nearer to it than the median."""

EXAMINED = 20
"""Streams it is tried on at most."""


def learn(
    dataset: Dataset,
    shape: Shape,
    end: int,
    seed: int,
    spent: Callable[[], float],
    progress: Callable[[float, float], None],
) -> Dilated | None:
    """Train a second network on what was observed before step ``end``, of streams observed for long enough.

    Huber's loss of errors in usual spreads, truncated back-propagation over rows that step from season to season. The
    learning rate follows the updates or the time, whichever is further.

    Parameters
    ----------
    spent
        Part of the time that is gone.
    progress
        Told the part that is done, and the loss.

    Returns
    -------
    Dilated or None
        None when it is not made for such a group, when there is no such stream, or the time was gone before half of the
        updates.
    """
    known = eligible(dataset, shape, end)
    if not len(known):
        return None
    target = dataset.values[known, 0, :end]
    observed = np.isfinite(target)
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Dilated(shape, [dataset.streams[row] for row in known], np.nanmean(target, -1), np.nanstd(target, -1))
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.0, fused=True)
        average = AveragedModel(network, avg_fn=averaged)
        past = network.past(target, dataset.calendar[:end], np.arange(len(target)))
        length = (BURN + LEARNED - 1) * shape.season
        latest = target.shape[-1] - 1 - shape.horizon - length
        earliest = np.clip(observed.argmax(-1), shape.season, latest)
        begun, update = spent(), 0
        for update in range(UPDATES):
            done = way(update / UPDATES, spent(), begun)
            if done >= 1:
                break
            optimizer.param_groups[0]["lr"] = RATE * one_cycle(done)
            drawn = random.integers(len(target), size=ROWS)
            first = random.integers(earliest[drawn], latest + 1)
            origins = first[:, None] + shape.season * np.arange(BURN + LEARNED)
            loss = missed(network, past.of(drawn), observed[drawn], origins)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            average.update_parameters(network)
            if update % CHECK == 0:
                progress(done, loss.item())
    if update < UPDATES / 2:
        return None
    network.load_state_dict(average.module.state_dict())
    return network.eval()


def missed(network: Dilated, past: Past, observed: Array, origins: Array) -> Tensor:
    """Mean of Huber's loss at the origins (R, K) after the first few, of errors in usual spreads.

    References
    ----------
    Huber (1964), "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35(1).
    """
    memory, _ = network.train().remember(
        network.seen(past, origins), torch.zeros(len(origins), network.recurrent.width)
    )
    told = network.ahead(memory[:, BURN:], past, origins[:, BURN:])  # (R, K', H)
    asked = origins[:, BURN:, None]
    leads = asked + np.arange(1, told.shape[-1] + 1)
    rows = np.arange(len(origins))[:, None, None]
    truth = torch.from_numpy(past.value[rows, leads] - past.value[rows, asked])
    there = torch.from_numpy(observed[rows, leads] & (past.age[rows, asked] > network.season))
    loss = F.huber_loss(told, truth, reduction="none", delta=SQUARED)
    return (loss * there).sum() / there.sum().clamp(min=1)


def eligible(dataset: Dataset, shape: Shape, end: int) -> Array:
    """Which streams a second network can learn before step ``end``, by their numbers; it sees no covariates."""
    made_for = shape.own_past and len(shape.channels) == 1 and SHORTEST <= shape.season <= LONGEST
    if not made_for or end < (BURN + LEARNED + 1) * shape.season + shape.horizon:
        return np.empty(0, np.int64)
    target = dataset.values[:, 0, :end]
    long = np.flatnonzero(np.isfinite(target).sum(-1) >= LONG * shape.season)
    changing = long[np.nanstd(target[long], -1) > 0]
    return changing if len(changing) <= MANY else changing[:0]


def helps(other: Dilated, network: Network, dataset: Dataset, first: int) -> Array:
    """At which leads it should be heard: those of each bucket in which both together have less pinball loss than the
    first network alone from step ``first`` on; bool (H,)."""
    number = {name: row for row, name in enumerate(dataset.streams)}
    chosen = np.unique(np.linspace(0, len(other.streams) - 1, EXAMINED).astype(int))
    streams = [number[other.streams[row]] for row in chosen]
    losses = [tried(other, network, of_streams(dataset, np.array([row])), first) for row in streams]
    alone, together = np.sum(losses, axis=0)
    found = np.zeros(len(alone), bool)
    for leads in buckets(len(alone)).values():
        found[leads] = together[leads].sum() < alone[leads].sum()
    return found


def tried(other: Dilated, network: Network, dataset: Dataset, first: int) -> Array:
    """Pinball loss of a stream from step ``first`` on, in seasonal errors: of the network, and of both; (2, H)."""
    shape, target = network.shape, dataset.values[:, 0]
    end = target.shape[-1]
    begin = max(0, first - shape.warmup)
    every = thinned(shape.horizon, end - begin)
    strip = whole(dataset, shape.horizon, shape.lookback, end)
    features = extract(strip.part(slice(begin, None)), shape, network.usual, every)
    origins = np.arange(begin, end)[None, every - 1 :: every]
    seasons = min(-(-(end - begin) // shape.season) + BURN, end // shape.season - 1)
    with torch.inference_mode():
        scaled, _ = network.eval()(view(features), network.initial_state(1), every)
        rows = other.rows(dataset.streams)
        past = other.past(target, dataset.calendar[:end], rows)
        memory, _ = other.walk(past, end, seasons)
        median = other.median(memory[:, origins[0] - (end - seasons * shape.season)], past, origins, rows)
    quantiles = unscaled(scaled.numpy(), features)  # (1, T', H, Q)
    leads = origins[..., None] + np.arange(1, shape.horizon + 1)
    truth = np.where(leads >= first, look(target[0], leads), np.nan)
    unit = unit_of(target, first, shape.season, dataset.shift)[0]
    levels = np.asarray(shape.levels)
    errors = [truth[..., None] - said for said in (quantiles, shifted(quantiles, median, shape.middle))]
    return np.array([np.nansum(np.maximum(levels * one, (levels - 1) * one), (0, 1, 3)) / unit for one in errors])
