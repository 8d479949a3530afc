"""What the SQLite stores share: opening a file, transactions, and errors a person can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from forecaster.adapters.files import write_errors
from forecaster.errors import StoreError

ADVICE = {
    "SQLITE_FULL": "free space on that disk",
    "SQLITE_IOERR": "check that disk: free space, health, whether it is still mounted",
    "SQLITE_BUSY": "another process is writing to it; run one daemon per data directory",
    "SQLITE_LOCKED": "another process is writing to it; run one daemon per data directory",
    "SQLITE_CONSTRAINT": "another process is writing to it; run one daemon per data directory",
    "SQLITE_CANTOPEN": "check that it exists and that this user may write to its directory",
    "SQLITE_PERM": "let this user write to it and to its directory",
    "SQLITE_READONLY": "let this user write to it and to its directory",
    "SQLITE_NOTADB": "it is damaged; move it away and start again",
    "SQLITE_CORRUPT": "it is damaged; move it away and start again",
}
"""What to do, by SQLite's own name of the error."""

BUSY_S = 30.0
"""Longest wait for another process that writes; each of our own transactions takes well under a second."""


def connect(path: Path, migrations: Sequence[str], *, read_only: bool = False) -> sqlite3.Connection:
    """Open a database file, made or brought up to date when it may be written.

    Every commit is on disk when it returns (write-ahead log, ``synchronous=FULL``), and others may read meanwhile.
    Statements outside :func:`transaction` commit by themselves, so that threads may share the connection for them.

    Parameters
    ----------
    migrations
        SQL, one script per version of the schema. The file says how many it has seen (``user_version``).
    read_only
        For another process that looks on while the daemon writes; changes nothing.

    Raises
    ------
    StoreError
        When it cannot be opened, is no database, or has the schema of another version of this program.
    """
    if not read_only:
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite_errors(path, "open"):
        target = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        db = sqlite3.connect(target, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            if not read_only:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                with transaction(db):
                    _migrate(db, migrations)
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != len(migrations):
                raise StoreError(
                    f"{path}: schema version {version}, this program writes {len(migrations)}; "
                    + ("use the newer program" if version > len(migrations) else "start the daemon once to update it")
                )
        except (sqlite3.Error, StoreError):
            db.close()
            raise
    return db


def _migrate(db: sqlite3.Connection, migrations: Sequence[str]) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(migrations[version:], start=version + 1):
        for statement in script.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version={number}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All statements of the block, or none. Only for a connection that no other thread uses meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


@contextmanager
def sqlite_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn an SQLite error of the block into a StoreError that names the path and what to do.

    Using a closed connection is a bug of ours, and passes through as what it is.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        kind = "_".join(name.split("_")[:2])
        raise StoreError(f"{path}: cannot {doing}: {error}; {ADVICE.get(kind, name)}") from error
