"""What commands say when there is nothing for them to work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecaster.cli import main
from forecaster.errors import StoreError

CONFIGURATION = """
mqtt: {url: mqtt://127.0.0.1:1}
data: %s
groups: {household: {streams: [{topic: "home/{home}"}], step: 1h}}
"""


@pytest.mark.parametrize(
    ("words", "otherwise"),
    [
        (["replay"], ""),
        (["backtest", "history"], ", or give a table"),
    ],
)
def test_nothing_stored_yet_is_said_with_what_to_do(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    otherwise: str,
) -> None:
    """In the words of a person who has not started the service, or not from this directory; not of a database."""
    config, data = tmp_path / "f.yaml", tmp_path / "data"
    config.write_text(CONFIGURATION % "data")
    monkeypatch.chdir(tmp_path)

    assert main([*words, "--config", str(config)]) == StoreError.exit_code

    told = capsys.readouterr().err
    assert told == f"forecaster: {data}: nothing is stored yet; start 'forecaster run' first{otherwise}\n"
