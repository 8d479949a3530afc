"""Training in a process of its own, so that it can be slow, hungry, crash or be killed without the forecasts noticing.

In a thread beside the engine, training took the 99th percentile of sensor-to-forecast from 8 to 249 ms. The child is
``forecaster train`` as a person would start it, but told the settings of its group on its input: the configuration
file may have changed since the service has read it. It reads the history and leaves a model in the registry. It says
how far it is in JSON lines on its output: lines of :class:`forecaster.ports.Progress`, then one with the outcome.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from forecaster.adapters.resources import ONE_THREAD
from forecaster.ports import Card, ModelRegistry, Outcome, Progress
from forecaster.settings import Group

log = logging.getLogger(__name__)

LAST_LINES = 15
STOPPING = "the service stops"


def command_line(data: Path) -> Callable[[str], list[str]]:
    """What to start to train a group of the service whose data directory this is."""
    return lambda group: [
        *(sys.executable, "-m", "forecaster", "train", group),
        *("--service", str(data), "--progress", "json"),
    ]


class ChildTrainer:
    """:class:`forecaster.ports.Trainer` that starts a child process for each training, one at a time.

    Parameters
    ----------
    command
        The words to start for a group; see :func:`command_line`.
    models
        Where the child leaves its model; its card is read there.
    grace_s
        Time allowed beside twice the budget of the group, for reading, scoring and writing.
    """

    def __init__(
        self, command: Callable[[str], Sequence[str]], models: ModelRegistry, *, grace_s: float = 60.0
    ) -> None:
        self._command = command
        self._models = models
        self._grace_s = grace_s
        self._one_at_a_time = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._stopped = False

    def train(self, group: Group, progress: Callable[[Progress], None]) -> tuple[Outcome, str, Card | None]:
        """Train, judge, save; blocks until the child has ended or was killed.

        Returns
        -------
        outcome, why, card
            ``promoted`` or ``rejected`` with the card of the model; ``skipped``, ``failed`` or ``timeout`` without.
        """
        limit_s = 2 * group.training.budget_s + self._grace_s
        with self._one_at_a_time, tempfile.TemporaryFile() as complaints:
            if self._stopped:
                return "failed", STOPPING, None
            try:
                child = self._start(group, complaints)
            except OSError as error:
                log.error("training did not start group=%s reason=%s", group.name, error)
                return "failed", str(error), None
            alarm = Alarm(limit_s, child)
            try:
                last = self._follow(child, progress)
                child.wait()
            finally:
                alarm.cancel()
                kill(child)
                child.wait()
                self._child = None
            if alarm.rang:
                log.warning("training killed, it took too long group=%s limit_s=%.0f", group.name, limit_s)
                return "timeout", f"killed after {limit_s:.0f} s", None
            if child.returncode != 0 or "outcome" not in last:
                reason = STOPPING if self._stopped else how_it_ended(child.returncode)
                if not self._stopped:
                    log.error("training failed group=%s ended=%s\n%s", group.name, reason, _tail(complaints))
                return "failed", reason, None
            return str(last["outcome"]), str(last.get("verdict", "")), self._card(group.name, last.get("version"))

    def stop(self) -> None:
        """Kill a training that runs, and start no other."""
        self._stopped = True
        if (child := self._child) is not None:
            kill(child)

    def _start(self, group: Group, complaints: IO[bytes]) -> subprocess.Popen[str]:
        with tempfile.TemporaryFile() as told:  # files: a pipe nobody reads would fill and stop one of us
            told.write(msgspec.json.encode(group))
            told.seek(0)
            child = subprocess.Popen(
                self._command(group.name),
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,  # a group of its own, killed as one; Ctrl-C reaches only us
                env={**os.environ, **ONE_THREAD},
                encoding="utf-8",
                errors="replace",
            )
        self._child = child
        if self._stopped:  # between the look at the flag and the start
            kill(child)
        return child

    def _follow(self, child: subprocess.Popen[str], progress: Callable[[Progress], None]) -> Mapping[str, object]:
        """Pass progress on until the output ends; the last line that tells an outcome."""
        last: Mapping[str, object] = {}
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                match said(line):
                    case Progress() as step:
                        progress(step)
                    case dict() as outcome:
                        last = outcome
                    case None:
                        pass  # printed by some library
        return last

    def _card(self, group: str, version: object) -> Card | None:
        return next((card for card in self._models.cards(group) if card.version == version), None)


class Alarm:
    """Kills a child that runs too long."""

    def __init__(self, limit_s: float, child: subprocess.Popen[str]) -> None:
        self.rang = False
        self._child = child
        self._timer = threading.Timer(limit_s, self._ring)
        self._timer.start()

    def cancel(self) -> None:
        """The child ended in time, or there is no need to wait any longer."""
        self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        kill(self._child)


def said(line: str) -> Progress | dict[str, object] | None:
    """A line of the child: progress, an outcome, or None when it is neither.

    >>> said('{"fraction": 0.5, "loss": 0.1, "seconds_left": 3}')
    Progress(fraction=0.5, loss=0.1, seconds_left=3.0, note='')
    >>> said('{"outcome": "skipped", "verdict": "too little history"}')
    {'outcome': 'skipped', 'verdict': 'too little history'}
    >>> said("a stray print")
    """
    try:
        match json.loads(line):
            case {"outcome": str()} as outcome:
                return outcome
            case {"fraction": float() | int() as fraction, **rest}:
                return Progress(
                    fraction=float(fraction),
                    loss=_number(rest.get("loss")),
                    seconds_left=_number(rest.get("seconds_left")),
                    note=str(rest.get("note", "")),
                )
    except ValueError:
        pass
    return None


def how_it_ended(code: int) -> str:
    """An exit status in words.

    >>> how_it_ended(75), how_it_ended(-9)
    ('exit code 75', 'SIGKILL (out of memory?)')
    """
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name + (" (out of memory?)" if -code == signal.SIGKILL else "")


def kill(child: subprocess.Popen[str]) -> None:
    """End the child and whatever it started, at once; nothing when it has ended."""
    if child.poll() is None:
        with suppress(ProcessLookupError):  # ended just now
            os.killpg(child.pid, signal.SIGKILL)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _tail(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return "\n".join(complaints.read().decode(errors="replace").splitlines()[-LAST_LINES:])
