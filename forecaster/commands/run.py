"""``forecaster run``: the service, in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import os
import signal
from argparse import Namespace
from pathlib import Path

from forecaster.errors import ForecasterError

log = logging.getLogger(__name__)


def run(arguments: Namespace) -> int:
    """Read the configuration, serve until told to stop; exit code 0, or 70 after a fault of ours."""
    from forecaster import config
    from forecaster.commands.logs import set_up

    settings = config.load(Path(arguments.config), os.environ)
    set_up(settings.log)
    from forecaster.daemon import Daemon

    try:
        daemon = Daemon(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())
        return daemon.run()
    except ForecasterError:
        raise
    except Exception:  # a bug: the supervisor is told so by the code, as when a thread dies
        log.exception("a fault of ours ends the service")
        return ForecasterError.exit_code
