"""Stretches to be forgotten are written down and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecaster.adapters.exclusions import Exclusions
from forecaster.errors import StoreError
from forecaster.settings import Exclusion
from forecaster.testing import a_group, at

MORNING = Exclusion(stream="a/*", since_ms=at("06:00"), until_ms=at("09:00"))
EVENING = Exclusion(stream="b", since_ms=at("18:00"), until_ms=at("19:00"))


def test_what_is_told_is_found_beside_the_configuration(tmp_path: Path) -> None:
    """Those of the group only; none without a file."""
    group, other = a_group(exclude=(EVENING,)), a_group(name="other")
    exclusions = Exclusions(tmp_path)
    assert exclusions.of(group) == (EVENING,)

    exclusions.add("household", MORNING)

    assert Exclusions(tmp_path).of(group) == (EVENING, MORNING)
    assert Exclusions(tmp_path).of(other) == ()


@pytest.mark.parametrize(
    "content",
    [
        *("[{", "{}", "3", '"text"', "[3]", '["text"]', "[null]", '[{"group": "household"}]'),
        '[{"group": "household", "stream": "a", "since": "yesterday", "until": "2026-03-01"}]',
        '[{"group": "household", "stream": "a", "since": 0, "until": 1}]',
    ],
)
def test_a_broken_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    """Somebody edited it by hand."""
    (tmp_path / "exclusions.json").write_text(content)
    with pytest.raises(StoreError, match=r"exclusions\.json: cannot be read .* mend it or move it away"):
        Exclusions(tmp_path).of(a_group())
