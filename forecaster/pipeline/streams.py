"""Names, rows and slots: who is who among the arrays of a group.

A row is a series, stream or covariate (aligner and window); row 0 is nobody, the covariate that is not there. A slot
is a stream (hidden state and ledger).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forecaster.pipeline.links import Links
from forecaster.pipeline.table import Column, Table
from forecaster.records import Array, Series
from forecaster.settings import Group

NOBODY = 0
"""Row of a covariate that is not there: never observed."""


class Streams:
    """The series of one group in the order they appeared.

    Attributes
    ----------
    series
        That of row 1, row 2, ….
    """

    def __init__(self, settings: Group) -> None:
        self._settings = settings
        self._links = Links(settings)
        self._row: dict[str, int] = {}
        self.series: list[Series] = []
        self._rows = Table(
            {
                "slot": Column((), np.int64, -1),
                "beside": Column((len(settings.channels),), np.int64, NOBODY),  # rows of its channels
            }
        )
        self._slots = Table({"row": Column((), np.int64, NOBODY)})
        self._rows.add()

    def row(self, name: str) -> int | None:
        """Row of a series, None when it is new."""
        return self._row.get(name)

    def full(self, source: int) -> bool:
        """No room for another series of this source."""
        if self._settings.sources[source].role == "target":
            return self._slots.count >= self._settings.max_streams
        return len(self.series) >= self._settings.max_streams * len(self._settings.channels)

    def add(self, series: Series) -> tuple[int, bool]:
        """Row of a new series, and whether it is a stream and so has got the next slot."""
        row = self._rows.add()
        self.series.append(series)
        self._row[series.name] = row
        is_stream = self._settings.sources[series.source].role == "target"
        if is_stream:
            self._rows["slot"][row] = self._slots.add()
            self._rows["beside"][row, 0] = row
            self._slots["row"][self._slots.count - 1] = row
        for stream, channel, covariate in self._links.add(row, series):
            self._rows["beside"][stream, channel] = covariate
        return row, is_stream

    def numbered(self) -> Iterator[tuple[int, Series]]:
        """All series with their rows."""
        return enumerate(self.series, start=1)

    def __len__(self) -> int:
        """Number of streams, S."""
        return self._slots.count

    def names(self, rows: Array) -> list[str]:
        """Names of rows (B,)."""
        return [self.series[row - 1].name for row in rows.tolist()]

    def slots(self, rows: Array) -> Array:
        """Slots of rows (B,), -1 for covariates."""
        return self._rows["slot"][rows]

    def rows(self, slots: Array) -> Array:
        """Rows of slots (B,)."""
        return self._slots["row"][slots]

    def beside(self, rows: Array) -> Array:
        """Rows of all channels (B, C) of streams; :data:`NOBODY` where a covariate is not there."""
        return self._rows["beside"][rows]
