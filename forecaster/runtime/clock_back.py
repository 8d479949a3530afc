"""Time has passed that the clock says is yet to come: it was ahead, and all that comes until then is late."""

from __future__ import annotations

import logging
from collections.abc import Callable

from forecaster.pipeline.times import rfc3339
from forecaster.ports import Clock

log = logging.getLogger(__name__)

FAR_MS = 60_000
"""What clocks are put right by now and then is less, and soon over."""


class ClockBack:
    """Tells when the engine's time is ahead of the clock; once until the clock has come up with it.

    It is not mended: which of the two is wrong nobody here knows, and a clock that is behind after a boot without
    network must not cost the state. Operators find in ``docs/operations.md`` what to do.

    Parameters
    ----------
    passed_ms
        Time that has passed for the engine.
    """

    def __init__(self, passed_ms: Callable[[], int], clock: Clock) -> None:
        self._passed_ms, self._clock = passed_ms, clock
        self._told = False

    def tell(self) -> None:
        """To be called about once a second."""
        passed_ms, now_ms = self._passed_ms(), self._clock.now_ms()
        if passed_ms - now_ms > FAR_MS and not self._told:
            self._told = True
            log.error(
                "the clock says %s, but was ahead before or is behind now: "
                "what is measured before %s is refused as late; see 'When the clock was wrong' in docs/operations.md",
                *(rfc3339(now_ms), rfc3339(passed_ms)),
            )
        elif passed_ms <= now_ms:
            self._told = False
