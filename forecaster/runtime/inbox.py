"""The one way in: every thread puts its events here, the journal takes them out in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

from forecaster.pipeline.decode import MAX_PAYLOAD
from forecaster.records import Event, Message

Ack = Callable[[], None]


def no_ack() -> None:
    """For events nobody waits for."""


class Inbox:
    """A queue of events, each with what is to be called once it is durable."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Event, Ack]] = SimpleQueue()

    def put(self, event: Event, ack: Ack = no_ack) -> None:
        """Add an event; never blocks. Brokers hold back more themselves while acknowledgements are missing.

        Of a payload that is too large, only as much is kept as shows that it is: pictures would fill the journal.
        """
        if isinstance(event, Message) and len(event.payload) > MAX_PAYLOAD:
            event = replace(event, payload=event.payload[: MAX_PAYLOAD + 1])
        self._queue.put((event, ack))

    def take(self, most: int, timeout_s: float) -> list[tuple[Event, Ack]]:
        """All that is there, up to ``most``; waits for the first one, and returns nothing when none comes."""
        taken: list[tuple[Event, Ack]] = []
        try:
            taken.append(self._queue.get(timeout=timeout_s))
            while len(taken) < most:
                taken.append(self._queue.get_nowait())
        except Empty:
            pass
        return taken

    def __len__(self) -> int:
        """Events that wait."""
        return self._queue.qsize()
