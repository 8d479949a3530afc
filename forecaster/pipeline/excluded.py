"""What was never observed because somebody said so: stretches to be forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from forecaster.pipeline.calendar import Grid
from forecaster.records import Array, Panel
from forecaster.settings import Exclusion


class Excluded:
    """The stretches that a group is to forget, of readings still to come too."""

    def __init__(self, exclusions: Iterable[Exclusion], grid: Grid) -> None:
        self._stretches = {(one.stream, *cells(one, grid)) for one in exclusions}

    def add(self, pattern: str, first: int, end: int) -> None:
        """Steps ``first`` up to ``end`` of streams whose names match."""
        self._stretches.add((pattern, first, end))

    def at(self, index: int, names: Sequence[str]) -> Array:
        """Whether step ``index`` of these series is to be forgotten, bool (B,)."""
        patterns = [pattern for pattern, first, end in self._stretches if first <= index < end]
        if not patterns:
            return np.zeros(len(names), bool)
        return np.array([any(fnmatchcase(name, one) for one in patterns) for name in names], bool)


def mask(history: Panel, exclusions: Sequence[Exclusion], grid: Grid) -> Panel:
    """A panel in which what is excluded was never observed."""
    values = history.values.copy()
    for one in exclusions:
        rows = [row for row, series in enumerate(history.series) if fnmatchcase(series.name, one.stream)]
        first, end = (int(np.clip(index - history.first, 0, values.shape[1])) for index in cells(one, grid))
        values[rows, first:end] = np.nan
    return replace(history, values=values)


def cells(exclusion: Exclusion, grid: Grid) -> tuple[int, int]:
    """First cell an exclusion touches, and the one after the last."""
    return grid.index(exclusion.since_ms), grid.index(exclusion.until_ms - 1) + 1
