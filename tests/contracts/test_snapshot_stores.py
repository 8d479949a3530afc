"""What every store of snapshots promises: the one in files, and the one for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters.snapshots import FileSnapshots
from forecaster.ports import Snapshots
from forecaster.testing import MemorySnapshots


@pytest.fixture(params=["files", "memory"])
def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshots:
    return MemorySnapshots(keep=2) if request.param == "memory" else FileSnapshots(tmp_path / "snapshots", keep=2)


def test_a_new_store_has_none(snapshots: Snapshots) -> None:
    """The first start finds no snapshot and no error."""
    assert list(snapshots.newest()) == []


def test_state_comes_back_as_it_was(snapshots: Snapshots) -> None:
    """Any shape and type of number, also nothing at all of it, and views that are not in one piece."""
    arrays = {
        "state": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        "window": np.array([[np.nan, -0.0, np.inf]]),
        "observed": np.array([True, False]),
        "starts": np.array([-(2**62), 2**62])[::-1],
        "no streams": np.empty((0, 1, 2, 8), dtype=np.float32),
        "count": np.array(7, dtype=np.int32),
    }
    meta = {"streams": ["kitchen", "büro"], "models": {"household": "0007"}, "score": 0.1, "none": None}

    snapshots.save(42, arrays, meta)
    [(position, found, told)] = snapshots.newest()

    assert (position, told) == (42, meta)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_the_newest_few_are_kept(snapshots: Snapshots) -> None:
    """Newest means last saved: after the journal was removed, positions begin again at 1."""
    for position in (100, 200, 7):
        snapshots.save(position, {}, {})

    assert [position for position, _, _ in snapshots.newest()] == [7, 200]


def test_a_snapshot_shares_nothing_with_the_engine(snapshots: Snapshots) -> None:
    """State moves on after it was saved, and after it was loaded."""
    state = np.zeros(2)
    snapshots.save(1, {"state": state}, {})
    state += 1
    for _, arrays, _ in snapshots.newest():
        arrays["state"] += 1

    [(_, arrays, _)] = snapshots.newest()

    np.testing.assert_array_equal(arrays["state"], [0.0, 0.0])
