"""``forecaster run``: the service, in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from pathlib import Path


def run(arguments: Namespace) -> int:
    """Read the configuration, serve until told to stop; exit code 0, or 70 when something of ours died."""
    from forecaster import config
    from forecaster.commands.logs import set_up

    settings = config.load(Path(arguments.config), os.environ)
    set_up(settings.log)
    from forecaster.daemon import Daemon

    daemon = Daemon(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    return daemon.run()
