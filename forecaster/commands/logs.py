"""Log lines on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from math import isfinite

from forecaster.settings import Log

PLACE = re.compile(r"(?:(?P<name>\w+)=)?%[-+0-9.]*[a-z]")
"""Where a value stands in a message, and its name if it has one."""


def set_up(log: Log) -> None:
    """Send everything the service says to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log.format == "json" else TextLines())
    logging.basicConfig(level=log.level.upper(), handlers=[handler], force=True)


class TextLines(logging.Formatter):
    """``2026-11-20T12:00:00.123Z INFO forecaster.daemon started groups=1``."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the hook's name
        """UTC, to the millisecond."""
        return stamp(record)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s %(message)s")


class JsonLines(logging.Formatter):
    """One JSON object a line: what the message names, such as ``group``; time, level, logger, message, and error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            **named(record),
            "time": stamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def named(record: logging.LogRecord) -> dict[str, object]:
    """What the message says as ``name=value``, numbers as numbers.

    Examples
    --------
    >>> named(logging.LogRecord("", 0, "", 0, "training ended group=%s seconds=%.1f %s", ("home", 2.5, "well"), None))
    {'group': 'home', 'seconds': 2.5}
    """
    values = record.args if isinstance(record.args, tuple) else ()
    names = (match["name"] for match in PLACE.finditer(str(record.msg)))
    return {
        name: value if isinstance(value, str | int) or (isinstance(value, float) and isfinite(value)) else str(value)
        for name, value in zip(names, values, strict=False)
        if name
    }


def stamp(record: logging.LogRecord) -> str:
    """When a line was written, RFC 3339 UTC."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{record.msecs:03.0f}Z"
