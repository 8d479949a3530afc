"""The thread that makes things durable: events into the journal before they are acknowledged, steps into history."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event as Flag

from forecaster.errors import StoreError
from forecaster.ports import History, Journal
from forecaster.records import Event
from forecaster.runtime.history_buffer import HistoryWrite
from forecaster.runtime.inbox import Inbox

log = logging.getLogger(__name__)

UNIT = 1000
"""Most events committed, acknowledged and handled as one."""

IDLE_S = 0.1
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Unit:
    """Events that are durable, and the journal position of the last one."""

    position: int
    events: list[Event]


class Writer:
    """Takes events from the inbox, commits, acknowledges, and hands them on to the engine.

    While the disk refuses, nothing is acknowledged and nothing handed on; it is tried again every second.

    Parameters
    ----------
    forward
        Takes each committed unit.

    Attributes
    ----------
    refused
        The disk did not take what was given to it last.
    """

    def __init__(self, inbox: Inbox, journal: Journal, history: History, forward: Callable[[Unit], None]) -> None:
        self._inbox, self._journal, self._history, self._forward = inbox, journal, history, forward
        self._writes: SimpleQueue[tuple[HistoryWrite | None, Future[None] | None]] = SimpleQueue()
        self._stop = Flag()
        self._ended = False
        self.refused = False

    def run(self) -> None:
        """Work until stopped and drained; the body of the thread."""
        try:
            self._work()
        finally:
            self._ended = True
            self._cancel_writes()

    def _work(self) -> None:
        while True:
            stopping = self._stop.is_set()
            taken = self._inbox.take(UNIT, 0.0 if stopping else IDLE_S)
            if taken:
                events = [event for event, _ in taken]
                if not self._insist(partial(self._commit, events)):
                    return
                for _, ack in taken:
                    ack()
            self._write_history()
            if stopping and not taken:
                return

    def write(self, steps: list[HistoryWrite]) -> Future[None]:
        """Queue steps for the history; the future is done when they, and all before them, are durable.

        It is cancelled when the writer ends before that.
        """
        written: Future[None] = Future()
        for one in steps:
            self._writes.put((one, None))
        self._writes.put((None, written))
        if self._ended:
            self._cancel_writes()
        return written

    def stop(self) -> None:
        """Let :meth:`run` return once the inbox is empty and all is written."""
        self._stop.set()

    def _commit(self, events: list[Event]) -> None:
        self._forward(Unit(self._journal.append(events), events))

    def _write_history(self) -> None:
        while True:
            try:
                write, done = self._writes.get_nowait()
            except Empty:
                return
            if write is not None and not self._insist(
                partial(self._history.append, write.group, write.series, write.steps)
            ):
                return
            if done is not None:
                done.set_result(None)

    def _cancel_writes(self) -> None:
        with suppress(Empty):
            while True:
                _, done = self._writes.get_nowait()
                if done is not None:
                    done.cancel()

    def _insist(self, store: Callable[[], None]) -> bool:
        """Try until the disk takes it; False when we are stopping and it still does not."""
        while True:
            try:
                store()
            except StoreError as error:
                self.refused = True
                log.error("cannot write, will try again every second: %s", error)
                if self._stop.wait(RETRY_S):
                    return False
            else:
                self.refused = False
                return True
