"""Files that appear whole or not at all, also when the power fails in the middle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from forecaster.errors import StoreError

TEMPORARY = ".*.tmp"
"""Pattern of names that a write cut short may leave behind."""


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when all of it is on disk.

    Raises
    ------
    StoreError
        When the disk is full, or the directory cannot be written. The old file of that name is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_directory(path.parent)
    finally:
        with suppress(OSError):  # mostly renamed by now; what is left counts for nothing
            temporary.unlink()


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a StoreError that names the path and what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: cannot write: {error.strerror or error}; free space on that disk, "
            f"and let this user write to {path.parent}"
        ) from error


def sync_directory(directory: Path) -> None:
    """Make renames in a directory durable: a file's own fsync does not cover its name."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
