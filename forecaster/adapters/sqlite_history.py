"""Closed steps in one SQLite file, as columnar chunks: an hour boundary of 100 000 streams is one row.

A chunk holds three arrays of equal length as little-endian bytes. Chunks are only ever added; reading puts them
behind one another and keeps the last value of each (series, start), which is how a step is replaced.
See ``docs/decisions/0001-journal-and-history.md``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from forecaster.adapters.sqlite import connect, sqlite_errors, transaction
from forecaster.ports import Columns
from forecaster.records import Array, Series

MIGRATIONS = [
    """
    CREATE TABLE series (id INTEGER PRIMARY KEY, grp TEXT NOT NULL, name TEXT NOT NULL, source INTEGER NOT NULL,
                         labels TEXT NOT NULL, UNIQUE (grp, name));
    CREATE TABLE chunk (id INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT NOT NULL, first_ms INTEGER NOT NULL,
                        last_ms INTEGER NOT NULL, n INTEGER NOT NULL,
                        series BLOB NOT NULL, start_ms BLOB NOT NULL, value BLOB NOT NULL);
    CREATE INDEX chunk_grp ON chunk (grp)
    """
]
CHUNK_ROWS = 262_144
"""Most rows of a chunk, 5 MB: what one statement of compaction or pruning holds in memory."""
MANY_CHUNKS = 256
"""A group with more is worth compacting; reading slows by about 5 µs a chunk."""
EVER = -(1 << 63)

Known = dict[str, tuple[int, Series]]
"""Series of a group by name, with its number in the file."""


class SqliteHistory:
    """:class:`forecaster.ports.History` in a file.

    One thread appends. Reading, pruning and compacting open a connection of their own and may happen from any
    thread; another process, such as a training, opens the file ``read_only``. A series is known by its name within
    the group; given again with another source or other labels, the newer ones hold.

    Parameters
    ----------
    path
        The file; made when missing, unless ``read_only``.

    Raises
    ------
    StoreError
        From every method, when the file cannot be read or written: names the path and what to do.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._db = connect(path, MIGRATIONS, read_only=read_only)
        self._known: dict[str, Known] = {}

    def append(self, group: str, series: Sequence[Series], steps: Columns) -> None:
        """Add steps, durable when it returns. A step given again replaces the old value."""
        if not len(steps.series):
            return
        with sqlite_errors(self.path, "append"):
            if group not in self._known:
                self._known[group] = _read_series(self._db, group)
            known = self._known[group]
            with transaction(self._db):
                fresh = _write_series(self._db, group, (one for one in series if _is_new(one, known)))
                ids = np.array([(fresh.get(one.name) or known[one.name])[0] for one in series])
                for begin in range(0, len(steps.series), CHUNK_ROWS):
                    part = slice(begin, begin + CHUNK_ROWS)
                    _write_chunk(self._db, group, (ids[steps.series[part]], steps.start_ms[part], steps.values[part]))
            known.update(fresh)  # only once they are committed

    def read(self, group: str, since_ms: int | None = None) -> tuple[tuple[Series, ...], Columns]:
        """All steps of a group at or after a time, ordered by (series, start), each (series, start) once.

        Returns
        -------
        series, steps
            The series that have a step there, in the order in which they first came; ``steps.series`` points into it.
        """
        since = EVER if since_ms is None else since_ms
        with sqlite_errors(self.path, "read"), closing(connect(self.path, MIGRATIONS, read_only=True)) as db:
            chunks = db.execute(
                "SELECT series, start_ms, value FROM chunk WHERE grp = ? AND last_ms >= ? ORDER BY id", (group, since)
            ).fetchall()
            named = dict(_read_series(db, group).values())  # after the chunks: none of them can be unnamed
        ids, starts, values = _newest(_since(_arrays(chunks), since))
        present, index = np.unique(ids, return_inverse=True)
        series = tuple(named[number] for number in present.tolist())
        return series, Columns(series=index.astype(np.int32), start_ms=starts, values=values)

    def names(self, group: str) -> list[str]:
        """All series of a group, by name."""
        with sqlite_errors(self.path, "read"):
            return sorted(_read_series(self._db, group))

    def prune(self, group: str, span_ms: int, now_ms: int) -> None:
        """Forget steps that started longer before the newest, or before now where that is earlier.

        The file keeps its size and reuses the room.
        """
        with sqlite_errors(self.path, "prune"), closing(connect(self.path, MIGRATIONS)) as db:
            (newest_ms,) = db.execute("SELECT MAX(last_ms) FROM chunk WHERE grp = ?", (group,)).fetchone()
            before_ms = min(newest_ms or 0, now_ms) - span_ms
            db.execute("DELETE FROM chunk WHERE grp = ? AND last_ms < ?", (group, before_ms))
            partly = db.execute("SELECT id FROM chunk WHERE grp = ? AND first_ms < ?", (group, before_ms)).fetchall()
            for (number,) in partly:
                _rewrite(db, group, number, number, before_ms)

    def compact(self, group: str) -> None:
        """Put many small chunks together into few large ones; nothing to do up to ``MANY_CHUNKS`` of them.

        Large chunks stay as they are, so a step is rewritten a few times in its life. Each large chunk is a
        transaction of its own: appends wait for some tens of milliseconds at most.
        """
        with sqlite_errors(self.path, "compact"), closing(connect(self.path, MIGRATIONS)) as db:
            sizes = db.execute("SELECT id, n FROM chunk WHERE grp = ? ORDER BY id", (group,)).fetchall()
            if len(sizes) > MANY_CHUNKS:
                for first, last in _runs(sizes):
                    _rewrite(db, group, first, last, EVER)

    def close(self) -> None:
        """Close the file. Nothing can be appended afterwards."""
        self._db.close()


