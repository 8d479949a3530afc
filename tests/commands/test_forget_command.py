"""``forecaster forget``: a stretch is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecaster.adapters.exclusions import Exclusions
from forecaster.cli import main
from forecaster.settings import Exclusion
from forecaster.testing import a_group, at

CONFIGURATION = """
mqtt: {url: mqtt://127.0.0.1:1}
data: %s
groups: {household: {streams: [{topic: "home/{home}"}], step: 1h, timezone: Europe/Vienna}}
"""


def test_a_day_is_one_of_the_group_and_written_down_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no offset is given; said in UTC."""
    config = tmp_path / "f.yaml"
    config.write_text(CONFIGURATION % (tmp_path / "data"))
    (tmp_path / "data").mkdir()
    span = ["--from", "2026-11-01", "--until", "2026-11-02"]

    for _ in range(2):
        assert main(["forget", "household", "--stream", "a", *span, "--config", str(config)]) == 0

    assert "2026-10-31T23:00:00Z to 2026-11-01T23:00:00Z" in capsys.readouterr().out
    first, last = at("2026-11-01T00:00+01:00"), at("2026-11-02T00:00+01:00")
    assert Exclusions(tmp_path / "data").of(a_group()) == (Exclusion(stream="a", since_ms=first, until_ms=last),)
