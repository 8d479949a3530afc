"""Never worse than naive: which forecast a stream publishes, for each bucket of leads, by what has come true.

The candidates are the network, the better of the naive forecasts, and their mean. All are made and scored for every
step, published or not, so a network that has lost can win back. A change of choice needs a clear lead (hysteresis), or
two equals would take turns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.pipeline.table import Column, Table
from forecaster.records import Array

NETWORK, BLEND, NAIVE = range(3)

MEMORY = 1 / 300
"""Weight of the newest error in the rolling ones."""

MARGIN = 0.02
"""Part by which another candidate must be better to be chosen."""

ENOUGH = 24
"""Targets that must have come before a choice is made; until then the network, which has passed its gate, stands."""


class Choice:
    """Rolling errors of the candidates and the choice of S streams for K buckets of leads.

    Parameters
    ----------
    buckets
        K.
    naives
        M, number of naive forecasts.
    """

    def __init__(self, buckets: int, naives: int) -> None:
        self._naives = naives
        self._table = Table(
            {
                "naive_error": Column((buckets, naives), np.float64, 0.0),
                "error": Column((buckets, 3), np.float64, 0.0),  # network, blend, better naive
                "naive_targets": Column((buckets,), np.int64, 0),
                "targets": Column((buckets,), np.int64, 0),  # with a network
                "chosen": Column((buckets,), np.int8, NETWORK),
            }
        )

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def best_naive(self, slots: Array) -> Array:
        """Index of the naive forecast with the smallest rolling error, (B, K); the first before any has come true."""
        return self._table["naive_error"][slots].argmin(-1)

    def chosen(self, slots: Array) -> Array:
        """NETWORK, BLEND or NAIVE, (B, K)."""
        return self._table["chosen"][slots]

    def learn(self, slots: Array, bucket: int, network: Array, naives: Array, truth: Array) -> None:
        """A target has come.

        Parameters
        ----------
        slots, bucket
            Streams (B,), and the bucket of the lead.
        network, naives
            Medians that had been forecast: (B,), NaN where there was no network, and (B, M).
        truth
            (B,).
        """
        table = self._table
        good = np.isfinite(naives.sum(-1) + truth)
        slots, network, naives, truth = slots[good], network[good], naives[good], truth[good]
        best = naives[np.arange(len(slots)), self.best_naive(slots)[:, bucket]]
        roll(table["naive_error"], table["naive_targets"], slots, bucket, np.abs(truth[:, None] - naives))
        known = np.isfinite(network)
        slots, network, best, truth = slots[known], network[known], best[known], truth[known]
        candidates = np.stack([network, (network + best) / 2, best], axis=-1)  # (B, 3)
        roll(table["error"], table["targets"], slots, bucket, np.abs(truth[:, None] - candidates))
        error = table["error"][slots, bucket]
        chosen = table["chosen"][slots, bucket].astype(np.int64)
        now = error[np.arange(len(slots)), chosen]
        change = (error.min(-1) < (1 - MARGIN) * now) & (table["targets"][slots, bucket] >= ENOUGH)
        table["chosen"][slots, bucket] = np.where(change, error.argmin(-1), chosen)

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)


def roll(errors: Array, targets: Array, slots: Array, bucket: int, newest: Array) -> None:
    """Move rolling errors (S, K, C) towards the newest ones (B, C), as a plain mean at first; count the targets."""
    count = targets[slots, bucket] + 1
    weight = np.maximum(MEMORY, 1 / count)[:, None]
    old = errors[slots, bucket]
    errors[slots, bucket] = old + weight * (newest - old)
    targets[slots, bucket] = count
