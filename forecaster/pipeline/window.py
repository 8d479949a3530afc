"""The last steps of every series, and the values known ahead of now.

A ring addressed by grid index: cell ``i`` lies at ``i % P``, and again P further on, so that any run of up to P
cells is one slice and not two. The period P holds the lookback, the steps a warm-up walks over, and the horizon.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.pipeline.spikes import DRAWN_IN, drawn_in, enough
from forecaster.pipeline.table import Column, Table
from forecaster.records import Array

NEVER = np.iinfo(np.int64).min
"""Before every step."""


class Window:
    """Values of all series of one group, NaN where nothing was observed.

    Parameters
    ----------
    past
        Steps kept up to and including the newest.
    ahead
        Steps kept beyond it, for values known in advance.
    season
        Steps; see :mod:`forecaster.pipeline.spikes`.
    """

    def __init__(self, past: int, ahead: int, season: int) -> None:
        self._past, self._ahead = past, ahead
        self._enough = enough(season)
        self._period = past + ahead + 1
        self._table = Table(
            {
                "window": Column((2 * self._period,), np.float64, np.nan),
                "newest": Column((), np.int64, NEVER),
                "drawn": Column((DRAWN_IN,), np.int64, NEVER),  # newest steps that were drawn in
            }
        )

    def add(self) -> int:
        """Row of a new series."""
        return self._table.add()

    def take(self, rows: Array, index: int, values: Array) -> None:
        """Step ``index`` of these rows (B,) has closed: as :meth:`push`, with spikes drawn in."""
        seen = self.view(rows, index - 1, self._past, 0)
        known = np.isfinite(seen).sum(-1) >= self._enough
        taken = drawn_in(values, np.fmin.reduce(seen, -1), np.fmax.reduce(seen, -1))
        drawn = self._table["drawn"]
        spike = known & np.isfinite(values) & (taken != values) & (drawn[rows, 0] < index - self._past)
        drawn[rows[spike]] = np.column_stack([drawn[rows[spike], 1:], np.full(spike.sum(), index)])
        self.push(rows, index, np.where(spike, taken, values))

    def push(self, rows: Array, index: int, values: Array) -> None:
        """Step ``index`` of these rows (B,) is to be remembered as ``values`` (B,); NaN keeps what was known ahead."""
        ring = self._table["window"]
        at, far = index % self._period, (index + self._ahead + 1) % self._period
        known = ring[rows, at]
        value = np.where(np.isnan(values), known, values)
        ring[rows, at] = ring[rows, at + self._period] = value
        ring[rows, far] = ring[rows, far + self._period] = np.nan
        self._table["newest"][rows] = index

    def know(self, row: int, index: int, value: float) -> None:
        """The value of a step ahead of the newest has become known, at most ``ahead`` steps ahead."""
        at = index % self._period
        self._table["window"][row, at] = self._table["window"][row, at + self._period] = value

    def forget(self, rows: Array, first: int, end: int) -> Array:
        """Steps ``first`` up to ``end`` of rows (B,) were never observed, as far as they are kept; rows it changed."""
        changed = []
        for row in rows.tolist():
            newest = int(self._table["newest"][row])
            cells = np.arange(max(first, newest - self._past + 1), min(end, newest + self._ahead + 1)) % self._period
            if np.isfinite(self._table["window"][row, cells]).any():
                changed.append(row)
                for far in (0, self._period):
                    self._table["window"][row, cells + far] = np.nan
        return np.array(changed, np.int64)

    def clear(self, row: int, index: int) -> None:
        """Forget everything of a series; ``index`` counts as its newest step."""
        self._table["window"][row] = np.nan
        self._table["newest"][row] = index
        self._table["drawn"][row] = NEVER

    def newest(self, rows: Array) -> Array:
        """Newest step pushed, of rows of any shape."""
        return self._table["newest"][rows]

    def view(self, rows: Array, index: int, past: int, ahead: int) -> Array:
        """Cells ``index - past + 1`` … ``index + ahead`` of rows of any shape; float64 (…, past + ahead), a copy.

        NaN for those that are not kept any more.
        """
        first = (index - past + 1) % self._period
        found = self._table["window"][rows, first : first + past + ahead]
        newest, last = self._table["newest"][rows], index - past + self._past
        if (newest > last).any():
            gone = np.where(newest > last, newest - last, 0)
            found[np.arange(past + ahead) < gone[..., None]] = np.nan
        return found

    def at(self, rows: Array, index: int) -> Array:
        """Values (B,) of one step."""
        return self._table["window"][rows, index % self._period]

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot; each cell once."""
        return {**self._table.state(), "window": self._table["window"][:, : self._period].copy()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore({**state, "window": np.concatenate([state["window"]] * 2, axis=1)})
