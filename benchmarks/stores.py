"""What the stores cost on this disk: ``python -m benchmarks.stores [directory]``.

Writes ``benchmarks/results/stores.json`` and prints the same as a table. Wall times depend on how long the disk takes
to flush, which is measured beside them; CPU times are the process's own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from forecaster.adapters.snapshots import read, write
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.adapters.sqlite_journal import SqliteJournal, decode, encode
from forecaster.ports import Columns
from forecaster.records import Event, Message, Series

RESULT = Path(__file__).parent / "results" / "stores.json"
HOUR_MS = 3_600_000

Row = tuple[str, float, str]


def main() -> None:
    """Measure, print, write."""
    with TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        rows = [*flush(Path(folder)), *journal(Path(folder)), *history(Path(folder)), *snapshots(Path(folder))]
    for what, value, unit in rows:
        print(f"{what:<62}{value:>12,.2f} {unit}")
    RESULT.parent.mkdir(exist_ok=True)
    found = {what: {"value": round(value, 3), "unit": unit} for what, value, unit in rows}
    RESULT.write_text(json.dumps(found, indent=2) + "\n")


def flush(folder: Path) -> Iterator[Row]:
    """What the disk itself takes for 100 kB."""
    with (folder / "flushed").open("wb") as file:

        def once() -> None:
            file.write(bytes(100_000))
            file.flush()
            os.fsync(file.fileno())

        yield "disk: write and fsync 100 kB, wall", took(once, times=50)[0] * 1e3, "ms"


def journal(folder: Path) -> Iterator[Row]:
    """Messages of 93 bytes, in units of 100 and 1000."""
    for size in (100, 1000):
        payload = b'{"Time":"2026-03-01T12:00:00","ENERGY":{"Total":123.456}}'
        events: list[Event] = [Message(f"home/h{n}/meter/energy", payload, 1_772_366_400_000 + n) for n in range(size)]
        body = encode(events)
        per_message = 1e6 / size
        yield f"journal: encode, unit of {size}, CPU", took(encode, events, times=50)[1] * per_message, "µs/message"
        yield f"journal: decode, unit of {size}, CPU", took(decode, body, times=50)[1] * per_message, "µs/message"
        with closing(SqliteJournal(folder / f"journal{size}.db")) as opened:
            wall, cpu = took(opened.append, events, times=200)
            yield f"journal: append, unit of {size}, wall", wall * per_message, "µs/message"
            yield f"journal: append, unit of {size}, CPU", cpu * per_message, "µs/message"


def history(folder: Path) -> Iterator[Row]:
    """Step boundaries of many streams, and reading them back as training does."""
    for count in (1_000, 100_000):
        with closing(SqliteHistory(folder / f"history{count}.db")) as opened:
            known = series(count)
            first, _ = took(opened.append, "g", known, boundary(count, 0))
            again, _ = took(opened.append, "g", series(count), boundary(count, 1), times=20)
            yield f"history: first append of {count} new series, wall", first * 1e3, "ms"
            yield f"history: append, {count} streams at once, wall", again * 1e3, "ms"
            yield f"history: append, {count} streams at once", count / again, "rows/s"
    with closing(SqliteHistory(folder / "homes.db")) as opened:
        steps, streams = 17_520, 62
        opened.append(
            "g",
            series(streams),
            Columns(
                series=np.tile(np.arange(streams, dtype=np.int32), steps),
                start_ms=np.repeat(np.arange(steps, dtype=np.int64) * HOUR_MS, streams),
                values=np.zeros(steps * streams),
            ),
        )
        yield "history: read 62 streams × 17 520 steps, wall", took(opened.read, "g", times=3)[0] * 1e3, "ms"
    with closing(SqliteHistory(folder / "chunks.db")) as opened:
        known = series(100)
        for hour in range(10_000):
            opened.append("g", known, boundary(100, hour))
        yield "history: read 1 M rows in 10 000 chunks, wall", took(opened.read, "g", times=3)[0] * 1e3, "ms"
        yield "history: compact them, wall", took(opened.compact, "g")[0] * 1e3, "ms"
        yield "history: read 1 M rows after that, wall", took(opened.read, "g", times=3)[0] * 1e3, "ms"


def snapshots(folder: Path) -> Iterator[Row]:
    """State of 100 000 streams: hidden 64, window 64; 77 MB."""
    arrays = {"state": np.ones((100_000, 1, 1, 64), dtype=np.float32), "window": np.ones((100_000, 64))}
    path = folder / "1.snapshot"
    yield "snapshot: write 77 MB, wall", took(write, path, 1, arrays, {}, times=3)[0] * 1e3, "ms"
    yield "snapshot: read 77 MB, wall", took(read, path, times=3)[0] * 1e3, "ms"


def series(count: int) -> list[Series]:
    return [Series(name=f"h{n}/m", source=0, labels=(("home", f"h{n}"), ("meter", "m"))) for n in range(count)]


def boundary(count: int, hour: int) -> Columns:
    """Every stream closing one step."""
    start_ms = np.full(count, hour * HOUR_MS)
    return Columns(series=np.arange(count, dtype=np.int32), start_ms=start_ms, values=np.ones(count))


def took(action: Callable[..., object], *arguments: object, times: int = 1) -> tuple[float, float]:
    """Wall and CPU seconds of one call, mean of several."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        action(*arguments)
    return (time.perf_counter() - wall) / times, (time.process_time() - cpu) / times


if __name__ == "__main__":
    main()
