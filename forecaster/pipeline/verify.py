"""Every forecast is remembered until its target arrives, and scored then.

::

    origin   leads 1 2 3        a step closes: its value is compared with what was said
      17          a b c         for it 1 step before, 2 steps before, … H steps before
      18            d e f
      19              g h i     when 20 closes:  lead 1 said g, lead 2 said e, lead 3 said c

Lead k waits for k steps, so its last k forecasts are kept, in a ring of k cells: a forecast takes the place of the one
whose target has just closed. That is H (H + 1) / 2 cells a stream, half of all leads of the last H origins.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.leads import buckets
from forecaster.pipeline.table import Column, Table
from forecaster.records import Array, Score
from forecaster.settings import Group

FEW = 20
"""Weight of the rolling scores of a stream below which they say little."""

MEMORY = 200
"""Steps over which the rolling scores look back, exponentially."""


def intervals(levels: tuple[float, ...]) -> list[tuple[float, int, int]]:
    """Central intervals of the levels: nominal coverage, index of the lower and of the upper level.

    Examples
    --------
    >>> intervals((0.1, 0.5, 0.9))
    [(0.8, 0, 2)]
    """
    pairs = []
    for low, level in enumerate(levels):
        for high in range(low + 1, len(levels)):
            if abs(level + levels[high] - 1) < 1e-9:
                pairs.append((round(levels[high] - level, 6), low, high))
    return pairs


def pinball(quantiles: Array, truth: Array, levels: Array) -> Array:
    """Quantile loss ``max(q (y - v), (q - 1) (y - v))``, mean over levels.

    Parameters
    ----------
    quantiles, truth, levels
        (..., Q), (...), (Q,).

    Returns
    -------
    Array
        (...), NaN where either is.

    Examples
    --------
    >>> pinball(np.array([1.0]), np.array(3.0), np.array([0.5]))
    np.float64(1.0)
    """
    error = truth[..., None] - quantiles
    loss: Array = np.maximum(levels * error, (levels - 1) * error).mean(-1)
    return loss


class Ledger:
    """Forecasts awaiting their targets, and the rolling scores of those that met them, for S streams."""

    def __init__(self, group: Group) -> None:
        horizon, levels = group.horizon, group.levels
        self._horizon = horizon
        self._levels = np.array(levels)
        self._intervals = intervals(levels)
        self._buckets = buckets(horizon)
        self._firsts = [leads.start for leads in self._buckets.values()]
        self._leads = np.arange(1, horizon + 1)
        self._rings = np.cumsum(self._leads) - self._leads  # first cell of the ring of each lead
        cells = horizon * (horizon + 1) // 2
        self._decay = 1 - 1 / MEMORY
        self._table = Table(
            {
                "origin": Column((horizon,), np.int64, np.iinfo(np.int64).min),  # the last H that had a forecast
                "issued": Column((cells, len(levels) + 1), np.float32, np.nan),  # quantiles, then the naive median
                "sources": Column((horizon, len(self._firsts)), np.int8, 0),  # origin, bucket
                "scored": Column((len(self._firsts),), np.int64, 0),
                # weight, |error|, |error of naive|, pinball, |change over a season|, hits per interval
                "sums": Column((len(self._firsts), 5 + len(self._intervals)), np.float64, 0.0),
            }
        )

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def _cells(self, index: int) -> Array:
        """Where each lead keeps what is forecast after step ``index``, and until then what is said for it; (H,)."""
        return self._rings + index % self._leads

    def issue(self, slots: Array, index: int, quantiles: Array, naive: Array, sources: Array) -> None:
        """Remember forecasts (B, H, Q), naive medians (B, H) and what both come from (B, K), made after ``index``."""
        at = index % self._horizon
        self._table["origin"][slots, at] = index
        self._table["issued"][slots[:, None], self._cells(index)] = np.concatenate([quantiles, naive[..., None]], -1)
        self._table["sources"][slots, at] = sources

    def issued(self, slots: Array, index: int) -> tuple[Array, Array]:
        """Forecasts made at the end of step ``index``: quantiles (B, H, Q), and codes of what they come from (B, K)."""
        at = index % self._horizon
        issued = self._table["issued"][slots[:, None], self._cells(index)].astype(np.float64)
        issued[self._table["origin"][slots, at] != index] = np.nan
        return issued[..., :-1], self._table["sources"][slots, at]

    def said(self, slots: Array, index: int) -> tuple[Array, Array]:
        """What had been forecast for step ``index``, per lead: quantiles (B, H, Q), naive (B, H), NaN where nothing."""
        origins, rows = index - self._leads, slots[:, None]
        issued = self._table["issued"][rows, self._cells(index)].astype(np.float64)
        issued[self._table["origin"][rows, origins % self._horizon] != origins] = np.nan
        return issued[..., :-1], issued[..., -1]

    def score(self, slots: Array, truth: Array, quantiles: Array, naive: Array, season_ago: Array) -> None:
        """Add the comparison of a truth (B,) with what was :meth:`said` for it to the rolling sums.

        Parameters
        ----------
        season_ago
            Value one season before the target (B,), for MASE; NaN where unknown.
        """
        median = quantiles[..., int(np.argmin(np.abs(self._levels - 0.5)))]
        columns = [
            np.abs(truth[:, None] - median),
            np.abs(truth[:, None] - naive),
            pinball(quantiles, np.broadcast_to(truth[:, None], median.shape), self._levels),
            np.broadcast_to(np.abs(truth - season_ago)[:, None], median.shape),
        ]
        for _, low, high in self._intervals:
            columns.append((quantiles[..., low] <= truth[:, None]) & (truth[:, None] <= quantiles[..., high]))
        losses = np.stack(columns, axis=-1).astype(np.float64)  # (B, H, 4 + intervals)
        usable = np.isfinite(losses.sum(-1))  # (B, H): forecast, truth and both opponents known
        losses[~usable] = 0.0
        count = np.add.reduceat(usable.astype(np.int64), self._firsts, axis=1)  # (B, buckets)
        hit = count[..., None] > 0
        mean = np.add.reduceat(losses, self._firsts, axis=1) / np.maximum(count, 1)[..., None]
        sums = self._table["sums"][slots]
        self._table["sums"][slots] = np.where(hit, self._decay * sums + np.concatenate([hit, mean], axis=-1), sums)
        self._table["scored"][slots] += count

    def usual_error(self, slots: Array) -> Array:
        """Rolling absolute error one step ahead (B,); NaN while few forecasts have met their target."""
        weight, error = self._table["sums"][slots, 0, :2].T
        return np.where(weight > FEW, error / np.maximum(weight, 1), np.nan)

    def scores(self) -> list[Score]:
        """Rolling scores over all streams, one per bucket that has any."""
        used = slice(0, self._table.count)
        found = []
        for bucket, name in enumerate(self._buckets):
            weight, error, naive, loss, change, *hits = self._table["sums"][used, bucket].sum(0)
            if weight == 0:
                continue
            found.append(
                Score(
                    leads=name,
                    count=int(self._table["scored"][used, bucket].sum()),
                    mae=error / weight,
                    mase=error / change if change > 0 else float("nan"),
                    pinball=loss / weight,
                    skill=1 - error / naive if naive > 0 else float("nan"),
                    coverage={
                        nominal: hit / weight for (nominal, _, _), hit in zip(self._intervals, hits, strict=True)
                    },
                )
            )
        return found

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)
