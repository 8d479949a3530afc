"""Closed steps on their way to the history: gathered, so that many small ones become one write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecaster.ports import Columns
from forecaster.records import Closed, Series


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HistoryWrite:
    """What one call of :meth:`forecaster.ports.History.append` takes."""

    group: str
    series: list[Series]
    steps: Columns


class HistoryBuffer:
    """Closed steps of all groups since the last :meth:`take`."""

    def __init__(self) -> None:
        self._closed: dict[str, list[Closed]] = {}
        self.rows = 0

    def add(self, closed: Closed) -> None:
        """Keep the steps of one effect."""
        self._closed.setdefault(closed.group, []).append(closed)
        self.rows += len(closed.series)

    def take(self, series: Mapping[str, Mapping[str, Series]]) -> list[HistoryWrite]:
        """All that was added, one write per group, and forget it.

        Parameters
        ----------
        series
            Series of every group, by name.
        """
        writes = []
        for group, closed in self._closed.items():
            index: dict[str, int] = {}
            numbers = [index.setdefault(name, len(index)) for one in closed for name in one.series]
            starts = np.repeat([one.start_ms for one in closed], [len(one.series) for one in closed])
            steps = Columns(
                series=np.array(numbers, np.int32),
                start_ms=starts.astype(np.int64),
                values=np.concatenate([one.values for one in closed]),
            )
            writes.append(HistoryWrite(group=group, series=[series[group][name] for name in index], steps=steps))
        self._closed, self.rows = {}, 0
        return writes
