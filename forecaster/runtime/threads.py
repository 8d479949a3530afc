"""The threads we own, started so that none dies unnoticed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

log = logging.getLogger(__name__)


def start_thread(name: str, run: Callable[[], None], died: Callable[[str], None]) -> Thread:
    """Run a function in a daemon thread of that name.

    Parameters
    ----------
    died
        Called with the name when ``run`` raises: a bug, which ends the process.
    """

    def guarded() -> None:
        try:
            run()
        except BaseException:  # whatever it is, the process must not go on without this thread
            log.exception("thread died thread=%s", name)
            died(name)

    thread = Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread
