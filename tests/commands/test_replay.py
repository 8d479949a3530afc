"""``forecaster replay``: what would have been published, from the journal."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.adapters.sqlite_journal import SqliteJournal
from forecaster.cli import main
from forecaster.errors import BadInput
from forecaster.records import Message
from forecaster.testing import at

CONFIGURATION = """
mqtt: {url: mqtt://127.0.0.1:1}
data: %s
clock: events
publish: {prefix: home/forecasts}
groups:
  household:
    streams: [{topic: "sensor/{home}/{meter}", value: $.v, time: $.t}]
    step: 1h
    horizon: 2
    season: []
    lateness: 0s
"""


def test_one_stream_is_printed_whatever_the_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name as it is published, levels and all; one that nobody knows is refused."""
    config = tmp_path / "f.yaml"
    config.write_text(CONFIGURATION % tmp_path)
    SqliteHistory(tmp_path / "history.db").close()
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        for hour in range(30):
            time_ms = at("2026-03-01T00:00") + 3_600_000 * hour
            for meter in ("a/1", "b/1"):
                journal.append([Message(f"sensor/{meter}", b'{"v": %d, "t": %d}' % (hour, time_ms), time_ms)])

    assert main(["replay", "--stream", "a/1", "--config", str(config)]) == 0

    topics = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert topics == {"home/forecasts/household/a/1/forecast"}

    assert main(["replay", "--stream", "nope", "--config", str(config)]) == BadInput.exit_code
    assert "no stream 'nope' has been heard of; there are: a/1, b/1" in capsys.readouterr().err
