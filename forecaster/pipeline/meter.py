"""Cumulative meters: what was counted since the last reading, through resets, dips and rollovers.

::

    ordinary    100 101 102              counts 1, 1
    rollover    998 999   1              with ``rollover: 1000`` counts 1, 2
    dip         100   0   0 101          the zeros are refused, then counts 1
    reset       100   0   1   2          0 is refused, then counts 1 (from zero), 1
    replaced    100  50  51              50 is more than was ever counted at once: starts there, counts 1
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.pipeline.table import Column, Table
from forecaster.records import Array, Reason


class Meters:
    """Last believed reading of every meter, and the fall that is not yet explained."""

    def __init__(self) -> None:
        self._table = Table(
            {
                "meter_ms": Column((), np.int64, 0),
                "meter": Column((), np.float64, np.nan),
                "fallen": Column((), np.float64, np.nan),  # value it fell to; NaN: no fall
                "largest": Column((), np.float64, 0.0),  # increase between two readings so far
            }
        )
        self.names = tuple(self._table.state())

    def add(self) -> None:
        """A new row; rows run parallel to the aligner's."""
        self._table.add()

    def unread(self, row: int) -> bool:
        """No reading is known to count from; true after a start from stored steps, too."""
        return bool(np.isnan(self._table["meter"][row]))

    def increase(
        self, row: int, time_ms: int, value: float, rollover: float | None
    ) -> tuple[float | None, int, Reason | None]:
        """What was counted up to a reading that is newer than all before.

        Returns
        -------
        increase, since_ms, reason
            The count and the time from which it was counted; (None, …, None) for a first reading, which only sets
            the start; a reason when the reading is not believed.
        """
        table = self._table
        last, since_ms = float(table["meter"][row]), int(table["meter_ms"][row])
        fallen, largest = float(table["fallen"][row]), float(table["largest"][row])
        if np.isnan(last):
            self._believe(row, time_ms, value)
            return None, time_ms, None
        if value >= last:  # ordinary, or back from a dip
            increase = value - last
        elif rollover is not None and last > rollover / 2 > value:
            increase = rollover - last + value
        elif np.isnan(fallen) or value <= fallen:
            table["fallen"][row] = value
            return None, since_ms, "reset"
        else:  # it counts on from where it fell to
            from_zero = fallen if fallen <= 2 * largest else 0.0
            increase = from_zero + value - fallen
        table["largest"][row] = max(largest, increase)
        self._believe(row, time_ms, value)
        return increase, since_ms, None

    def _believe(self, row: int, time_ms: int, value: float) -> None:
        self._table["meter"][row] = value
        self._table["meter_ms"][row] = time_ms
        self._table["fallen"][row] = np.nan

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)