def _is_new(one: Series, known: Known) -> bool:
    """Not yet in the file as it is now. Mostly it is the very object seen before, which is quick to tell."""
    seen = known.get(one.name)
    return seen is None or (seen[1] is not one and seen[1] != one)


def _read_series(db: sqlite3.Connection, group: str) -> Known:
    rows = db.execute("SELECT id, name, source, labels FROM series WHERE grp = ?", (group,))
    return {
        name: (number, Series(name=name, source=source, labels=tuple((key, text) for key, text in json.loads(labels))))
        for number, name, source, labels in rows
    }


def _write_series(db: sqlite3.Connection, group: str, series: Iterable[Series]) -> Known:
    written: Known = {}
    for one in series:
        (number,) = db.execute(
            "INSERT INTO series (grp, name, source, labels) VALUES (?, ?, ?, ?) ON CONFLICT (grp, name)"
            " DO UPDATE SET source = excluded.source, labels = excluded.labels RETURNING id",
            (group, one.name, one.source, json.dumps(one.labels)),
        ).fetchone()
        written[one.name] = (number, one)
    return written


def _write_chunk(
    db: sqlite3.Connection, group: str, rows: tuple[Array, Array, Array], number: int | None = None
) -> None:
    ids, starts, values = rows
    blobs = ids.astype("<i4").tobytes(), starts.astype("<i8").tobytes(), values.astype("<f8").tobytes()
    db.execute(
        "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (number, group, int(starts.min()), int(starts.max()), len(ids), *blobs),
    )


def _rewrite(db: sqlite3.Connection, group: str, first: int, last: int, since_ms: int) -> None:
    """Replace the group's chunks numbered first…last by one, in their place, without the steps before a time."""
    with transaction(db):
        where = "grp = ? AND id BETWEEN ? AND ?"
        chunks = db.execute(
            f"SELECT series, start_ms, value FROM chunk WHERE {where} ORDER BY id", (group, first, last)
        ).fetchall()
        db.execute(f"DELETE FROM chunk WHERE {where}", (group, first, last))
        rows = _newest(_since(_arrays(chunks), since_ms))
        if len(rows[0]):
            _write_chunk(db, group, rows, last)


def _runs(sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """First and last number of each run of neighbours worth putting together, up to ``CHUNK_ROWS`` rows.

    Examples
    --------
    >>> list(_runs([(1, 262_100), (2, 100), (3, 100), (4, 262_000), (5, 9)]))
    [(2, 3), (4, 5)]
    """
    run: list[int] = []
    rows = 0
    for number, n in [*sizes, (0, CHUNK_ROWS + 1)]:
        if rows + n > CHUNK_ROWS:
            if len(run) > 1:
                yield run[0], run[-1]
            run, rows = [], 0
        run.append(number)
        rows += n


def _arrays(chunks: Sequence[tuple[bytes, bytes, bytes]]) -> tuple[Array, Array, Array]:
    """Number of the series (int32), start (int64) and value (float64) of all rows, each (N,)."""
    ids, starts, values = (b"".join(column) for column in zip(*chunks, strict=True)) if chunks else (b"", b"", b"")
    return np.frombuffer(ids, "<i4"), np.frombuffer(starts, "<i8"), np.frombuffer(values, "<f8")


def _since(rows: tuple[Array, Array, Array], since_ms: int) -> tuple[Array, Array, Array]:
    ids, starts, values = rows
    kept = starts >= since_ms
    return ids[kept], starts[kept], values[kept]


def _newest(rows: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """Rows ordered by (series, start), of equal ones the last."""
    order = np.lexsort((rows[1], rows[0]))  # stable: of equal rows the newer comes later
    ids, starts, values = (column[order] for column in rows)
    last = np.ones(len(ids), dtype=bool)
    last[:-1] = (ids[1:] != ids[:-1]) | (starts[1:] != starts[:-1])
    return ids[last], starts[last], values[last]
