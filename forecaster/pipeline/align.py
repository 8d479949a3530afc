"""From readings at any instant to values of closed steps.

::

    readings   .  . :  .    .  :     .     :           one series, time runs right
    cells     |  17   |   18   |   19  |   20   |
              closed ─┘        └─ mark: everything up to here is due; later readings for it are late

A cell is due when its end lies ``lateness`` behind the clock, or, in a group without topic covariates, behind the
newest reading of its own series. (With covariates all series wait for the clock, so that a step finds its inputs.)
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.meter import Meters
from forecaster.pipeline.table import Column, Table
from forecaster.records import Array, Reason
from forecaster.settings import Group, Source

NEVER = np.iinfo(np.int64).min // 4
"""Before every instant and every cell."""

RECENT = 64
"""Reading times remembered per series, to tell an out-of-order reading from one delivered twice."""

MEAN, LAST, MIN, MAX, SUM, METER, STATIC, FUTURE = range(8)


def way_of(source: Source) -> int:
    """How the readings of a source become the value of a step."""
    if source.role == "static":
        return STATIC
    if source.role == "future":
        return FUTURE
    if source.kind == "meter":
        return METER
    return {"mean": MEAN, "last": LAST, "min": MIN, "max": MAX, "sum": SUM}[source.aggregate]


class Aligner:
    """Open cells of all series of one group.

    Attributes
    ----------
    clock
        Newest cell the clock has passed (its end plus lateness); grid index.
    """

    def __init__(self, group: Group, grid: Grid) -> None:
        self._grid = grid
        self._lateness_ms = round(group.lateness_s * 1000)
        self._lookback = group.lookback
        self._horizon = group.horizon
        self._eager = not group.covariates
        step_s = group.step.count if group.step.unit == "second" else 86_400
        self._open = ceil(group.lateness_s / step_s) + 8
        self.clock = NEVER
        self._resumed: dict[int, int] = {}  # up to this cell steps came from the history, whatever the readings say
        self._dirty: set[int] = set()
        self._table = Table(
            {
                "way": Column((), np.int8, MEAN),
                "awake": Column((), np.bool_, False),
                "closed": Column((), np.int64, NEVER),
                "mark": Column((), np.int64, NEVER),
                "seen": Column((), np.int64, NEVER),  # cell of the newest reading
                "newest_ms": Column((), np.int64, NEVER),
                "newest": Column((), np.float64, np.nan),
                "recent_ms": Column((RECENT,), np.int64, NEVER),
                "reading": Column((), np.int64, 0),  # readings taken, to walk round ``recent_ms``
                "total": Column((self._open,), np.float64, 0.0),
                "count": Column((self._open,), np.int64, 0),
                "at_ms": Column((self._open,), np.int64, NEVER),  # of the newest reading in the cell
                "covered_ms": Column((self._open,), np.int64, 0),  # by increments of a meter
            }
        )
        self._meters = Meters()
        self._ready: dict[int, list[tuple[Array, Array]]] = {}
        self._skipped: dict[int, list[int]] = {}

    def add(self, source: Source) -> int:
        """Row of a new series."""
        row = self._table.add()
        self._meters.add()
        self._table["way"][row] = way_of(source)
        return row

    def is_new(self, row: int) -> bool:
        """No reading has been taken from the series yet."""
        return bool(self._table["newest_ms"][row] == NEVER)

    def newest_ms(self, row: int) -> int:
        """Time of the newest reading taken."""
        return int(self._table["newest_ms"][row])

    @property
    def awake(self) -> Array:
        """bool (R,): series that were heard of within the last ``lookback`` steps."""
        return self._table["awake"][: self._table.count]

    def due_ms(self) -> int:
        """When the clock closes the next cell."""
        return self._grid.start(self.clock + 2) + self._lateness_ms if self.clock != NEVER else NEVER

    def pass_time(self, now_ms: int) -> None:
        """The clock says ``now_ms``: mark every cell it has left behind as due."""
        clock = self._grid.index(now_ms - self._lateness_ms) - 1
        if clock <= self.clock:
            return
        self.clock = clock
        table = self._table
        used = slice(0, table.count)
        lasting = table["way"][used] >= STATIC
        silent = (clock - table["seen"][used] > self._lookback) & ~lasting
        table["awake"][used] &= ~silent
        awake = table["awake"][used]
        table["mark"][used][awake] = np.maximum(table["mark"][used][awake], clock)
        self._dirty.update(np.flatnonzero(awake & (table["mark"][used] > table["closed"][used])).tolist())

    def accept(self, row: int, source: Source, time_ms: int, value: float) -> Reason | None:
        """Take a reading, or say why not. Not for sources known ahead, whose values go to the window."""
        table = self._table
        newest_ms = table["newest_ms"].item(row)  # Python's own numbers: numpy's are several times slower one by one
        if time_ms <= newest_ms and (time_ms == newest_ms or (table["recent_ms"][row] == time_ms).any()):
            return "duplicate"
        cell = self._grid.index(time_ms)
        if newest_ms == NEVER:
            table["closed"][row] = table["mark"][row] = max(cell - 1, self.clock)
        mark = table["mark"].item(row)
        if not table["awake"].item(row):
            table["awake"][row] = True
            table["mark"][row] = mark = max(mark, self.clock)
            self._dirty.add(row)
        way = table["way"].item(row)
        ends_cell = self._grid.index(time_ms - 1) if way == METER else cell
        if ends_cell <= mark and not self._is_start(row, ends_cell):
            return "late"
        if self._eager:
            passed = self._grid.index(time_ms - self._lateness_ms) - 1
        else:
            passed = mark
            if cell > table["closed"].item(row) + self._open and cell > self.clock + self._open:
                return "future"
        if way == METER:
            reason = self._accept_meter(row, source, time_ms, value)
            if reason is not None:
                return reason
        else:
            self._place(row, cell, time_ms, value)
        if passed > table["mark"].item(row):
            table["mark"][row] = passed
            self._dirty.add(row)
        if time_ms > newest_ms:
            table["newest_ms"][row] = time_ms
            table["newest"][row] = value
            table["seen"][row] = cell
        taken = table["reading"].item(row)
        table["recent_ms"][row, taken % RECENT] = time_ms
        table["reading"][row] = taken + 1
        return None

    def _is_start(self, row: int, cell: int) -> bool:
        """A reading that says something although its cell is closed: where a meter starts, or what lasts."""
        if self._table["way"][row] == METER:
            return self._meters.unread(row) or cell <= self._resumed.get(row, NEVER)
        return bool(self._table["way"][row] == STATIC and self.is_new(row))

    def _accept_meter(self, row: int, source: Source, time_ms: int, value: float) -> Reason | None:
        """Spread what a meter counted since its last reading over the cells that time covers.

        The share of the cell that has just closed goes to the open one, so nothing is lost at a boundary, and a meter
        that reports once a step gives each step what it counted since the last report, whenever that comes; shares of
        cells that closed as gaps are dropped, or they would come as one spike.
        """
        if time_ms < self._table["newest_ms"][row]:
            return "late"
        increase, since_ms, reason = self._meters.increase(row, time_ms, value, source.rollover)
        if increase is None or reason is not None:
            return reason
        grid, closed = self._grid, int(self._table["closed"][row])
        closed = max(closed, int(self._table["mark"][row]))
        first, last = grid.index(since_ms), grid.index(time_ms - 1)
        start_ms = grid.start(closed + 1) if first < closed else since_ms
        rate = increase / (time_ms - since_ms)
        for cell in range(max(first, closed + 1, last - self._lookback), last + 1):
            from_ms = max(since_ms, grid.start(cell))
            to_ms = min(time_ms, grid.start(cell + 1))
            counted_from_ms = start_ms if cell == max(first, closed + 1) else from_ms
            self._place(row, cell, to_ms, rate * (to_ms - counted_from_ms), to_ms - counted_from_ms)
        return None

    def _place(self, row: int, cell: int, time_ms: int, value: float, covers_ms: int = 0) -> None:
        """Add a value to an open cell, making room in the ring when the cell lies beyond it."""
        table = self._table
        if cell > table["closed"].item(row) + self._open:
            table["mark"][row] = max(table["mark"].item(row), cell - self._open)
            self._close(np.array([row]))
        at = row, cell % self._open
        total, count, way = table["total"], table["count"].item(at), table["way"].item(row)
        if way in (MEAN, SUM, METER):
            total[at] += value
        elif count == 0 or (way in (LAST, STATIC) and time_ms >= table["at_ms"].item(at)):
            total[at] = value
        elif way == MIN:
            total[at] = min(total.item(at), value)
        elif way == MAX:
            total[at] = max(total.item(at), value)
        table["count"][at] = count + 1
        table["at_ms"][at] = max(time_ms, table["at_ms"].item(at))
        if covers_ms:
            table["covered_ms"][at] += covers_ms

    def follow_clock(self, row: int, now_ms: int) -> int:
        """Start, if need be, a series that is known ahead, now or where the clock is; its newest closed cell."""
        table = self._table
        if not table["awake"][row]:
            table["awake"][row] = True
            table["newest_ms"][row] = now_ms
            table["closed"][row] = table["mark"][row] = max(self.clock, self._grid.index(now_ms) - 1)
        return int(table["mark"][row])

    def resume(self, rows: Array, newest: int, seen: Array, values: Array) -> None:
        """Rows (B,) filled from stored steps up to ``newest``: last ``values`` (B,) in the cells ``seen`` (B,).

        What comes after its last value is open again: one series may have been ahead of another.
        """
        table = self._table
        table["closed"][rows] = table["mark"][rows] = seen
        table["seen"][rows] = seen
        # a meter counts on from the first reading it is shown again, though its step is stored
        table["newest_ms"][rows] = np.where(table["way"][rows] == METER, NEVER + 1, self._grid.starts(seen))
        table["newest"][rows] = values
        table["awake"][rows] = newest - seen <= self._lookback
        self.clock = max(self.clock, newest)
        self._resumed.update(zip(rows.tolist(), seen.tolist(), strict=True))

    def settle(self) -> Iterator[tuple[int, Array, Array, list[int]]]:
        """Close what is due, oldest cell first.

        Yields
        ------
        cell, rows, values, skipped
            Grid index; rows int64 (B,) that close it with float64 (B,) values, NaN for gaps; rows that came out of
            a silence longer than the lookback and start afresh after this cell.
        """
        if self._dirty:
            self._close(np.fromiter(self._dirty, np.int64, len(self._dirty)))
            self._dirty.clear()
        ready, self._ready = self._ready, {}
        skipped, self._skipped = self._skipped, {}
        nothing = np.empty(0, np.int64), np.empty(0)
        for cell in sorted({*ready, *skipped}):
            rows, values = map(np.concatenate, zip(*ready.get(cell, [nothing]), strict=True))
            order = np.argsort(rows)  # the same whatever way the events were batched
            yield cell, rows[order], values[order], skipped.get(cell, [])

    def _close(self, rows: Array) -> None:
        """Move every cell up to the mark of these rows to ``_ready``.

        A silence longer than the lookback is skipped, from the newest cell that holds a reading to the mark.
        """
        closed, mark = self._table["closed"], self._table["mark"]
        far = rows[mark[rows] - closed[rows] > self._lookback]
        self._close_until(far, np.array([self._newest_held(row) for row in far.tolist()], np.int64))
        for row in far[mark[far] - closed[far] > self._lookback].tolist():
            self._skipped.setdefault(int(mark[row]), []).append(row)
            closed[row] = mark[row]
        self._close_until(rows, mark[rows])

    def _newest_held(self, row: int) -> int:
        """Newest cell up to the mark of a row that holds a reading; what is closed, where none does."""
        table = self._table
        closed = table["closed"].item(row)
        cells = np.arange(closed + 1, min(closed + self._open, table["mark"].item(row)) + 1)
        held = cells[table["count"][row, cells % self._open] > 0]
        return int(held[-1]) if held.size else closed

    def _close_until(self, rows: Array, ends: Array) -> None:
        """Move the open cells of rows (B,) up to ``ends`` (B,) to ``_ready``."""
        closed = self._table["closed"]
        while (open_ := closed[rows] < ends).any():
            rows, ends = rows[open_], ends[open_]
            cells = closed[rows] + 1
            values = self._finish(rows, cells)
            closed[rows] = cells
            for cell in np.unique(cells).tolist():
                here = cells == cell
                self._ready.setdefault(cell, []).append((rows[here], values[here]))

    def _finish(self, rows: Array, cells: Array) -> Array:
        """Values of cells (B,), one of each row, which are emptied for the next round of the ring."""
        table = self._table
        at = cells % self._open
        total, count, way = table["total"][rows, at], table["count"][rows, at], table["way"][rows]
        values = np.where(way == MEAN, total / np.maximum(count, 1), total)
        length_ms = self._grid.starts(cells + 1) - self._grid.starts(cells)
        partial = (way == METER) & (2 * table["covered_ms"][rows, at] < length_ms)
        values[(count == 0) | partial] = np.nan
        values = np.where(way == STATIC, table["newest"][rows], values)
        table["total"][rows, at], table["count"][rows, at] = 0.0, 0
        table["at_ms"][rows, at], table["covered_ms"][rows, at] = NEVER, 0
        return values

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return {**self._table.state(), **self._meters.state(), "clock": np.array([self.clock])}

    def restore(self, state: dict[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        state = dict(state)
        self.clock = int(state.pop("clock")[0])
        self._meters.restore({name: state.pop(name) for name in self._meters.names})
        self._table.restore(state)
