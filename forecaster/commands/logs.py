"""Log lines on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

from forecaster.settings import Log


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
    """One JSON object a line: time, level, logger, message, and the error when there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": stamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def stamp(record: logging.LogRecord) -> str:
    """When a line was written, RFC 3339 UTC."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{record.msecs:03.0f}Z"
