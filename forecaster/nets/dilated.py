"""A second network, for long histories with a course of the day: its memory steps once a season.

A *dilated* recurrence: what it remembers at two o'clock goes on from what it remembered at two o'clock the day before,
so a state has a place for each step of a season. It sees the last season as it was, what time it is, and how a season
usually goes on from there, of which each lead takes a part; it has a weight for each lead, and no candidates. Where a
series wanders more than it repeats, medians between its own and those of :class:`forecaster.nets.network.Network` err
less than either; :mod:`forecaster.nets.opinion` finds out at which leads, and :mod:`forecaster.pipeline.choose` how
far.

It is told how far a stream is from its usual level, in units of its usual spread, so it speaks only of streams that it
was trained on.

Shape letters: **B** batch, **N** steps, **T** origins, **S** streams it knows, **H** horizon, **M** season, **K**
seasons, **I** inputs, **D** size of a place.

References
----------
Chang et al. (2017), "Dilated Recurrent Neural Networks", NeurIPS. Lin et al. (2023), "SegRNN: Segment Recurrent Neural
Network for Long-Term Time Series Forecasting", arXiv:2308.11200.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forecaster.nets.phases import BLOCKS
from forecaster.nets.recurrent import Recurrent
from forecaster.nets.shape import Shape
from forecaster.nets.smoothing import running
from forecaster.nets.structural import bridged
from forecaster.records import Array

SHORTEST, LONGEST = 24, 96
"""Seasons it is made for, in steps: days of hours to days of quarters of an hour."""

HIDDEN, DROPOUT = 128, 0.3

PART = 0.5
"""How much of what is usual each lead begins with."""

HARMONICS = 4
"""Sines and cosines that tell the time of the day: of once round to so many times."""

SEPARATOR = "\0"
"""Between the names of streams; MQTT allows it in none."""

AT_ONCE = 32
"""Streams whose states are made from their windows at once, which bounds memory."""

LIMIT = 5.0
"""Inputs beyond this, in usual spreads, grow with their logarithm."""


class Past(NamedTuple):
    """What is known of streams: float32 (B, N) in usual spreads from the usual level, gaps bridged; for how many steps
    there has been a value; the mean of each and of those at its time in the seasons before; all (B, N). And what time
    it is, as :func:`clock` tells it."""

    value: Array
    age: Array
    usual: Array
    clock: Array

    def of(self, streams: Array) -> Past:
        """That of some of the streams."""
        return Past(self.value[streams], self.age[streams], self.usual[streams], self.clock)


class Dilated(nn.Module):
    """The median of every lead, for streams it knows.

    Parameters
    ----------
    shape
        Cell, horizon and season are taken from it.
    streams
        Names of the streams it knows.
    centre, spread
        Usual level and spread of each, float64 (S,); kept with the weights.
    """

    names: Tensor
    heard: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, shape: Shape, streams: Sequence[str], centre: Array, spread: Array) -> None:
        super().__init__()
        self.season, self.horizon = shape.season, shape.horizon
        self.hour = shape.hour
        self.seasons = min(BLOCKS, max(1, (shape.lookback - 1) // shape.season))
        self.streams = tuple(streams)
        self.register_buffer("names", torch.frombuffer(bytearray(SEPARATOR.join(streams), "utf-8"), dtype=torch.uint8))
        self.register_buffer("heard", torch.ones(self.horizon, dtype=torch.bool))
        self._row = {name: row for row, name in enumerate(streams)}
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("spread", torch.from_numpy(spread))
        self.embed = nn.Linear(2 * self.season + 2 + (0 if self.hour is None else 2 * HARMONICS), HIDDEN)
        self.recurrent = Recurrent(shape.cell, HIDDEN, HIDDEN)
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(HIDDEN, self.horizon))
        part = nn.Linear(HIDDEN, self.horizon)
        nn.init.zeros_(part.weight)
        nn.init.constant_(part.bias, PART)
        self.part = nn.Sequential(nn.Dropout(DROPOUT), part)

    def hear(self, leads: Array | Tensor) -> None:
        """Say nothing of other leads than these, bool (H,); kept with the weights."""
        self.heard.copy_(torch.as_tensor(leads))

    def initial_state(self, streams: int) -> Tensor:
        """Zeros, shape (B, M, D): the place of the next step first."""
        return torch.zeros(streams, self.season, self.recurrent.width)

    @classmethod
    def known_by(cls, shape: Shape, names: Array) -> Dilated:
        """One with the streams that weights are of, by their ``names``; the weights still to be loaded."""
        streams = names.tobytes().decode().split(SEPARATOR)
        return cls(shape, streams, np.zeros(len(streams)), np.ones(len(streams)))

    def rows(self, streams: Sequence[str]) -> Array:
        """Which of the streams it knows these are, -1 for none; int64 (B,)."""
        return np.array([self._row.get(name, -1) for name in streams], np.int64)

    def step(self, state: Tensor, window: Array, calendar: Array, streams: Sequence[str]) -> tuple[Tensor, Array]:
        """Advance by the step at the end of a window and forecast all leads.

        A state of zeros is first made from the window.

        Parameters
        ----------
        state
            Shape (B, M, D).
        window
            The last steps of each stream, float64 (B, W), NaN for gaps.
        calendar
            Calendar features of these steps, (W, F).
        streams
            Their names.

        Returns
        -------
        state, median
            Advanced, shape (B, M, D), of streams it does not know as it was; float64 (B, H), NaN where too little is
            known and at leads at which it is not heard.
        """
        rows = self.rows(streams)
        known = np.flatnonzero(rows >= 0)
        after, median = state.clone(), np.full((len(window), self.horizon), np.nan)
        if len(known):
            after[known], median[known] = self._step(state[known], window[known], calendar, rows[known])
        return after, median

    def _step(self, state: Tensor, window: Array, calendar: Array, rows: Array) -> tuple[Tensor, Array]:
        past = self.past(window, calendar, rows)
        newest = window.shape[-1] - 1
        seasons = (newest - self.season) // self.season
        blank = np.flatnonzero(~state.flatten(1).any(-1).numpy() & (seasons > 0))
        for first in range(0, len(blank), AT_ONCE):
            some = blank[first : first + AT_ONCE]
            _, state[some] = self.walk(past.of(some), newest, seasons)
        origin = np.array([[newest]])
        memory, place = self.remember(self.seen(past, origin), state[:, 0])
        return torch.cat([state[:, 1:], place[:, None]], 1), self.median(memory, past, origin, rows)[:, 0]

    def walk(self, past: Past, end: int, seasons: int) -> tuple[Tensor, Tensor]:
        """Step from nothing through so many seasons up to step ``end``; memory (B, K * M, D) and state (B, M, D)."""
        seen = self.seen(past, np.arange(end - seasons * self.season, end)[None])
        size = len(seen), seasons, self.season
        apart = seen.reshape(*size, -1).transpose(1, 2).reshape(-1, seasons, seen.shape[-1])  # (B * M, K, I)
        memory, places = self.remember(apart, torch.zeros(len(apart), self.recurrent.width))
        memory = memory.reshape(len(seen), self.season, seasons, HIDDEN).transpose(1, 2)
        return memory.flatten(1, 2), places.reshape(len(seen), self.season, -1)

    def past(self, values: Array, calendar: Array, rows: Array) -> Past:
        """Of streams (B, N), and the calendar of these steps (N, F)."""
        value, age = bridged(values, self.season)
        centre, spread = self.centre.numpy()[rows, None], self.spread.numpy()[rows, None]
        value = np.where(age > 0, (value - centre) / spread, 0.0).astype(np.float32)
        return Past(value, age, usual(value, age > 0, self.season, self.seasons), clock(calendar, self.hour))

    def seen(self, past: Past, origins: Array) -> Tensor:
        """Inputs at origins (B or 1, T), a season after the beginning at least; zeros where too little is known.

        Returns
        -------
        Tensor
            (B, T, I): the last season as far from its last value, that as far from the one a season before, and as it
            is; how a season usually goes on from there; and what time it is.
        """
        value, age = at(past.value, origins[..., None] + np.arange(-self.season, 1)), at(past.age, origins)
        last = value[..., -1:]
        moves = self.moves(past, origins, self.season)
        told = np.concatenate([value[..., 1:] - last, last - value[..., :1], last, moves], axis=-1)
        far = np.maximum(np.abs(told), LIMIT)
        told = np.where(far > LIMIT, np.sign(told) * LIMIT * (1 + np.log(far / LIMIT)), told)
        time = past.clock[origins]  # (B or 1, T, ...)
        told = np.concatenate([told, np.broadcast_to(time, (len(told), *time.shape[1:]))], axis=-1)
        return torch.from_numpy(np.where(age[..., None] > self.season, told, 0).astype(np.float32))

    def moves(self, past: Past, origins: Array, leads: int) -> Array:
        """How far from the last value each lead is in the mean of the seasons before; float32 (B, T, leads)."""
        then = origins[..., None] - self.season
        return at(past.usual, then + 1 + np.arange(leads) % self.season) - at(past.usual, then)

    def remember(self, seen: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Step through (B, K, I), a season each, with one place of the state, (B, D); memory (B, K, D) and place."""
        memory, after = self.recurrent(F.relu(self.embed(seen))[None], place[None, :, None])
        return memory[0], after[0, :, 0]

    def ahead(self, memory: Tensor, past: Past, origins: Array) -> Tensor:
        """How far each lead is from the last value, in usual spreads: (B, T, D) to (B, T, H)."""
        moves = torch.from_numpy(self.moves(past, origins, self.horizon))
        return cast(Tensor, self.head(memory) + self.part(memory) * moves)

    def median(self, memory: Tensor, past: Past, origins: Array, rows: Array) -> Array:
        """In the unit of the data, NaN where too little is known, or it is not heard; float64 (B, T, H)."""
        told = self.ahead(memory, past, origins).double().numpy() + at(past.value, origins)[..., None]
        centre, spread = self.centre.numpy()[rows, None, None], self.spread.numpy()[rows, None, None]
        known = at(past.age, origins)[..., None] > self.season
        return np.where(known & self.heard.numpy(), centre + spread * told, np.nan)


