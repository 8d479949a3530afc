"""The journal in one SQLite file: one row per unit, so that a thousand messages cost one commit.

A unit's body is a version byte, the CRC-32 of what follows (SQLite itself does not notice a flipped bit), and the
events as a MessagePack list of short lists, the kind first. See ``docs/decisions/0001-journal-and-history.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from forecaster.adapters.sqlite import connect, sqlite_errors
from forecaster.errors import StoreError
from forecaster.records import Event, Forget, Message, ModelReady, Reading, Readings, Tick
from forecaster.settings import Exclusion

MIGRATIONS = [
    # AUTOINCREMENT: a position is never given twice, not even when every unit has been pruned
    "CREATE TABLE unit (last INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, time_ms INTEGER NOT NULL,"
    " body BLOB NOT NULL)",
]
VERSION = 1
READ_AHEAD = 64
"""Units fetched at once: no read transaction stays open meanwhile, which would let the write-ahead log grow."""
PRUNED_AT_ONCE = 256
"""Units removed in one transaction: an append waits for one of them at most."""


def _readings(group: str, rows: list[list[Any]]) -> Readings:
    return Readings(group, tuple(Reading(stream, tuple(map(tuple, labels)), *rest) for stream, labels, *rest in rows))


def _forget(group: str, exclusion: list[Any]) -> Forget:
    stream, since_ms, until_ms = exclusion
    return Forget(group, Exclusion(stream=stream, since_ms=since_ms, until_ms=until_ms))


_KINDS: tuple[Callable[..., Event], ...] = (Message, Tick, ModelReady, _readings, _forget)
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


class SqliteJournal:
    """:class:`forecaster.ports.Journal` in a file.

    One thread appends; reading and pruning may happen from any other. Another process may open the same file
    ``read_only`` while this one writes.

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

    def append(self, events: Sequence[Event]) -> int:
        """Write and commit the events as one unit; the position of the last one. Nothing to write: as before."""
        last = self.last() + len(events)
        if events:
            row = (last, len(events), _time_ms(events), encode(events))
            with sqlite_errors(self.path, "append"):
                self._db.execute("INSERT INTO unit VALUES (?, ?, ?, ?)", row)
        return last

    def read(self, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """Units after a position, oldest first; of a unit that lies across it, the events after it.

        Raises
        ------
        StoreError
            At the first damaged unit, naming its position.
        """
        while True:
            with sqlite_errors(self.path, "read"):
                units = self._db.execute(
                    "SELECT last, body FROM unit WHERE last > ? ORDER BY last LIMIT ?", (after, READ_AHEAD)
                ).fetchall()
            if not units:
                return
            for last, body in units:
                try:
                    events = decode(body)
                except ValueError as error:
                    raise StoreError(
                        f"{self.path}: unit ending at position {last} {error}; move the file away to start without "
                        "the events that no snapshot includes"
                    ) from error
                yield last, events[max(0, after - last + len(events)) :]
                after = last

    def last(self) -> int:
        """Position of the last event ever written; 0 when there was none."""
        with sqlite_errors(self.path, "read"):
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'unit'").fetchone()
        return 0 if row is None else int(row[0])

    def before(self, time_ms: int) -> int:
        """Position up to which every unit is from before a time; 0 when the first one is not, or there is none."""
        # every unit is looked at, so on a connection of its own: appends do not wait for it
        with sqlite_errors(self.path, "read"), closing(connect(self.path, MIGRATIONS, read_only=True)) as db:
            row = db.execute(
                "SELECT max(last) FROM unit WHERE last < ifnull((SELECT min(last) FROM unit WHERE time_ms >= ?), ?)",
                (time_ms, 1 << 62),
            ).fetchone()
        return int(row[0] or 0)

    def prune(self, upto: int) -> None:
        """Forget whole units at or below a position. The file keeps its size and reuses the room."""
        with sqlite_errors(self.path, "prune"):
            while self._db.execute(
                "DELETE FROM unit WHERE last IN (SELECT last FROM unit WHERE last <= ? ORDER BY last LIMIT ?)",
                (upto, PRUNED_AT_ONCE),
            ).rowcount:
                pass

    def close(self) -> None:
        """Close the file. The journal cannot be used afterwards."""
        self._db.close()


def encode(events: Sequence[Event]) -> bytes:
    """Body of a unit, about 1 µs per message.

    Examples
    --------
    >>> decode(encode([Message("home/power", b"21.5", 1_772_366_400_000), Tick(1_772_366_400_001)]))[1]
    Tick(now_ms=1772366400001)
    """
    packed = _pack([_row(event) for event in events])
    return bytes([VERSION]) + crc32(packed).to_bytes(4, "big") + packed


def decode(body: bytes) -> list[Event]:
    """Events of a unit; a ModelReady comes without its predictor.

    Raises
    ------
    ValueError
        When the body is damaged or of an unknown version.
    """
    if body[:1] != bytes([VERSION]):
        raise ValueError(f"has format {body[:1].hex() or 'nothing'}, known is {VERSION}")
    packed = memoryview(body)[5:]
    if crc32(packed).to_bytes(4, "big") != body[1:5]:
        raise ValueError("is damaged (its checksum differs)")
    return [_KINDS[row[0]](*row[1:]) for row in _unpack(packed)]


def _row(event: Event) -> tuple[object, ...]:
    match event:
        case Message():
            known = event.topic, event.payload, event.received_ms, event.retained
            return 0, *known, event.identifier, event.redelivered
        case Tick():
            return 1, event.now_ms
        case ModelReady():
            return 2, event.group, event.version
        case Forget():
            return 4, event.group, astuple(event.exclusion)
        case Readings():
            return 3, event.group, [astuple(reading) for reading in event.readings]


def _time_ms(events: Sequence[Event]) -> int:
    """Time that the last event of the unit to have one carries; 0 when none does, as when a model was promoted."""
    for event in reversed(events):
        match event:
            case Message():
                return event.received_ms
            case Tick():
                return event.now_ms
            case Readings():
                return max(reading.time_ms for reading in event.readings)
    return 0
