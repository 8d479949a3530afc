"""Telling a message that is delivered again from one that merely says the same.

At QoS 1 the broker sends again, marked so and under the same identifier, what was not acknowledged when a connection
or this process ended. Most of it is in the journal already. A reading that carries its own time is known by that; one
that does not would be counted twice, stamped with its second arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

import numpy as np

from forecaster.records import Array, Message

IDENTIFIERS = 65_536
RECALL = 32_768
"""Messages after which an identifier is taken to have been used anew: half of them, so that the two cannot meet."""


class Redelivery:
    """What was last received under each packet identifier of the session."""

    def __init__(self) -> None:
        self._digest = np.zeros(IDENTIFIERS, np.uint32)
        self._when = np.full(IDENTIFIERS, -RECALL, np.int64)
        self._count = 0

    def known(self, message: Message) -> bool:
        """Whether this delivery repeats one already taken; remembers it."""
        if message.identifier == 0:  # QoS 0 is never repeated
            return False
        digest = crc32(message.payload, crc32(message.topic.encode()))
        at = message.identifier
        repeated = message.redelivered and self._digest[at] == digest and bool(self._count - self._when[at] < RECALL)
        self._count += 1
        self._digest[at], self._when[at] = digest, self._count
        return repeated

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return {"digest": self._digest.copy(), "when": self._when.copy(), "count": np.array([self._count])}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._digest, self._when = state["digest"].copy(), state["when"].copy()
        self._count = int(state["count"][0])
