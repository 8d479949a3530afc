"""What ``check`` and ``schema`` say about a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forecaster.cli import main

GOOD = """\
mqtt: {url: mqtt://broker.home:1883}
groups:
  household:
    streams: [{topic: "home/{home}/energy"}]
    step: 1h
    horizon: 48
    season: [24, 168]
    lookback: 336
    covariates: [{topic: "weather/{home}/temperature", known: future}]
  plant:
    streams: [{topic: plant/power}]
    step: 15m
    horizon: 96
    season: []
    lookback: 64
    network: {cell: lstm, layers: 2, hidden: 128}
"""

ALL_IS_WELL = """\
{path}: no problems; 2 groups, broker mqtt://broker.home:1883
group      step  horizon  seasons  lookback  network
household  1h    48       24, 168  336       gru 1 × 64
  ← home/{{home}}/energy
  ← weather/{{home}}/temperature (future)
plant      15m   96       none     64        lstm 2 × 128
  ← plant/power
"""


def test_a_good_configuration_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says so, then what each group will do."""
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)

    assert main(["check", str(path)], {}) == 0
    assert capsys.readouterr().out == ALL_IS_WELL.format(path=path)


def test_every_problem_is_a_line_as_compilers_write_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File, line, key, what was found and what was meant; exit code 78."""
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace("step: 15m", "stpe: 15m").replace("lstm", "lstn"))

    assert main(["check", str(path)], {}) == 78
    lines = capsys.readouterr().out.splitlines()
    assert f"{path}:12: groups.plant.stpe: unknown key; did you mean 'step'?" in lines
    assert lines[-1] == f"{len(lines) - 1} problems"
    assert all(line.startswith(f"{path}:") for line in lines[:-1])


def test_a_missing_file_is_a_problem_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, the same exit code."""
    path = tmp_path / "none.yaml"

    assert main(["check", str(path)], {}) == 78
    assert capsys.readouterr().out.startswith(f"{path}: no such file")


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For editors."""
    assert main(["schema"], {}) == 0
    assert json.loads(capsys.readouterr().out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
