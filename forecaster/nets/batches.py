"""Which stretches of which streams are shown to the network, in which order.

Training is truncated back-propagation through time: a *row* is a stretch of one stream, a few chunks long; the rows of
a batch step through their chunks side by side, the state goes on from chunk to chunk and the gradient does not.

Shape letters: **S** streams, **R** rows of a batch, **T** origins, **H** horizon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from forecaster.nets.features import Strip, Usual, extract
from forecaster.nets.network import View, view
from forecaster.nets.phases import look
from forecaster.nets.shape import Shape
from forecaster.records import Array, Dataset

POOL_BYTES = 200_000_000
PASSES = 2
"""Features kept in memory at a time; when all streams need more, a part is drawn, passed over so often, and another."""

ROWS = 32
CHUNK = 24
CHUNKS = 4
EVERY = 3
"""Rows of a batch, origins of a chunk, chunks of a row, and how many origins share one forecast in the loss."""


class Batch(NamedTuple):
    """One chunk of a batch of rows.

    Attributes
    ----------
    seen
        What the network is shown; inputs at T origins, the rest at T' = T / every of them.
    target, observed
        Scaled truth and its mask, (R, T', H).
    every
        Neighbouring forecasts teach the same, so only every so many-th origin has one.
    fresh
        Whether the rows begin here, with nothing remembered.
    """

    seen: View
    target: Tensor
    observed: Tensor
    every: int
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Features and targets of some streams at all origins of the training part.

    Attributes
    ----------
    seen, target, observed
        As in :class:`Batch`, (S, T, ...).
    useful
        int64 (U, 2), stream and origin of what can be learned from: something is known and some target observed.
    """

    seen: View
    target: Tensor
    observed: Tensor
    useful: Array


def whole(dataset: Dataset, horizon: int, lookback: int, until: int) -> Strip:
    """The first ``until`` steps of all streams as one strip with an origin at each, NaN around it.

    Steps from ``until`` on are hidden, so no target can lie there.
    """
    streams, channels, _ = dataset.values.shape
    values = np.full((streams, channels, lookback - 1 + until + horizon), np.nan)
    values[..., lookback - 1 : lookback - 1 + until] = dataset.values[..., :until]
    steps = np.clip(np.arange(1 - lookback, until + horizon), 0, len(dataset.shift) - 1)
    return Strip(values, dataset.calendar[steps], dataset.shift[steps])


def pool(strip: Strip, shape: Shape, usual: Usual) -> Pool:
    """Everything there is to learn from a strip, made stream by stream so that little else is in memory."""
    parts = [lesson(strip._replace(values=row[None]), shape, usual) for row in strip.values]
    *seen, target, observed = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Pool(
        seen=View(*seen),
        target=target,
        observed=observed,
        useful=observed.any(-1).nonzero().numpy(),
    )


def lesson(strip: Strip, shape: Shape, usual: Usual) -> tuple[Tensor, ...]:
    """The fields of a view, and the target and its mask beside them."""
    features = extract(strip, shape, usual)
    origins = np.arange(shape.lookback - 1, strip.values.shape[-1] - shape.horizon)
    truth = look(strip.values[:, 0], origins[:, None] + np.arange(1, shape.horizon + 1))  # (S, T, H)
    truth = (truth - features.location[..., None]) / features.scale[..., None]
    observed = np.isfinite(truth) & features.known[..., None]
    return (*view(features), torch.from_numpy(truth.astype(np.float32)), torch.from_numpy(observed))


def pools(strip: Strip, shape: Shape, usual: Usual, random: np.random.Generator) -> Iterator[Pool]:
    """Pools for ever: all streams if they fit in memory (made once), else a new draw of as many as do."""
    streams = len(strip.values)
    if not streams:
        return
    trial = lesson(strip._replace(values=strip.values[:1]), shape, usual)
    room = max(1, POOL_BYTES // sum(tensor.nbytes for tensor in trial))
    while True:
        drawn = np.arange(streams) if room >= streams else random.choice(streams, room, replace=False)
        made = pool(strip._replace(values=strip.values[drawn]), shape, usual)
        while room >= streams:
            yield made
        yield from [made] * PASSES


def examination(strip: Strip, shape: Shape, usual: Usual, since: int, random: np.random.Generator) -> Batch:
    """Some streams through the end of a strip, to be asked only for targets from step ``since`` on.

    Parameters
    ----------
    since
        Counted from the first origin of the strip. The streams begin some chunks earlier, to remember something.
    """
    drawn = random.permutation(len(strip.values))[:ROWS]
    first = max(0, since - shape.warmup)
    part = Strip(strip.values[drawn, :, first:], strip.calendar[first:], strip.shift[first:])
    inputs, *rest = lesson(part, shape, usual)
    every = EVERY if inputs.shape[1] >= CHUNK else 1
    asked = slice(every - 1, None, every)
    step = torch.arange(first, first + inputs.shape[1])[:, None] + torch.arange(1, shape.horizon + 1)  # (T, H)
    return Batch(
        seen=View(inputs, *(tensor[:, asked] for tensor in rest[:-2])),
        target=rest[-2][:, asked],
        observed=(rest[-1] & (step >= since))[:, asked],
        every=every,
        fresh=True,
    )


def batches(source: Pool, random: np.random.Generator) -> Iterator[Batch]:
    """About one pass over a pool: rows that begin anywhere, cut into chunks in order of time.

    A row is laid around a random useful origin, so streams that are long have more rows than those that are young.
    """
    origins = source.target.shape[1]
    length = min(origins, CHUNK * CHUNKS)
    every = EVERY if length >= CHUNK else 1
    draws = max(1, round(len(source.useful) / (length * ROWS)))
    for _ in range(draws):
        picked = source.useful[random.integers(len(source.useful), size=ROWS)]
        start = np.clip(picked[:, 1] - random.integers(length, size=ROWS), 0, origins - length)
        stream = torch.from_numpy(picked[:, :1])  # (R, 1)
        for first in range(0, length, CHUNK):
            steps = torch.from_numpy(start[:, None] + np.arange(first, min(first + CHUNK, length)))  # (R, T)
            asked = steps[:, every - 1 :: every]  # (R, T')
            yield Batch(
                seen=View(source.seen.inputs[stream, steps], *(tensor[stream, asked] for tensor in source.seen[1:])),
                target=source.target[stream, asked],
                observed=source.observed[stream, asked],
                every=every,
                fresh=first == 0,
            )