def usual(value: Array, seen: Array, season: int, most: int) -> Array:
    """Mean of each step and of those at its time in the seasons before, so many at most, of what was seen; (B, N).

    Examples
    --------
    >>> value, seen = np.array([[9.0, 9, 1, 4, 3, 6, 5, 8]]), np.arange(8)[None] > 1
    >>> usual(value, seen, season=2, most=2)
    array([[0., 0., 1., 4., 2., 5., 4., 7.]])
    """
    early = -value.shape[1] % season
    both = np.stack([np.where(seen, value, 0), seen]).astype(value.dtype)
    apart = np.pad(both, ((0, 0), (0, 0), (early, 0))).reshape(2, len(value), -1, season)
    total, count = np.moveaxis(running(np.moveaxis(apart, 2, 0), most), 0, 2).reshape(*both.shape[:2], -1)[..., early:]
    return total / np.maximum(count, 1)


def clock(calendar: Array, hour: int | None) -> Array:
    """Sines and cosines of the time of the day and of its multiples; (N, F) to float32 (N, 2 * HARMONICS), or (N, 0).

    Examples
    --------
    >>> six = np.array([[1.0, 0.0]])  # o'clock in the morning: a quarter of a turn
    >>> clock(six, hour=0).round()
    array([[ 1.,  0., -1.,  0.,  0., -1., -0.,  1.]], dtype=float32)
    """
    if hour is None:
        return np.empty((len(calendar), 0), np.float32)
    turns = (calendar[:, hour + 1] + 1j * calendar[:, hour])[:, None] ** np.arange(1, HARMONICS + 1)
    return np.concatenate([turns.imag, turns.real], axis=-1).astype(np.float32)


def at(values: Array, positions: Array) -> Array:
    """Values (B, N) at positions (B or 1, ...); (B, ...)."""
    return values[np.arange(len(values)).reshape(-1, *[1] * (positions.ndim - 1)), positions]
