"""Snapshot files: damage of any kind is noticed, and the one before is used."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters.snapshots import FileSnapshots, read, write
from forecaster.errors import StoreError

ARRAYS = {"state": np.arange(3, dtype=np.float32), "none": np.empty((0, 2)), "seen": np.array([True])}


@pytest.fixture
def snapshots(tmp_path: Path) -> FileSnapshots:
    return FileSnapshots(tmp_path)


def positions(snapshots: FileSnapshots) -> list[int]:
    return [position for position, _, _ in snapshots.newest()]


def test_a_change_of_any_byte_is_noticed(tmp_path: Path) -> None:
    """Be it in the header, in an array or in the checksum itself."""
    path = tmp_path / "1.snapshot"
    write(path, 7, ARRAYS, {"streams": ["a"]})
    whole = path.read_bytes()

    for index in range(len(whole)):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 0x10]) + whole[index + 1 :])
        with pytest.raises(ValueError, match=r"torn or changed|not a snapshot"):
            read(path)


def test_a_file_cut_anywhere_is_noticed(tmp_path: Path) -> None:
    """Also one that goes on after its end."""
    path = tmp_path / "1.snapshot"
    write(path, 7, ARRAYS, {"streams": ["a"]})
    whole = path.read_bytes()

    for torn in [*(whole[:length] for length in range(len(whole))), whole + b"\x00"]:
        path.write_bytes(torn)
        with pytest.raises(ValueError, match=r"torn or changed|not a snapshot"):
            read(path)


def test_a_broken_snapshot_is_skipped_with_a_warning(
    snapshots: FileSnapshots, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The one before it is used, and the operator is told which file it was."""
    for position in (1, 2):
        snapshots.save(position, ARRAYS, {})
    (tmp_path / "000002.snapshot").write_bytes(b"")

    with caplog.at_level(logging.WARNING):
        assert positions(snapshots) == [1]
    assert [record.getMessage() for record in caplog.records] == [
        f"snapshot skipped, trying the one before it file={tmp_path / '000002.snapshot'} "
        "reason=not a snapshot of this version"
    ]


def test_what_a_kill_left_behind_is_no_snapshot(snapshots: FileSnapshots, tmp_path: Path) -> None:
    """A half-written file has not got its name yet, and the next save removes it."""
    snapshots.save(1, ARRAYS, {})
    (tmp_path / ".000002.snapshot.123.tmp").write_bytes(b"half")

    assert positions(snapshots) == [1]
    snapshots.save(2, ARRAYS, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.snapshot", "000002.snapshot"]


def test_a_snapshot_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The directory lies below a file; the message says what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"000001\.snapshot: cannot write: .*; free space on that disk"):
        FileSnapshots(tmp_path / "file" / "snapshots").save(1, ARRAYS, {})


def test_python_objects_are_not_kept(snapshots: FileSnapshots, tmp_path: Path) -> None:
    """Reading them back could run code; nothing is left behind."""
    with pytest.raises(ValueError, match="array 'x' holds Python objects"):
        snapshots.save(1, {"x": np.array([object()])}, {})
    assert list(tmp_path.iterdir()) == []
