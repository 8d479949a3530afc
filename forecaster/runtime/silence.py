"""Nothing came at all: said once, for a wrong topic looks like a quiet house."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from forecaster.ports import Clock

log = logging.getLogger(__name__)

AFTER_MS = 60_000


class Silence:
    """Tells, once, that nothing has arrived a minute after the broker began to listen to us.

    Parameters
    ----------
    filters
        Topic filters that are waited for.
    listening
        Whether the broker has accepted us; while it has not, the log says so already.
    received
        Messages that came so far.
    """

    def __init__(
        self, filters: Sequence[str], listening: Callable[[], bool], received: Callable[[], int], clock: Clock
    ) -> None:
        self._filters, self._listening, self._received, self._clock = filters, listening, received, clock
        self._since_ms: int | None = None
        self._over = False

    def tell(self) -> None:
        """To be called about once a second."""
        if self._over or not self._listening():
            return
        now_ms = self._clock.now_ms()
        if self._since_ms is None:
            self._since_ms = now_ms
        if self._received():
            self._over = True
        elif now_ms - self._since_ms >= AFTER_MS:
            self._over = True
            log.info("nothing has arrived yet; waiting for %s", ", ".join(self._filters))
