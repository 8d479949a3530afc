"""Which stretches of which streams are shown to the network, in which order.

Training is truncated back-propagation through time: a *row* is a stretch of one stream, a few chunks long; the rows of
a batch step through their chunks side by side, the state goes on from chunk to chunk and the gradient does not.

Shape letters: **S** streams, **R** rows of a batch for all members, **T** origins, **H** horizon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, cycle
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from forecaster.inputs import Dataset
from forecaster.nets.features import Strip, Usual, extract
from forecaster.nets.network import View, view
from forecaster.nets.phases import look
from forecaster.nets.shape import Shape
from forecaster.nets.smoothing import trailing
from forecaster.ports import youth
from forecaster.records import Array

POOL_BYTES = 100_000_000
STRETCH, PASSES = 288, 3
"""Features kept in memory at a time, in half precision. When all need more, stretches of so many origins are drawn from
all streams and passed over so often; after each pass others take the place of the oldest, so that what is learned at a
time is never of a few weeks only."""

TOGETHER, PIECE = 16, 100_000
"""Streams, and leads of each, whose features are computed in one go, at most: few enough to stay in the cache."""

YOUNG = 1 / 8
"""Part of the streams that are shown as if they had only just begun, so that those that do are forecast well."""

ROWS, CHUNK, CHUNKS = 32, 24, 4
"""Rows of a batch for each member, origins of a chunk, and chunks of a row."""

OFTEN, SHARED = 3, 0.25
"""Origins that share one forecast: at least, and as a part of the horizon. Neighbours that forecast nearly the same
steps teach nearly the same, and the time is better spent on other rows."""

LEADS = 8
"""Leads of a forecast that are learned from at a time, at least; others at the next. They too teach nearly the same."""

EXAMINED, AT_LEAST = 20_000, 64
"""Origins of an exam, and streams it has even if these have more: enough to tell two networks apart."""


class Batch(NamedTuple):
    """One chunk of a batch of rows.

    Attributes
    ----------
    seen
        What the network is shown; inputs at T origins, the rest at T' = T / every of them, of H' leads.
    target, observed
        Scaled truth and its mask, (R, T', H').
    leads
        int64 (H',), which leads these are, counted from 0.
    every
        Only every so many-th origin has a forecast; see :func:`sharing`.
    fresh
        Whether the rows begin here, with nothing remembered.
    """

    seen: View
    target: Tensor
    observed: Tensor
    leads: Tensor
    every: int
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Features and targets of whole streams, or of stretches of them.

    Attributes
    ----------
    seen, target, observed
        As in :class:`Batch`: inputs (S, T, I), the rest (S, T', ...).
    useful
        int64 (U, 2), row and forecast of what can be learned from: something is known and some target observed.
    every
        Of how many origins one has a forecast.
    """

    seen: View
    target: Tensor
    observed: Tensor
    useful: Array
    every: int


def whole(dataset: Dataset, horizon: int, lookback: int, until: int) -> Strip:
    """The first ``until`` steps of all streams as one strip with an origin at each, NaN around it.

    Steps from ``until`` on are hidden, so no target can lie there.
    """
    streams, channels, _ = dataset.values.shape
    values = np.full((streams, channels, lookback - 1 + until + horizon), np.nan)
    values[..., lookback - 1 : lookback - 1 + until] = dataset.values[..., :until]
    steps = np.clip(np.arange(1 - lookback, until + horizon), 0, len(dataset.shift) - 1)
    return Strip(values, dataset.calendar[steps], dataset.shift[steps])


def sharing(horizon: int, origins: int) -> int:
    """How many origins share one forecast, so that chunks hold a whole number of them.

    Examples
    --------
    >>> [sharing(horizon, origins=1000) for horizon in (1, 18, 24, 48, 720)]
    [3, 4, 6, 12, 24]
    >>> sharing(48, origins=20)
    1
    """
    if origins < CHUNK:
        return 1
    most = max(OFTEN, SHARED * horizon)
    return max(every for every in range(1, CHUNK + 1) if CHUNK % every == 0 and every <= most)


def few(horizon: int) -> int:
    """How many leads of a forecast are learned from: a quarter, at least eight."""
    return min(horizon, max(LEADS, horizon // 4))


def thinned(horizon: int, origins: int) -> int:
    """As :func:`sharing`, for an exam: odd, so that not all forecasts are made at the same few hours of the day."""
    return min(max(OFTEN, horizon // (2 * CHUNK) | 1), CHUNK - 1) if origins >= CHUNK else 1


def pool(strips: Iterable[Strip], shape: Shape, usual: Usual, every: int = 1) -> Pool:
    """Everything there is to learn from strips of a few streams each; one by one, so that little else is in memory."""
    parts = [list(halved(lesson(strip, shape, usual, every))) for strip in strips]
    joined = [torch.cat([part.pop() for part in parts]) for _ in range(len(parts[0]))]  # each let go once copied
    observed, target, *seen = joined
    useful = observed.any(-1).nonzero().numpy()
    return Pool(seen=View(*reversed(seen)), target=target, observed=observed, useful=useful, every=every)


def room(like: Pool, rows: int) -> Pool:
    """Space for so many rows of the same kind, nothing in it yet."""
    *seen, target, observed = (tensor.new_empty(rows, *tensor.shape[1:]) for tensor in fields(like))
    return replace(like, seen=View(*seen), target=target, observed=observed)


def write(into: Pool, first: int, part: Pool) -> None:
    """Put the rows of a pool in place of those from ``first`` on."""
    for tensor, rows in zip(fields(into), fields(part), strict=True):
        tensor[first : first + len(rows)] = rows


def fields(some: Pool) -> tuple[Tensor, ...]:
    """All tensors of a pool, row by row."""
    return *some.seen, some.target, some.observed


def halved(tensors: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """Numbers in half the space; what the network is shown are logarithms and candidates of at most a thousand."""
    return (tensor.half() if tensor.is_floating_point() else tensor for tensor in tensors)


def lesson(strip: Strip, shape: Shape, usual: Usual, every: int = 1) -> tuple[Tensor, ...]:
    """The fields of a view, and the target and its mask beside them; piece by piece, so that little is in memory."""
    around = shape.lookback - 1 + shape.horizon
    origins = strip.values.shape[-1] - around
    size = every * max(1, PIECE // (every * shape.horizon))
    firsts = [*range(0, max(1, origins - every + 1), size)]  # each piece has a forecast; what is left goes to the last
    pieces = []
    for first, until in zip(firsts, [*firsts[1:], origins], strict=True):
        part = slice(first, until + around)
        pieces.append(piece(strip.part(part), shape, usual, every))
    return pieces[0] if len(pieces) == 1 else tuple(torch.cat(parts, dim=1) for parts in zip(*pieces, strict=True))


def piece(strip: Strip, shape: Shape, usual: Usual, every: int) -> tuple[Tensor, ...]:
    """As :func:`lesson`, in one go."""
    features = extract(strip, shape, usual, every)
    origins = np.arange(shape.lookback - 1, strip.values.shape[-1] - shape.horizon)[every - 1 :: every]
    truth = look(strip.values[:, 0], origins[:, None] + np.arange(1, shape.horizon + 1))  # (S, T', H)
    truth = (truth - features.location[..., None]) / features.scale[..., None]
    observed = np.isfinite(truth) & (features.known & grown(strip, shape)[:, every - 1 :: every])[..., None]
    return (*view(features), torch.from_numpy(truth.astype(np.float32)), torch.from_numpy(observed))


def grown(strip: Strip, shape: Shape) -> Array:
    """At which origins streams are old enough to be forecast by a network, and so to be learned from; bool (S, T)."""
    young = youth(shape.seasons, shape.lookback) - 1 if shape.own_past else 0
    origins = strip.values.shape[-1] - shape.horizon - shape.lookback + 1
    early = np.isfinite(strip.values[:, 0, : strip.values.shape[-1] - shape.horizon - young])
    return trailing(early, shape.lookback - young, origins).max(-1)


def pools(strip: Strip, shape: Shape, usual: Usual, random: np.random.Generator) -> Iterator[Pool]:
    """Pools for ever: all there is, and some streams as if begun late, made once, if that fits; else stretches.

    The next pool of stretches is written over the oldest of those in the last.
    """
    if not len(strip.values):
        return
    origins = strip.values.shape[-1] - shape.lookback + 1 - shape.horizon
    shown, *rest = (tensor.nbytes for tensor in halved(lesson(one_origin(strip, shape), shape, usual)))
    if (shown + sum(rest)) * origins * len(strip.values) * (1 + YOUNG) <= POOL_BYTES:
        some = random.permutation(len(strip.values))[: ceil(YOUNG * len(strip.values))]
        young = late(strip.part(streams=some), random)
        everything = pool(chain(apart(strip), apart(young)), shape, usual)
        while True:
            yield everything
    every = sharing(shape.horizon, min(origins, STRETCH))
    length = min(max(origins - every + 1, min(origins, CHUNK)), STRETCH)  # whole streams begin at any of some steps
    count = max(1, POOL_BYTES // (length * (shown + sum(rest) // every)) // PASSES)
    rows = max(1, count // TOGETHER) * min(TOGETHER, len(strip.values))  # of a pass, at most
    useful = deque[Array](maxlen=PASSES)
    space: Pool | None = None
    for first in cycle(range(0, PASSES * rows, rows)):
        drawn = pool(stretches(strip, shape, length, count, random), shape, usual, every)
        space = space or room(drawn, PASSES * rows)
        write(space, first, drawn)
        useful.append(drawn.useful + np.array([first, 0]))
        del drawn  # before the next is made
        if len(useful) == PASSES:
            yield replace(space, useful=np.concatenate(useful))


def one_origin(strip: Strip, shape: Shape) -> Strip:
    """The first origin of the first stream."""
    return strip.part(slice(shape.lookback + shape.horizon), slice(1))


def apart(strip: Strip) -> Iterator[Strip]:
    """A few streams after the others, fewer if they are long."""
    few = max(1, min(TOGETHER, TOGETHER * STRETCH // strip.values.shape[-1]))
    for first in range(0, len(strip.values), few):
        yield strip.part(streams=slice(first, first + few))


def stretches(strip: Strip, shape: Shape, length: int, count: int, random: np.random.Generator) -> Iterator[Strip]:
    """Random stretches of ``length`` origins, of long streams more than of short ones."""
    seen = np.isfinite(strip.values[:, 0])
    room = strip.values.shape[-1] - (shape.lookback - 1 + length + shape.horizon)
    earliest = np.clip(seen.argmax(-1) - (shape.lookback - 1), 0, room)
    latest = np.clip(seen.shape[-1] - seen[:, ::-1].argmax(-1) - (shape.lookback - 1 + length), earliest, room)
    weight = seen.sum(-1) / seen.sum()
    for stream in random.choice(len(seen), max(1, count // TOGETHER), p=weight):
        start = random.integers(earliest[stream], latest[stream] + 1)
        there = np.flatnonzero((earliest <= start) & (start <= latest))
        together = random.permutation(there)[:TOGETHER]
        steps = slice(start, start + shape.lookback - 1 + length + shape.horizon)
        drawn = strip.part(steps, together)
        yield late(drawn, random) if random.random() < YOUNG else drawn


def late(strip: Strip, random: np.random.Generator) -> Strip:
    """The same, with nothing known of each stream before some step."""
    streams, _, length = strip.values.shape
    begin = random.integers(length, size=(streams, 1, 1))
    return strip._replace(values=np.where(np.arange(length) < begin, np.nan, strip.values))


def examination(strip: Strip, shape: Shape, usual: Usual, since: int, random: np.random.Generator) -> Batch:
    """Some streams through the end of a strip, to be asked only for targets from step ``since`` on.

    Parameters
    ----------
    since
        Counted from the first origin of the strip. The streams begin some chunks earlier, to remember something.
    """
    first = max(0, since - shape.warmup)
    count = strip.values.shape[-1] - first - shape.lookback + 1 - shape.horizon
    drawn = random.permutation(len(strip.values))[: max(AT_LEAST, EXAMINED // count)]
    part = strip.part(slice(first, None), drawn)
    every = thinned(shape.horizon, count)
    shown = pool(apart(part), shape, usual, every)
    step = torch.arange(first, first + count)[every - 1 :: every, None] + torch.arange(1, shape.horizon + 1)  # (T', H)
    observed = shown.observed & (step >= since)
    leads = torch.arange(shape.horizon)
    return Batch(seen=shown.seen, target=shown.target, observed=observed, leads=leads, every=every, fresh=True)


def batches(source: Pool, members: int, random: np.random.Generator) -> Iterator[Batch]:
    """About one pass over a pool for each member: rows that begin anywhere, cut into chunks in order of time.

    A row is laid around a random useful origin, so streams that are long have more rows than those that are young.
    """
    origins, horizon = source.seen.inputs.shape[1], source.target.shape[-1]
    every, some = sharing(horizon, origins), few(horizon)
    length = min(max(origins - every + 1, every), CHUNK * CHUNKS)  # a row may begin at any of so many neighbours
    length -= length % every
    rows = ROWS * members
    draws = max(1, round(len(source.useful) * source.every / (length * ROWS)))
    for _ in range(draws):
        picked = source.useful[random.integers(len(source.useful), size=rows)]
        start = np.clip(picked[:, 1] * source.every - random.integers(length, size=rows), 0, origins - length)
        start -= start % source.every
        stream = torch.from_numpy(picked[:, :1])  # (R, 1)
        for first in range(0, length, CHUNK):
            steps = torch.from_numpy(start[:, None] + np.arange(first, min(first + CHUNK, length)))  # (R, T)
            leads = torch.from_numpy(np.sort(random.permutation(horizon)[:some]))  # (H',)
            asked = stream[..., None], steps[:, every - 1 :: every, None] // source.every, leads  # (R, T', H')
            yield Batch(
                seen=View(
                    source.seen.inputs[stream, steps].float(), *(part[asked].float() for part in source.seen[1:])
                ),
                target=source.target[asked].float(),
                observed=source.observed[asked],
                leads=leads,
                every=every,
                fresh=first == 0,
            )
