"""Starts ``forecaster`` commands without waiting for their imports: torch alone takes seconds.

A process that has imported everything waits for orders, and becomes the command when one comes, by fork. What runs
then is a process like any other: its own signals, files, threads and end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from servers import eventually

WAITING = Path(__file__).with_name("waiting.py")


class Launcher:
    """The process that waits, and what it has become."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WAITING)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, arguments: Sequence[str], log: Path) -> int:
        """Run ``forecaster`` with these arguments, its output added to a file; the process id."""
        return int(self._order(start=list(arguments), log=str(log)))

    def exit_code(self, pid: int, timeout_s: float = 30.0) -> int:
        """How a process ended; negative: killed by that signal."""
        return int(eventually(lambda: self._order(poll=pid), timeout_s, f"end of process {pid}"))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _order(self, **order: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
