"""Arrays that share their first axis and grow together: where the state of many streams lives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from forecaster.records import Array


class Column(NamedTuple):
    """What one array of a table holds: the shape behind the first axis, the type, and what an empty row says."""

    shape: tuple[int, ...]
    dtype: type[np.generic]
    empty: float


class Table:
    """Named arrays over rows 0…count-1, with room to grow.

    Doubling keeps the cost of a new row constant. The room beyond the last row is not written to, so that the system
    need not give memory for it.

    Examples
    --------
    >>> table = Table({"level": Column((2,), np.float64, np.nan)})
    >>> table.add(), table.add()
    (0, 1)
    >>> table["level"][1] = 3.0
    >>> table["level"].tolist()
    [[nan, nan], [3.0, 3.0]]
    """

    def __init__(self, columns: Mapping[str, Column], capacity: int = 16) -> None:
        self.count = 0
        self._columns = dict(columns)
        self._capacity = capacity
        self._room = {name: self._empty(column) for name, column in self._columns.items()}
        self._arrays = {name: room[:0] for name, room in self._room.items()}

    def _empty(self, column: Column) -> Array:
        return np.empty((self._capacity, *column.shape), column.dtype)

    def __getitem__(self, name: str) -> Array:
        """All rows of a column; valid until the next :meth:`add`."""
        return self._arrays[name]

    def add(self) -> int:
        """A new, empty row."""
        row = self.count
        if row == self._capacity:
            self._capacity *= 2
            self._fill(self._arrays)
        self.count += 1
        for name, column in self._columns.items():
            self._room[name][row] = column.empty
            self._arrays[name] = self._room[name][: self.count]
        return row

    def _fill(self, arrays: Mapping[str, Array]) -> None:
        """Put rows into fresh room, one column after the other: at no time is there a second copy of all."""
        for name, column in self._columns.items():
            self._room[name] = self._empty(column)
            self._room[name][: self.count] = arrays[name]
            self._arrays[name] = self._room[name][: self.count]

    def state(self) -> dict[str, Array]:
        """Copies of all columns, the rows in use only."""
        return {name: array.copy() for name, array in self._arrays.items()}

    def put(self, rows: Array, state: Mapping[str, Array]) -> None:
        """Some rows as they were when :meth:`state` gave this; those added since are empty again."""
        for name, column in self._columns.items():
            before = state.get(name, self._arrays[name][:0])
            there = rows < len(before)
            self._arrays[name][rows[there]] = before[rows[there]]
            self._arrays[name][rows[~there]] = column.empty

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave.

        Raises
        ------
        ValueError
            When columns, shapes or types are not this table's.
        """
        if set(state) != set(self._columns):
            raise ValueError(f"columns {sorted(state)} are not {sorted(self._columns)}")
        counts = {len(array) for array in state.values()}
        if len(counts) != 1:
            raise ValueError(f"columns of different lengths: {sorted(counts)}")
        for name, column in self._columns.items():
            if state[name].shape[1:] != column.shape or state[name].dtype != column.dtype:
                raise ValueError(f"column {name}: {state[name].dtype}{state[name].shape[1:]} is not {column}")
        self.count = counts.pop()
        self._capacity = max(self.count, 16)
        self._fill(state)
