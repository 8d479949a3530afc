"""The regular grid of a group: which cell an instant lies in, and what the local calendar says there.

A cell has an index; cell ``i`` ends where cell ``i + 1`` starts. Steps below a day have a fixed length in UTC and never
notice daylight saving; days, weeks and months begin at local midnight, so a day may last 23 or 25 hours. Cell 0 is
the one that holds 1970-01-01: the local day, its week (from Monday), its month; a fixed step begins at a local
multiple of itself in standard time, so hours in Kolkata begin on the half hour of UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from forecaster.pipeline.times import EPOCH, MILLISECOND
from forecaster.records import Array
from forecaster.settings import COLUMNS, Step

DAY_MS = 86_400_000
MEAN_MS = {"day": DAY_MS, "week": 7 * DAY_MS, "month": 2_629_746_000}  # a month: 1/12 of the Gregorian mean year
BLOCK = 512
"""Cells computed at once and kept; a window of the past then costs a slice."""


def width(features: Sequence[str]) -> int:
    """Columns that :meth:`Grid.calendar` gives for these features, F.

    Raises
    ------
    KeyError
        For a feature that does not exist.

    Examples
    --------
    >>> width(["hour", "weekday"])
    5
    """
    return sum(COLUMNS[feature] for feature in features)


class Grid:
    """The regular grid of a group.

    Parameters
    ----------
    step
        Length of a cell.
    timezone
        IANA name of the zone whose clock and calendar count.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        When there is no such zone.

    Examples
    --------
    >>> days = Grid(Step(unit="day", count=1, text="1d"), "Europe/Paris")
    >>> (days.start(20542) - days.start(20541)) // 3_600_000    # 2026-03-29: the clock goes forward
    23
    """

    def __init__(self, step: Step, timezone: str) -> None:
        self.step = step
        self.timezone = timezone
        self._zone = ZoneInfo(timezone)
        self._length = step.count * 1000 if step.unit == "second" else 0  # 0: the calendar decides
        self._phase = standard_offset(timezone) % self._length if self._length else 0
        self._mean = self._length or MEAN_MS[step.unit]
        self._edges = lru_cache(maxsize=1024)(self._compute_edges)
        self._calendar = lru_cache(maxsize=256)(self._compute_calendar)
        self._shift = lru_cache(maxsize=256)(self._compute_shift)

    def index(self, time_ms: int) -> int:
        """Index of the cell that holds an instant; an instant on an edge belongs to the later cell."""
        if self._length:
            return (time_ms + self._phase) // self._length
        index = time_ms // self._mean  # never more than two cells off
        while self.start(index) > time_ms:
            index -= 1
        while self.start(index + 1) <= time_ms:
            index += 1
        return index

    def start(self, index: int) -> int:
        """Start of a cell, epoch milliseconds; the end of the one before."""
        if self._length:
            return index * self._length - self._phase
        return self._edges(index // BLOCK)[index % BLOCK]

    def indices(self, times: Array) -> Array:
        """:meth:`index` of many instants: int64 (N,) to int64 (N,)."""
        times = np.asarray(times, np.int64)
        if self._length:
            return (times + self._phase) // self._length
        if not times.size:
            return times
        first = self.index(int(times.min()))
        edges = self.starts(np.arange(first, self.index(int(times.max())) + 1))
        return first - 1 + np.searchsorted(edges, times, side="right").astype(np.int64)

    def starts(self, indices: Array) -> Array:
        """:meth:`start` of many cells: int64 (N,) to int64 (N,)."""
        indices = np.asarray(indices, np.int64)
        if self._length:
            return indices * self._length - self._phase
        return np.fromiter(map(self.start, indices.tolist()), np.int64, len(indices))

    def calendar(self, first: int, count: int, features: Sequence[str]) -> Array:
        """Where a run of cells stands in the local day, week and year, taken at the start of each cell.

        Parameters
        ----------
        first, count
            The run.
        features
            Any of ``hour`` (sin, cos of the local time of day), ``weekday`` (sin, cos of the place in the week from
            Monday; 1 at weekends, else -1), ``month`` (sin, cos of the month of the year), ``yearday`` (sin, cos of
            the place in the year).

        Returns
        -------
        Array
            float32 (count, F), in [-1, 1], read-only.

        Raises
        ------
        KeyError
            For a feature that does not exist.
        """
        wanted = tuple(features)
        return _run(lambda block: self._calendar(block, wanted), first, count)

    def shift(self, first: int, count: int) -> Array:
        """Offset of the local clock from UTC at the start of each cell of a run, in whole steps of the grid.

        See :attr:`forecaster.inputs.Inputs.shift`. 0 throughout for days, weeks and months, which follow the
        local calendar by themselves; constant where daylight saving is less than a step.

        Returns
        -------
        Array
            int64 (count,), read-only.
        """
        return _run(self._shift, first, count)

    def _compute_edges(self, block: int) -> list[int]:
        return [(self._local_midnight(i) - EPOCH) // MILLISECOND for i in range(block * BLOCK, (block + 1) * BLOCK)]

    def _local_midnight(self, index: int) -> datetime:
        """Start of a day, week or month. Where midnight happens twice it is the first, where it is skipped the next."""
        if self.step.unit == "month":
            return datetime(1970 + index // 12, index % 12 + 1, 1, tzinfo=self._zone)
        days = index if self.step.unit == "day" else index * 7 - 3  # 1970-01-01 was a Thursday
        day = date(1970, 1, 1) + timedelta(days=days)
        return datetime(day.year, day.month, day.day, tzinfo=self._zone)

    def _compute_calendar(self, block: int, features: tuple[str, ...]) -> Array:
        starts = self.starts(np.arange(block * BLOCK, (block + 1) * BLOCK))
        local = starts + offsets(starts, self.timezone)
        columns = [column for feature in features for column in _columns(feature, local)]
        table = np.stack(columns, axis=1) if columns else np.empty((BLOCK, 0))  # (BLOCK, F)
        return _frozen(table.astype(np.float32))

    def _compute_shift(self, block: int) -> Array:
        if not self._length:
            return _frozen(np.zeros(BLOCK, np.int64))
        starts = self.starts(np.arange(block * BLOCK, (block + 1) * BLOCK))
        return _frozen((offsets(starts, self.timezone) - self._phase) // self._length)


def offsets(times_ms: Array, timezone: str) -> Array:
    """Offset of a zone's clock from UTC, milliseconds, at each instant: int64 (N,) to int64 (N,).

    Before 1900 and after 2100 the nearest known offset is used.
    """
    since, offset = _changes(timezone)
    return offset[np.maximum(np.searchsorted(since, times_ms, side="right") - 1, 0)]


def standard_offset(timezone: str) -> int:
    """Offset of a zone's winter clock from UTC in milliseconds: the smaller of January's and July's."""
    zone = ZoneInfo(timezone)
    return min(_offset(zone, datetime(2024, month, 1, tzinfo=UTC)) for month in (1, 7))


