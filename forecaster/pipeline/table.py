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

    Doubling keeps the cost of a new row constant; rows beyond ``count`` always hold the empty value.

    Examples
    --------
    >>> table = Table({"level": Column((2,), np.float64, np.nan)})
    >>> table.add(), table.add()
    (0, 1)
    >>> table["level"][1] = 3.0
    >>> table.state()["level"].tolist()
    [[nan, nan], [3.0, 3.0]]
    """

    def __init__(self, columns: Mapping[str, Column], capacity: int = 16) -> None:
        self.count = 0
        self._columns = dict(columns)
        self._capacity = capacity
        self._arrays = {name: self._blank(column, capacity) for name, column in self._columns.items()}

    @staticmethod
    def _blank(column: Column, rows: int) -> Array:
        return np.full((rows, *column.shape), column.empty, column.dtype)

    def __getitem__(self, name: str) -> Array:
        """The whole array, capacity included; valid until the next :meth:`add`."""
        return self._arrays[name]

    def add(self) -> int:
        """A new, empty row."""
        if self.count == self._capacity:
            self._capacity *= 2
            for name, column in self._columns.items():
                more = self._blank(column, self._capacity - self.count)
                self._arrays[name] = np.concatenate([self._arrays[name], more])
        self.count += 1
        return self.count - 1

    def clear(self, name: str) -> None:
        """Empty one column in every row."""
        self._arrays[name][:] = self._columns[name].empty

    def state(self) -> dict[str, Array]:
        """Copies of all columns, the rows in use only."""
        return {name: array[: self.count].copy() for name, array in self._arrays.items()}

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
        for name, column in self._columns.items():
            spare = self._blank(column, self._capacity - self.count)
            self._arrays[name] = np.concatenate([state[name], spare])
