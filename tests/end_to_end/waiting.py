"""The process that waits to become a command; see launcher.py. It imports nothing of the tests."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def become(arguments: list[str], log: str) -> int:
    """In the child: run the command as the shell would."""
    from forecaster.cli import main

    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def wait_for_orders() -> None:
    """One JSON line each: ``{"start": arguments, "log": file}`` gives the process id, ``{"poll": pid}`` the exit code
    as a string, or null while it runs."""
    from forecaster.adapters.resources import ONE_THREAD

    os.environ.update(ONE_THREAD)  # as the command line does before torch is imported
    import forecaster.commands.run
    import forecaster.daemon  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            answer: object = str(os.waitstatus_to_exitcode(status)) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                sys.stdin.close()
                os._exit(become(order["start"], order["log"]))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    wait_for_orders()