@lru_cache(maxsize=64)
def _changes(timezone: str) -> tuple[Array, Array]:
    """When the clock of a zone changed, and to which offset, 1900 to 2100: two int64 (changes,), milliseconds.

    The zone database offers offsets, not changes: we look each week and close in on a difference by halving. Two
    changes within a week that undo each other are missed; none is known in civil time since 1950.
    """
    zone = ZoneInfo(timezone)
    week = timedelta(days=7)
    probe = datetime(1900, 1, 1, tzinfo=UTC)
    end = datetime(2100, 1, 1, tzinfo=UTC)
    since = [(probe - EPOCH) // MILLISECOND]
    found = [_offset(zone, probe)]
    while probe < end:
        now = _offset(zone, probe + week)
        if now != found[-1]:
            before, after = probe, probe + week
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) // 2
                before, after = (middle, after) if _offset(zone, middle) == found[-1] else (before, middle)
            since.append((after.replace(microsecond=0) - EPOCH) // MILLISECOND)
            found.append(now)
        probe += week
    return np.array(since, np.int64), np.array(found, np.int64)


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always knows
    return offset // MILLISECOND


def _columns(feature: str, local_ms: Array) -> list[Array]:
    """Columns of one feature at local clock readings, int64 (N,): each float64 (N,)."""
    if feature == "hour":
        return _circle(local_ms % DAY_MS / DAY_MS)
    if feature == "weekday":
        day = (local_ms / DAY_MS + 3) % 7  # 0 is Monday midnight
        return [*_circle(day / 7), np.where(day >= 5, 1.0, -1.0)]
    moments = local_ms.astype("datetime64[ms]")
    if feature == "month":
        return _circle(moments.astype("datetime64[M]").astype(np.int64) % 12 / 12)
    if feature == "yearday":
        year = moments.astype("datetime64[Y]")
        begin, end = (edge.astype("datetime64[ms]").astype(np.int64) for edge in (year, year + 1))
        return _circle((local_ms - begin) / (end - begin))
    raise KeyError(feature)


def _circle(turns: Array) -> list[Array]:
    angle = 2 * np.pi * turns
    return [np.sin(angle), np.cos(angle)]


def _run(block_of: Callable[[int], Array], first: int, count: int) -> Array:
    """Cells ``first`` to ``first + count`` cut out of cached blocks; a view when they lie in one block."""
    begin, end = first // BLOCK, max(first, first + count - 1) // BLOCK
    offset = first - begin * BLOCK
    if begin == end:
        return block_of(begin)[offset : offset + count]
    joined = np.concatenate([block_of(block) for block in range(begin, end + 1)])
    return _frozen(joined[offset : offset + count])


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array
