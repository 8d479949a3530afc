"""Log lines a collector can read."""

from __future__ import annotations

import json
import logging

import numpy as np

from forecaster.commands.logs import JsonLines


def test_a_json_line_has_what_the_message_names() -> None:
    """Beside the message itself; what is no plain value is told as text."""
    values = ("a/b", 3, np.float64(0.5), "because")
    record = logging.LogRecord("here", logging.INFO, "", 0, "done group=%s steps=%d loss=%.2f %s", values, None)

    line = json.loads(JsonLines().format(record))

    assert line.pop("time").endswith("Z")
    assert line == {
        "group": "a/b",
        "steps": 3,
        "loss": 0.5,
        "level": "INFO",
        "logger": "here",
        "message": "done group=a/b steps=3 loss=0.50 because",
    }


def test_a_message_without_values_is_a_line_too() -> None:
    """And one that names something as the line itself does keeps the line's."""
    record = logging.LogRecord("here", logging.INFO, "", 0, "level=%s", ("low",), None)

    assert json.loads(JsonLines().format(record))["level"] == "INFO"
    plain = logging.LogRecord("here", logging.INFO, "", 0, "100 %", None, None)
    assert json.loads(JsonLines().format(plain))["message"] == "100 %"
