"""Whether anything was lost: what was sent against the journal and the history of a service that has ended."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.load.machine import GROUP
from benchmarks.load.plan import HOUR_MS, Plan
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.adapters.sqlite_journal import SqliteJournal
from forecaster.records import Message


def missing_from_journal(data: Path, sent: Iterable[tuple[str, bytes]]) -> int:
    """Messages sent that are not in the journal, byte for byte."""
    with closing(SqliteJournal(data / "journal.db", read_only=True)) as journal:
        found = {
            (event.topic, event.payload) for _, events in journal.read() for event in events if type(event) is Message
        }
    return sum(message not in found for message in sent)


def wrong_in_history(data: Path, plan: Plan, rounds: int, hours: int) -> int:
    """Steps whose value in the history is not what the messages said, missing ones included.

    Parameters
    ----------
    rounds
        Readings each stream had in virtual hour 0.
    hours
        Hours begun after it, the last of which is still open.
    """
    expected = plan.steps(rounds, hours)[:, :hours]  # (S, closed)
    with closing(SqliteHistory(data / "history.db", read_only=True)) as history:
        series, steps = history.read(GROUP)
    found = np.full(expected.shape, np.nan)
    numbers = np.array([int(one.name[1:]) for one in series])
    found[numbers[steps.series], (steps.start_ms - plan.start_ms) // HOUR_MS] = steps.values
    return int((~np.isclose(found, expected, rtol=1e-12)).sum())
