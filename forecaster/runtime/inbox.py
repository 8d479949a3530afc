"""The one way in: every thread puts its events here, the journal takes them out in order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

from forecaster.pipeline.decode import MAX_PAYLOAD
from forecaster.records import Event, Message

log = logging.getLogger(__name__)

MOST = 128 * 1024 * 1024
"""Bytes of waiting messages beyond which those without a need for acknowledgement are dropped: some 300 000."""

OBJECTS = 400
"""Bytes of a waiting message beside topic and payload."""

Ack = Callable[[], None]


def no_ack() -> None:
    """For events nobody waits for."""


class Inbox:
    """A queue of events, each with what is to be called once it is durable.

    Attributes
    ----------
    dropped
        Messages lost because too much waited.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._dropping = False
        self._in = self._out = 0  # bytes of messages, each counted by the one thread that puts and that takes them
        self._queue: SimpleQueue[tuple[Event, Ack]] = SimpleQueue()

    def put(self, event: Event, ack: Ack = no_ack) -> None:
        """Add an event; never blocks. Brokers hold back more themselves while acknowledgements are missing.

        They do not with QoS 0: while the disk refuses, and :data:`MOST` waits, what comes so is dropped. Of a payload
        that is too large, only as much is kept as shows that it is: pictures would fill the journal.
        """
        if isinstance(event, Message):
            if len(event.payload) > MAX_PAYLOAD:
                event = replace(event, payload=event.payload[: MAX_PAYLOAD + 1])
            if event.identifier == 0 and self._full():
                self.dropped += 1
                return
            self._in += _size(event)
        self._queue.put((event, ack))

    def _full(self) -> bool:
        """Whether too much waits; the log says when that begins and ends."""
        full = self._in - self._out > MOST
        if full and not self._dropping:
            log.error("too many messages wait for the disk, those sent with QoS 0 are dropped from now on")
        elif self._dropping and not full:
            log.warning("messages sent with QoS 0 are taken again, dropped since the start=%d", self.dropped)
        self._dropping = full
        return full

    def take(self, most: int, timeout_s: float) -> list[tuple[Event, Ack]]:
        """All that is there, up to ``most``; waits for the first one, and returns nothing when none comes."""
        taken: list[tuple[Event, Ack]] = []
        try:
            taken.append(self._queue.get(timeout=timeout_s))
            while len(taken) < most:
                taken.append(self._queue.get_nowait())
        except Empty:
            pass
        self._out += sum(_size(event) for event, _ in taken if isinstance(event, Message))
        return taken

    def __len__(self) -> int:
        """Events that wait."""
        return self._queue.qsize()


def _size(message: Message) -> int:
    return OBJECTS + len(message.topic) + len(message.payload)
