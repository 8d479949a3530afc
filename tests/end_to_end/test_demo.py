"""The first command anyone types."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def demo(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    """The demo as a process of its own, its output in a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "forecaster", "demo", "--homes", "2", "--keep", str(tmp_path / "demo"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_demo_ends_by_itself_with_a_summary(tmp_path: Path) -> None:
    """Forecasts were published: exit code 0, and a line that says how many."""
    process = demo(tmp_path, "--seconds", "10")
    said, complaints = process.communicate(timeout=100)
    assert process.returncode == 0, complaints
    assert "forecasts of 24 hours published" in " ".join(said.split())
    assert "http://127.0.0.1:" in said


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    """The summary comes all the same, and no process of the demo is left."""
    process = demo(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("readings="):
            break
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode in (0, 1), complaints
    assert "seen" in said
    deadline = time.monotonic() + 10
    while (left := processes(str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def processes(words: str) -> list[str]:
    """Command lines and environments of running processes that mention some words."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and int(directory.name) != os.getpid():
            try:
                told = (directory / "cmdline").read_bytes() + (directory / "environ").read_bytes()
            except OSError:
                continue
            if words.encode() in told and b"forecaster" in told:
                found.append(directory.name)
    return found
