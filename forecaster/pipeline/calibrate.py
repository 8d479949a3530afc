"""Intervals that mean what they say: each stream corrects the quantiles it publishes by what has come true.

Four corrections per stream, all of constant size and cost:

- a **width per bucket of leads**: after each target all ranges become wider when it came outside more of them than it
  should have, narrower when inside. One number that all levels teach together is right soon.
- a **width per bucket and part of the season**, in the same way but slower: nights that are missed and noons that are
  hit more often than said cancel in the one before.
- an **offset per bucket and level**: after each target the quantile of level q moves up by ``q`` steps when the target
  came above it and down by ``1 - q`` when below. In the long run a fraction q of the targets lies below it, whatever
  the forecast does (online pinball descent). The median is left alone: it is what was fitted, or chosen, for its error.
- a **scale** for a stream that turns restless for good: errors one step ahead over the last season or so, in units of
  the predicted range, against those of the long run. It widens all ranges, and only when the ratio is out of all
  proportion to how that ratio has wandered before.

The steps are small. Errors come in bursts, and a quantile that runs after them is late each time, and wide; the longer
the lead, the more consecutive errors are alike, and the smaller the steps.

References
----------
Gibbs & Candès (2021), "Adaptive conformal inference under distribution shift", NeurIPS.
Angelopoulos, Candès & Tibshirani (2023), "Conformal PID control for time series prediction", NeurIPS.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from forecaster.pipeline.table import Column, Table
from forecaster.records import Array

FIRST, LAST = 50, 300
"""Targets, times the root of the lead, among which a new one counts when it moves the width: at the beginning and while
a stream is restless; in the long run. For the offsets it is the long run from the beginning."""

FARTHEST = -0.8, 5.0
"""Ends of an offset, inwards and outwards, in units of the range on its side: where no target ever comes outside, the
range stays above 0 and finds back."""

WIDTHS = 1 / 8, 8.0
"""Smallest and largest width."""

PARTS, PRIOR = 24, 50
"""Parts of a season at most, such as hours of a day; and targets, times the root of how many of them are alike, that
the guess that a part is like the whole season is worth."""

LEAST_SIDE = 0.1
"""Part of the whole range that each side of the median counts as at least."""

SEASON, LONG = (16, 96), 20
"""The recent scale looks back a season, exponentially, if it is of so many steps; the long-run scale so many times as
far."""

YOUNG = 100
"""Targets over which the first scales are plain means."""

LIMIT, DEVIATIONS = 0.25, 3.0
"""Logarithm of the ratio of the two scales up to which nothing is done: this, or so many of its own deviations."""

WANDERING, WORTH, SLOWER = 0.02, 50, 5
"""Mean square of that logarithm before it is known; targets that this guess is worth; and how many times as far back as
the long-run scale the mean looks later."""

SPIKE = 4.0
"""Errors above this many times those of the long run count as this: one spike is no restlessness."""

WIDEST = 3.0
"""Largest scale: beyond it the forecast is lost, and another should be published."""


class Calibration:
    """Corrections of S streams for K buckets of leads and Q levels.

    Parameters
    ----------
    levels
        Increasing, (Q,), 0.5 among them.
    bucket_of
        Bucket of each lead, (H,).
    season
        Steps after which errors are like each other again; 1 when there is no season.
    """

    def __init__(self, levels: tuple[float, ...], bucket_of: Array, season: int) -> None:
        self._season, self._parts = season, next(part for part in range(PARTS, 0, -1) if season % part == 0)
        self._levels = np.array(levels)
        self._median = levels.index(0.5)
        self._gain, self._gain_of_width = gains(levels)
        self._outward = np.sign(self._levels - 0.5)
        self._bucket_of = bucket_of
        self._fast = 1 / np.clip(season, *SEASON)
        self._slow = self._fast / LONG
        buckets = int(bucket_of.max()) + 1
        lead = [float(np.flatnonzero(bucket_of == bucket).mean()) + 1 for bucket in range(buckets)]
        self._alike = np.sqrt(lead)  # (K,)
        self._alike_in_part = np.sqrt(np.minimum(lead, season // self._parts))  # (K,)
        self._table = Table(
            {
                "offset": Column((buckets, len(levels)), np.float64, 0.0),
                "width": Column((buckets,), np.float64, 1.0),
                "part_width": Column((buckets, self._parts), np.float32, 1.0),
                "part_since": Column((buckets, self._parts), np.int16, 0),  # targets, at most LAST
                "scale": Column((), np.float64, 1.0),
                "errors": Column((3,), np.float64, np.nan),  # recent, of the long run; mean square of their log ratio
                "since": Column((buckets,), np.int64, 0),  # targets since the beginning, or since it was restless
                "matured": Column((), np.int64, 0),  # targets one step ahead
            }
        )

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def _part(self, steps: Array | int) -> Array:
        """Part of the season of steps of the local clock."""
        return np.asarray(steps) % self._season * self._parts // self._season

    def apply(self, slots: Array, quantiles: Array, steps: Array) -> Array:
        """Corrected quantiles (B, H, Q), still increasing along Q; the median stays where it is.

        Parameters
        ----------
        slots
            Streams (B,).
        quantiles
            (B, H, Q).
        steps
            Steps that are forecast, counted by the local clock; int64 (H,).
        """
        width = self._table["width"][slots] * self._table["scale"][slots, None]  # (B, K)
        part = self._table["part_width"][slots[:, None], self._bucket_of, self._part(steps)]  # (B, H)
        width = (width[:, self._bucket_of] * part)[..., None]  # (B, H, 1)
        offset = self._table["offset"][slots][:, self._bucket_of]  # (B, H, Q)
        middle = self._median
        median = quantiles[..., middle, None]
        moved = median + width * (quantiles - median + offset * self._reach(quantiles))
        for level in range(middle + 1, len(self._levels)):
            np.maximum(moved[..., level], moved[..., level - 1], out=moved[..., level])
        for level in range(middle - 1, -1, -1):
            np.minimum(moved[..., level], moved[..., level + 1], out=moved[..., level])
        return moved

    def _reach(self, quantiles: Array) -> Array:
        """Width of the range on the side of each level (..., Q): what is skewed is corrected on its own measure."""
        middle = self._median
        low = quantiles[..., middle] - quantiles[..., 0]
        high = quantiles[..., -1] - quantiles[..., middle]
        least = LEAST_SIDE * spread(quantiles)
        sides = np.maximum(low, least)[..., None], np.maximum(high, least)[..., None]
        return np.where(np.arange(len(self._levels)) < middle, *sides)

    def learn(self, slots: Array, raw: Array, said: Array, truth: Array, step: int) -> None:
        """A target has come, of which ``raw`` was the forecast and ``said`` the corrected one.

        Parameters
        ----------
        slots
            Streams (B,).
        raw, said
            What had been said in each bucket, (B, K, Q), as float32 keeps it. What is not finite teaches nothing.
        truth
            (B,).
        step
            Which step it is, counted by the local clock.
        """
        table = self._table
        good = np.isfinite(raw.sum(-1) + said.sum(-1) + truth[:, None])  # (B, K)
        calm = table["scale"][slots, None] == 1.0
        since = np.where(calm, table["since"][slots], 0)
        among = np.minimum(FIRST + since, LAST) * self._alike  # (B, K)
        near = truth[:, None, None].astype(np.float32)
        missed = self._outward * (self._levels - (near <= said))  # (B, K, Q), positive outside
        missed = np.where(good[..., None] & (near != said), missed, 0.0)  # at a bound: no miss
        offset = self._outward * table["offset"][slots] + self._gain / (LAST * self._alike)[:, None] * missed
        table["offset"][slots] = self._outward * np.clip(offset, *FARTHEST)
        grown = np.exp(self._gain_of_width / among * missed.sum(-1))
        table["width"][slots] = np.clip(table["width"][slots] * grown, *WIDTHS)
        table["since"][slots] = since + good
        if self._parts > 1:  # the only part would be the width above once more
            self._learn_part(slots, self._part(step), missed.sum(-1), good)
        ahead, first = good[:, 0], raw[:, 0]  # one step ahead
        self._rescale(slots[ahead], (np.abs(truth - first[:, self._median]) / spread(first))[ahead])

    def _learn_part(self, slots: Array, part: Array, missed: Array, good: Array) -> None:
        """The targets of streams (B,) lay outside by so much, (B, K), in a part of the season."""
        since = self._table["part_since"][slots, :, part]
        among = np.minimum(PRIOR + since, LAST) * self._alike_in_part
        grown = np.exp(self._gain_of_width / among * missed)
        self._table["part_width"][slots, :, part] = np.clip(self._table["part_width"][slots, :, part] * grown, *WIDTHS)
        self._table["part_since"][slots, :, part] = np.minimum(since + good, LAST)

    def _rescale(self, slots: Array, error: Array) -> None:
        """Compare the newest errors one step ahead, in units of the range (B,), with those before."""
        matured, calm = self._table["matured"][slots], self._table["scale"][slots] == 1.0
        errors = self._table["errors"]
        recent, usual, wandering = errors[slots].T
        error = np.fmin(error, SPIKE * np.maximum(usual, 0.1))
        first = matured == 0
        young = np.where(matured < YOUNG, 1 / (1 + matured), 0.0)
        recent = np.where(first, error, recent + np.maximum(self._fast, young) * (error - recent))
        usual = np.where(first, error, usual + np.maximum(np.where(calm, self._slow, 0.0), young) * (error - usual))
        ratio = np.log(np.maximum(recent, 1e-300) / np.maximum(usual, 1e-300))
        wandering = np.where(first, WANDERING, wandering)
        limit = np.maximum(LIMIT, DEVIATIONS * np.sqrt(wandering))
        weight = np.where(calm, np.maximum(self._slow / SLOWER, 1 / (WORTH + 1 + matured)), 0.0)
        wandering = wandering + weight * (np.minimum(ratio**2, 9 * wandering) - wandering)
        errors[slots] = np.stack([recent, usual, wandering], axis=-1)
        self._table["scale"][slots] = np.where(ratio > limit, np.minimum(np.exp(ratio), WIDEST), 1.0)
        self._table["matured"][slots] = matured + 1

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def put(self, slots: Array, state: Mapping[str, Array]) -> None:
        """Some streams as they were when :meth:`state` gave this."""
        self._table.put(slots, state)

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)


def gains(levels: tuple[float, ...]) -> tuple[Array, float]:
    """How far one miss should move a quantile, in units of the range on its side, and the logarithm of the width.

    Were there no other target, and the errors normal: one over the density at that quantile, and one over the slope of
    all misses together. With steps of that over the number of targets stochastic approximation is as quick as can be.

    Returns
    -------
    Array, float
        (Q,), 0 for the median; 0 where there is no other level.

    References
    ----------
    Robbins & Monro (1951), "A stochastic approximation method", Annals of Mathematical Statistics 22(3).

    Examples
    --------
    >>> of_level, of_width = gains((0.1, 0.5, 0.9))
    >>> of_level.round(2), round(of_width, 2)
    (array([4.45, 0.  , 4.45]), 2.22)
    """
    bell = NormalDist()
    places = np.array([bell.inv_cdf(level) for level in levels])
    density = np.array([bell.pdf(place) for place in places])
    end = np.where(places > 0, places[-1], -places[0])
    slope = float((density * np.abs(places)).sum())
    there = np.array(levels) != 0.5
    return np.where(there, 1 / np.where(there, density * end, 1.0), 0.0), 1 / slope if slope else 0.0


def spread(quantiles: Array) -> Array:
    """Width between the outermost levels of (..., Q), never zero; (...)."""
    middle = np.abs(quantiles[..., quantiles.shape[-1] // 2])
    return np.maximum(quantiles[..., -1] - quantiles[..., 0], 1e-9 + 1e-9 * middle)
