"""What waited at the broker while we were away, and how we tell that all of it has come."""

from __future__ import annotations

import math
from collections.abc import Callable

QUIET_S = 1.0
"""Without any message for so long: nothing waits any more."""

STUCK_S = 5.0
"""What waits comes faster than it was measured. When measurements have not come closer to now for so long, they are
as late as they always are, and nothing waits any more."""

CLOSER_MS = 100


class Backlog:
    """Tells whether messages from before may still be coming; until then the clock must not close their steps.

    Parameters
    ----------
    connects
        Number of the present connection; 0: away.
    received
        Messages that came so far.
    lag_ms
        How far the newest measurement lies behind the clock.
    monotonic_s
        Seconds on a clock that nobody sets.
    """

    def __init__(
        self,
        connects: Callable[[], int],
        received: Callable[[], int],
        lag_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._connects, self._received, self._lag_ms, self._monotonic_s = connects, received, lag_ms, monotonic_s
        self._connection = self._count = 0
        self._least_ms = math.inf
        self._quiet_since_s = self._stuck_since_s = 0.0
        self._over = False

    def coming(self) -> bool:
        """Whether to wait; to be asked again and again."""
        now_s, connection = self._monotonic_s(), self._connects()
        if connection != self._connection:
            self._connection, self._over, self._least_ms = connection, False, math.inf
            self._quiet_since_s = self._stuck_since_s = now_s
        if connection == 0 or self._over:
            return not self._over
        count, lag_ms = self._received(), self._lag_ms()
        if count != self._count:
            self._count, self._quiet_since_s = count, now_s
        if lag_ms < self._least_ms - CLOSER_MS:
            self._least_ms, self._stuck_since_s = lag_ms, now_s
        self._over = now_s - self._quiet_since_s >= QUIET_S or now_s - self._stuck_since_s >= STUCK_S
        return not self._over
