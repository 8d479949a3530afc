"""The journal in a file: what survives a kill, what another process sees, and what an error says."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from forecaster.adapters import sqlite, sqlite_journal
from forecaster.adapters.sqlite_journal import SqliteJournal, decode, encode
from forecaster.errors import StoreError
from forecaster.records import Event, Message, ModelReady, Tick
from forecaster.testing import at

WRITER = """
import sys
from pathlib import Path
from forecaster.adapters.sqlite_journal import SqliteJournal
from forecaster.records import Message

journal = SqliteJournal(Path(sys.argv[1]))
while True:
    last = journal.last()
    journal.append([Message("a", b"x" * 50, last + number) for number in range(1, 8)])
    print(journal.last(), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(path)) as opened:
        yield opened


def a_unit(first: int, count: int = 1) -> list[Event]:
    return [Message("a", b"x" * 50, first + number) for number in range(count)]


def test_every_acknowledged_unit_survives_a_kill(path: Path) -> None:
    """Killed in the middle of appends, the file holds all that was said to be durable, whole and in order."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        acknowledged = [writer.stdout.readline() for _ in range(100)]
        writer.kill()
        acknowledged += [line for line in writer.stdout if line.endswith("\n")]

    with closing(SqliteJournal(path)) as journal:
        found = [event.received_ms for _, unit in journal.read() for event in unit]
        assert journal.last() >= int(acknowledged[-1])
        assert found == list(range(1, journal.last() + 1))


def test_positions_go_on_after_a_restart(path: Path) -> None:
    """Also when everything has been pruned before it."""
    with closing(SqliteJournal(path)) as journal:
        journal.append(a_unit(1, 5))
        journal.prune(5)

    with closing(SqliteJournal(path)) as journal:
        assert (journal.last(), journal.append(a_unit(6))) == (5, 6)


def test_many_units_are_pruned_in_slices(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of units is not one long transaction, and all of them go."""
    monkeypatch.setattr(sqlite_journal, "PRUNED_AT_ONCE", 3)
    for number in range(1, 12):
        journal.append(a_unit(number))

    journal.prune(10)

    assert list(journal.read()) == [(11, a_unit(11))]


def test_another_process_reads_while_the_daemon_writes(path: Path, journal: SqliteJournal) -> None:
    """A read-only journal sees each unit as soon as it is committed, and cannot write."""
    journal.append(a_unit(1, 2))
    with closing(SqliteJournal(path, read_only=True)) as onlooker:
        journal.append(a_unit(3))

        assert list(onlooker.read()) == [(2, a_unit(1, 2)), (3, a_unit(3))]
        with pytest.raises(StoreError, match="cannot append: attempt to write a readonly database; let this user"):
            onlooker.append(a_unit(4))


def test_looking_on_makes_no_file(path: Path) -> None:
    """A mistyped path is told, not created."""
    with pytest.raises(StoreError, match=r"journal\.db: cannot open: .*; check that it exists"):
        SqliteJournal(path, read_only=True)
    assert not path.parent.exists()


def test_a_flipped_bit_is_noticed(path: Path, journal: SqliteJournal) -> None:
    """SQLite keeps no checksums, so the units do; those before the damaged one are still read."""
    journal.append(a_unit(1))
    journal.append(a_unit(2, 3))
    with closing(sqlite3.connect(path)) as db, db:
        (body,) = db.execute("SELECT body FROM unit WHERE last = 4").fetchone()
        db.execute("UPDATE unit SET body = ? WHERE last = 4", (body[:-1] + bytes([body[-1] ^ 1]),))

    units = journal.read()

    assert next(units) == (1, a_unit(1))
    with pytest.raises(StoreError, match=r"journal\.db: unit ending at position 4 is damaged"):
        next(units)


@pytest.mark.parametrize("body", [b"", b"\x02rest", b"\x01", b"\x01\x00\x00\x00\x00\x90"])
def test_a_body_of_another_kind_is_refused(body: bytes) -> None:
    """Empty, of a later version, torn, with another checksum."""
    with pytest.raises(ValueError, match=r"has format|is damaged"):
        decode(body)


def test_the_format_stays() -> None:
    """Units written by released versions must stay readable: version, CRC-32, and MessagePack by its specification."""
    events = [Message("a/b", b"\x00\xff", at("12:00"), False, 7, True), Tick(-1), ModelReady("g", "0001")]
    message = "97 00 a3 61 2f 62 c4 02 00 ff cf 00 00 01 9c a9 45 0a 00 c2 07 c3"
    body = bytes.fromhex(f"01 04 fa 8a 66 93 {message} 92 01 ff 93 02 a1 67 a4 30 30 30 31")

    assert encode(events) == body
    assert decode(body) == events


def test_a_full_disk_is_told_and_loses_nothing(path: Path, journal: SqliteJournal) -> None:
    """The append fails with what to do; what was committed stays readable, and there is no gap once there is room."""
    journal.append(a_unit(1))
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own way to be as good as full

    with pytest.raises(StoreError, match=r"journal\.db: cannot append: .* full; free space"):
        journal.append(a_unit(2, 1000))
    assert list(journal.read()) == [(1, a_unit(1))]

    journal._db.execute("PRAGMA max_page_count=1000000")
    assert journal.append(a_unit(2, 1000)) == 1001


def test_a_second_writer_is_told(path: Path, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process holds is waited for, but not for ever."""
    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="database is locked; another process is writing to it"):
            SqliteJournal(path)


def test_a_file_that_is_no_journal_is_told(path: Path) -> None:
    """Something else lies where the journal should."""
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)

    with pytest.raises(StoreError, match=r"journal\.db: cannot open: file is not a database; it is damaged; move"):
        SqliteJournal(path)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The data directory lies below a file."""
    (tmp_path / "data").write_text("")

    with pytest.raises(StoreError, match=r"journal\.db: cannot write: (File exists|Not a directory); free space"):
        SqliteJournal(tmp_path / "data" / "journal.db")


def test_a_file_of_a_newer_program_is_left_alone(path: Path, journal: SqliteJournal) -> None:
    """After a downgrade the schema may mean something we do not know."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")

    with pytest.raises(StoreError, match="schema version 99, this program writes 1; use the newer program"):
        SqliteJournal(path)
