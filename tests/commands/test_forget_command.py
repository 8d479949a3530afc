"""``forecaster forget``: a stretch is written down."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters.exclusions import Exclusions
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.cli import main
from forecaster.errors import BadInput
from forecaster.ports import Columns
from forecaster.records import Series
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


def test_a_stream_that_nobody_knows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And so is a pattern that fits none; which there are is told."""
    config = tmp_path / "f.yaml"
    config.write_text(CONFIGURATION % (tmp_path / "data"))
    series = [Series(name=name, source=0, labels=()) for name in ("gas01", "water")]
    steps = Columns(series=np.arange(2, dtype=np.int32), start_ms=np.zeros(2, np.int64), values=np.ones(2))
    with closing(SqliteHistory(tmp_path / "data" / "history.db")) as history:
        history.append("household", series, steps)

    def said(stream: str) -> tuple[int, str]:
        span = ["--from", "2026-11-01", "--until", "2026-11-02"]
        code = main(["forget", "household", "--stream", stream, *span, "--config", str(config)])
        return code, capsys.readouterr().err.removeprefix("forecaster: ").strip()

    assert said("gas99") == (BadInput.exit_code, "no stream 'gas99' has been heard of; did you mean 'gas01'?")
    assert said("x*") == (BadInput.exit_code, "no stream 'x*' has been heard of; there are: gas01, water")
    assert Exclusions(tmp_path / "data").of(a_group()) == ()
    assert said("gas*") == (0, "")
