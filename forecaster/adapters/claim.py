"""One service per data directory: two would write over each other's journal."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import BinaryIO

from forecaster.adapters.files import write_errors
from forecaster.errors import StoreError


def claim(directory: Path) -> BinaryIO:
    """Make a directory ours until the file returned is closed, or this process ends in whatever way.

    Raises
    ------
    StoreError
        When it is another's, or cannot be written.
    """
    with write_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "in-use").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StoreError(
            f"{directory}: another forecaster uses it; stop that one, or give this one another data directory"
        ) from error
    except OSError:
        pass  # a file system that knows no locks; then it is for the operator to know
    return file
