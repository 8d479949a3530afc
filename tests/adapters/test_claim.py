"""A data directory belongs to one service at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecaster.adapters.claim import claim
from forecaster.errors import StoreError


def test_a_directory_is_claimed_once(tmp_path: Path) -> None:
    """By whoever comes first; made when it is not there; free again when given back."""
    directory = tmp_path / "new" / "data"
    first = claim(directory)
    with pytest.raises(StoreError, match=f"{directory}: another forecaster uses it; stop that one"):
        claim(directory)
    first.close()
    claim(directory).close()


def test_a_place_that_is_no_directory_is_said(tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match=str(tmp_path / "data")):
        claim(tmp_path / "data")
