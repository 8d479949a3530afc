"""Snapshots of the engine's state: one file each, written whole, checked when read.

A file is: ``MAGIC``, the length of the header (8 bytes), the header as MessagePack (position, meta, and name, dtype
and shape of each array), a BLAKE2b checksum of all before it, the arrays' bytes behind one another, and a checksum
of all before it again: the first tells whether the sizes can be believed. Arrays are written and read in place: no
second copy of the state in memory, and nothing in a file can run code.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np

from forecaster.adapters.files import TEMPORARY, whole_file, write_errors
from forecaster.records import Array

log = logging.getLogger(__name__)

MAGIC = b"forecaster snapshot 1\n"
DIGEST_BYTES = 32
SLICE = 16 << 20
"""Bytes flushed to the disk at once: the journal's commits wait for one of them at most, and not for all."""

Snapshot = tuple[int, dict[str, Array], dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    position: int
    meta: dict[str, object]
    arrays: list[tuple[str, str, tuple[int, ...]]]


class FileSnapshots:
    """:class:`forecaster.ports.Snapshots` in a directory, the newest ``keep`` files of it.

    Files are numbered as they are written, so the newest is the last written, whatever position it names.

    Raises
    ------
    StoreError
        When a snapshot cannot be written: names the path and what to do. The older ones are kept then.
    """

    def __init__(self, directory: Path, keep: int = 3) -> None:
        self.directory = directory
        self.keep = keep

    def save(self, position: int, arrays: Mapping[str, Array], meta: Mapping[str, object]) -> None:
        """Write atomically; it includes all events up to ``position``.

        Parameters
        ----------
        arrays
            Of any shape, none of Python objects.
        meta
            Plain JSON values; tuples come back as lists.
        """
        files = self._files()
        number = int(files[-1].stem) + 1 if files else 1
        self._clear(files[: -self.keep])
        path = self.directory / f"{number:06d}.snapshot"
        write(path, position, arrays, meta)
        self._clear([*files, path][: -self.keep])

    def newest(self) -> Iterator[Snapshot]:
        """Valid snapshots, newest first: position, arrays, meta. Broken ones are skipped with a warning."""
        for path in reversed(self._files()):
            try:
                snapshot = read(path)
            except (ValueError, OSError) as error:
                log.warning("snapshot skipped, trying the one before it file=%s reason=%s", path, error)
            else:
                yield snapshot

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("[0-9]*.snapshot"), key=lambda path: int(path.stem))

    def _clear(self, old: list[Path]) -> None:
        """Remove old snapshots, and what a write cut short has left behind."""
        with write_errors(self.directory):
            for path in [*old, *self.directory.glob(TEMPORARY)]:
                path.unlink(missing_ok=True)


def write(path: Path, position: int, arrays: Mapping[str, Array], meta: Mapping[str, object]) -> None:
    """Write a snapshot file.

    Raises
    ------
    StoreError
        When the disk does not take it.
    ValueError
        When an array holds Python objects.
    """
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in whole.items():
        if array.dtype.hasobject:
            raise ValueError(f"array {name!r} holds Python objects, which a snapshot does not keep")
    header = msgspec.msgpack.encode(
        _Header(
            position=position,
            meta=dict(meta),
            arrays=[(name, array.dtype.str, array.shape) for name, array in whole.items()],
        )
    )
    digest = blake2b(digest_size=DIGEST_BYTES)
    digest = blake2b(digest_size=DIGEST_BYTES)
    start = MAGIC + len(header).to_bytes(8, "big") + header
    digest.update(start)
    with whole_file(path) as file:
        file.write(start + digest.digest())
        for array in whole.values():
            for content in _slices(_bytes_of(array)):
                digest.update(content)
                file.write(content)
                if len(content) == SLICE:
                    file.flush()
                    os.fsync(file.fileno())
        file.write(digest.digest())


def read(path: Path) -> Snapshot:
    """Position, arrays and meta of a snapshot file.

    Raises
    ------
    ValueError
        When the file is torn, changed, or no snapshot.
    OSError
        When it cannot be read.
    """
    digest = blake2b(digest_size=DIGEST_BYTES)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(MAGIC) + 8)
        if not start.startswith(MAGIC):
            raise ValueError("not a snapshot of this version")
        packed = file.read(min(size, int.from_bytes(start[len(MAGIC) :], "big")))
        digest.update(start + packed)
        _check(file.read(DIGEST_BYTES), digest.digest())
        header = msgspec.msgpack.decode(packed, type=_Header)
        arrays = {name: np.empty(shape, dtype) for name, dtype, shape in header.arrays}
        for array in arrays.values():
            content = _bytes_of(array)
            file.readinto(content)
            digest.update(content)
        _check(file.read(), digest.digest())
    return header.position, arrays, header.meta


def _check(found: bytes, expected: bytes) -> None:
    if found != expected:
        raise ValueError("torn or changed: the checksum differs")


def _slices(content: memoryview) -> Iterator[memoryview]:
    return (content[at : at + SLICE] for at in range(0, len(content), SLICE))


def _bytes_of(array: Array) -> memoryview:
    """The memory of a C-ordered array, not copied; works for no dimensions and for none of anything."""
    return array.reshape(-1).view(np.uint8).data
