"""Bad messages in the log: one line per stream, reason and minute, with a count."""

from __future__ import annotations

import logging

from forecaster.ports import Clock
from forecaster.records import Reject

log = logging.getLogger(__name__)

EVERY_MS = 60_000
MOST = 1000
"""Streams and reasons told apart within a minute; beyond that only their number is logged."""


class Complaints:
    """Rejects since they were last logged."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_ms = clock.now_ms()
        self._counts: dict[tuple[str | None, str | None, str], int] = {}
        self._beyond = 0

    def add(self, reject: Reject) -> None:
        """Log the first of its kind at once, count the others."""
        key = (reject.group, reject.stream, reject.reason)
        if key in self._counts:
            self._counts[key] += 1
        elif len(self._counts) >= MOST:
            self._beyond += 1
        else:
            self._counts[key] = 0
            detail = f" {reject.detail}" if reject.detail else ""
            log.warning("message refused reason=%s group=%s stream=%s%s", reject.reason, *key[:2], detail)

    def tell(self) -> None:
        """Once a minute, say how many more there were."""
        now_ms = self._clock.now_ms()
        if 0 <= now_ms - self._since_ms < EVERY_MS:  # less than 0: the clock was set back
            return
        for (group, stream, reason), more in self._counts.items():
            if more:
                log.warning(
                    "messages refused in a minute more=%d reason=%s group=%s stream=%s", more, reason, group, stream
                )
        if self._beyond:
            log.warning("messages refused in a minute more=%d of further streams", self._beyond)
        self._since_ms, self._counts, self._beyond = now_ms, {}, 0
