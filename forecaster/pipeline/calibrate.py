"""Intervals that mean what they say: each stream corrects the quantiles it publishes by what has come true.

Two corrections per stream and bucket of leads, both of constant size and cost:

- a **scale**: recent errors in units of the predicted range, against those of the long run. When a stream turns
  restless the ranges widen within seasons, when it calms they narrow. Differences within the noise change nothing.
- an **offset per level**: after each target the quantile of level q moves up by ``q`` steps when the target came
  above it and down by ``1 - q`` when below. In the long run a fraction q of the targets lies below it, whatever the
  forecast does (online pinball descent). The median is left alone: it is what was fitted, or chosen, for its error.

References
----------
Gibbs & Candès (2021), "Adaptive conformal inference under distribution shift", NeurIPS.
Angelopoulos, Candès & Tibshirani (2023), "Conformal PID control for time series prediction", NeurIPS.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.pipeline.table import Column, Table
from forecaster.records import Array

FAST, SLOW = 1 / 16, 1 / 500
"""Weight of the newest error in the recent and in the long-run scale."""

NOISE = 0.25
"""Logarithm of the ratio of the two scales below which it is noise; twice the deviation of the recent one."""

FIRST_STEP, RESTLESS_STEP, LAST_STEP = 0.1, 0.05, 0.016
"""Size of the first corrections of a quantile, of those while the scale is moved, and of later ones, in units of the
predicted range on its side of the median."""

LEAST_SIDE = 0.1
"""Part of the whole range that each side of the median counts as at least."""

YOUNG = 100
"""Targets over which the first scales are plain means."""

SPIKE = 6.0
"""Errors above this many times those of the long run count as this: one spike is no restlessness."""

WIDEST = 8.0
"""Largest scale: beyond it the forecast is lost, and another should be published."""


class Calibration:
    """Corrections of S streams for K buckets of leads and Q levels.

    Parameters
    ----------
    levels
        Increasing, (Q,), 0.5 among them.
    bucket_of
        Bucket of each lead, (H,).
    """

    def __init__(self, levels: tuple[float, ...], bucket_of: Array) -> None:
        self._levels = np.array(levels)
        self._median = levels.index(0.5)
        self._bucket_of = bucket_of
        buckets = int(bucket_of.max()) + 1
        self._table = Table(
            {
                "offset": Column((buckets, len(levels)), np.float64, 0.0),
                "fast": Column((buckets,), np.float64, np.nan),
                "slow": Column((buckets,), np.float64, np.nan),
                "matured": Column((buckets,), np.int64, 0),
            }
        )

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def apply(self, slots: Array, quantiles: Array) -> Array:
        """Corrected quantiles (B, H, Q), still increasing along Q; the median stays where it is."""
        scale = self._scale(slots)[:, self._bucket_of, None]  # (B, H, 1)
        offset = self._table["offset"][slots][:, self._bucket_of]  # (B, H, Q)
        middle = self._median
        median = quantiles[..., middle, None]
        moved = median + scale * (quantiles - median + offset * self._reach(quantiles))
        moved[..., middle:] = np.maximum.accumulate(moved[..., middle:], axis=-1)
        moved[..., middle::-1] = np.minimum.accumulate(moved[..., middle::-1], axis=-1)
        return moved

    def _reach(self, quantiles: Array) -> Array:
        """Width of the range on the side of each level (..., Q): what is skewed is corrected on its own measure."""
        middle = self._median
        low = quantiles[..., middle] - quantiles[..., 0]
        high = quantiles[..., -1] - quantiles[..., middle]
        least = LEAST_SIDE * spread(quantiles)
        sides = np.maximum(low, least)[..., None], np.maximum(high, least)[..., None]
        return np.where(np.arange(len(self._levels)) < middle, *sides)

    def learn(self, slots: Array, bucket: int, raw: Array, said: Array, truth: Array) -> None:
        """A target has come, of which ``raw`` was the forecast and ``said`` the corrected one.

        Parameters
        ----------
        slots, bucket
            Streams (B,), and the bucket of the lead.
        raw, said
            (B, Q). Rows with a value that is not finite teach nothing.
        truth
            (B,).
        """
        good = np.isfinite(raw.sum(-1) + said.sum(-1) + truth)
        slots, raw, said, truth = slots[good], raw[good], said[good], truth[good]
        table = self._table
        matured = table["matured"][slots, bucket]
        calm = np.abs(np.log(self._scale(slots)[:, bucket])) < NOISE
        step = np.maximum(np.where(calm, LAST_STEP, RESTLESS_STEP), FIRST_STEP / np.sqrt(1 + matured / 8))[:, None]
        missed = (self._levels - (truth[:, None] <= said)) * (np.arange(len(self._levels)) != self._median)
        table["offset"][slots, bucket] += step * missed
        error = np.abs(truth - raw[:, self._median]) / spread(raw)
        error = np.fmin(error, SPIKE * np.maximum(table["slow"][slots, bucket], 0.1))
        for name, weight in (("fast", np.full(len(slots), FAST)), ("slow", np.where(calm, SLOW, 0.0))):
            known = table[name][slots, bucket]
            weight = np.maximum(weight, np.where(matured < YOUNG, 1 / (1 + matured), 0.0))
            table[name][slots, bucket] = np.where(np.isnan(known), error, known + weight * (error - known))
        table["matured"][slots, bucket] = matured + 1

    def _scale(self, slots: Array) -> Array:
        """How much wider than in the long run, (B, K)."""
        fast, slow = self._table["fast"][slots], self._table["slow"][slots]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(fast / slow)
        real = ratio * np.clip(np.abs(ratio) / NOISE - 1.0, 0.0, 1.0)
        return np.where(np.isfinite(ratio), np.clip(np.exp(real), 1 / WIDEST, WIDEST), 1.0)

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)


def spread(quantiles: Array) -> Array:
    """Width between the outermost levels of (..., Q), never zero; (...)."""
    middle = np.abs(quantiles[..., quantiles.shape[-1] // 2])
    return np.maximum(quantiles[..., -1] - quantiles[..., 0], 1e-9 + 1e-9 * middle)
