"""The history in a file: restarts, other readers, and chunks that are put together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters import sqlite_history
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.errors import StoreError
from forecaster.ports import Columns, History
from forecaster.records import Series
from forecaster.testing import MemoryHistory

SERIES = tuple(Series(name=f"home/{number}", source=0, labels=(("home", str(number)),)) for number in range(5))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def history(path: Path) -> Iterator[SqliteHistory]:
    with closing(SqliteHistory(path)) as opened:
        yield opened


def boundary(start_ms: int, value: float = 0.0) -> Columns:
    """All of ``SERIES`` closing one step."""
    return Columns(
        series=np.arange(5, dtype=np.int32), start_ms=np.full(5, start_ms), values=np.arange(5) + value + start_ms
    )


def chunks(path: Path) -> list[int]:
    """Rows of each chunk in the file."""
    with closing(sqlite3.connect(path)) as db:
        return [n for (n,) in db.execute("SELECT n FROM chunk ORDER BY id")]


def assert_same(one: History, other: History) -> None:
    for found, expected in zip(one.read("g"), other.read("g"), strict=True):
        if isinstance(found, tuple):
            assert found == expected
        else:
            np.testing.assert_array_equal(found.series, expected.series)
            np.testing.assert_array_equal(found.start_ms, expected.start_ms)
            np.testing.assert_array_equal(found.values, expected.values)


def test_history_survives_a_restart(path: Path) -> None:
    """Series keep their numbers, so that steps before and after belong together."""
    memory = MemoryHistory()
    for time in range(3):
        with closing(SqliteHistory(path)) as history:
            for one in (history, memory):
                one.append("g", SERIES[time:][::-1] + SERIES[:time], boundary(time))

    with closing(SqliteHistory(path)) as history:
        assert_same(history, memory)


def test_training_reads_while_the_daemon_writes(path: Path, history: SqliteHistory) -> None:
    """A read-only history sees what is committed, and cannot write."""
    history.append("g", SERIES, boundary(0))
    with closing(SqliteHistory(path, read_only=True)) as onlooker:
        history.append("g", SERIES, boundary(1))

        assert_same(onlooker, history)
        with pytest.raises(StoreError, match="cannot append: attempt to write a readonly database"):
            onlooker.append("g", SERIES, boundary(2))


def test_compacting_changes_nothing_that_is_read(
    path: Path, history: SqliteHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small chunks become large ones, in their place: replaced steps stay replaced, before and after."""
    monkeypatch.setattr(sqlite_history, "CHUNK_ROWS", 50)
    monkeypatch.setattr(sqlite_history, "MANY_CHUNKS", 10)
    memory = MemoryHistory()
    for time in range(25):
        for one in (history, memory):
            one.append("g", SERIES, boundary(time))
            one.append("g", SERIES, boundary(time // 2, value=100.0))  # replaces an older one

    history.compact("g")

    assert_same(history, memory)
    assert len(chunks(path)) == 5
    for one in (history, memory):
        one.append("g", SERIES, boundary(3, value=200.0))
    assert_same(history, memory)


def test_compacting_leaves_other_groups_and_few_chunks_alone(
    path: Path, history: SqliteHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of two groups lie among each other in the file."""
    monkeypatch.setattr(sqlite_history, "MANY_CHUNKS", 2)
    for time in range(3):
        history.append("g", SERIES, boundary(time))
        history.append("other", SERIES, boundary(time))

    history.compact("g")

    assert chunks(path) == [5, 5, 15, 5]
    np.testing.assert_array_equal(history.read("other")[1].start_ms, [0, 1, 2] * 5)


def test_a_large_import_is_written_in_pieces(
    path: Path, history: SqliteHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No chunk outgrows what is comfortable in memory."""
    monkeypatch.setattr(sqlite_history, "CHUNK_ROWS", 2)

    history.append("g", SERIES, boundary(7))

    assert chunks(path) == [2, 2, 1]
    np.testing.assert_array_equal(history.read("g")[1].values, np.arange(5) + 7.0)


def test_a_failed_append_leaves_nothing_behind(history: SqliteHistory) -> None:
    """Neither steps nor the names of series: the next append, with room again, is complete."""
    history.append("g", SERIES[:1], Columns(series=np.array([0]), start_ms=np.array([0]), values=np.array([1.0])))
    (pages,) = history._db.execute("PRAGMA page_count").fetchone()
    history._db.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own way to be as good as full
    many = Columns(series=np.arange(5000) % 5, start_ms=np.arange(5000), values=np.zeros(5000))

    with pytest.raises(StoreError, match=r"history\.db: cannot append: .* full; free space"):
        history.append("g", SERIES, many)
    assert history.read("g")[0] == SERIES[:1]

    history._db.execute("PRAGMA max_page_count=1000000")
    history.append("g", SERIES, many)
    assert history.read("g")[0] == SERIES
