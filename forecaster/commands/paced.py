"""Readings of a table sent when they are due: what is sent and when, without saying over what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecaster.pipeline.times import rfc3339

if TYPE_CHECKING:
    from pandas import DataFrame

Send = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a replay is.

    Attributes
    ----------
    count
        Readings sent so far.
    time_ms
        Time of the newest of them, epoch milliseconds of the data.
    """

    count: int
    time_ms: int


def replay(
    table: DataFrame,
    send: Send,
    *,
    topics: dict[str, str],
    payload: str,
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Sent]:
    """Send the readings of a table in order, each when it is due.

    Parameters
    ----------
    table
        As :func:`forecaster.commands.tables.read_table` returns it.
    send
        Takes topic and payload; may block, which slows the replay down and loses nothing.
    topics
        Topic of each stream.
    payload
        Template, see :func:`filled`.
    speed
        Seconds of data per second; infinite: as fast as ``send`` allows.
    clock, sleep
        Seconds that pass; tests pass their own.

    Yields
    ------
    Sent
        After each time of the data.
    """
    if not len(table):
        return
    stamps = table["timestamp"].tolist()
    first, began = stamps[0], clock()
    before = first
    for count, (stream, stamp, value) in enumerate(zip(table["stream"], stamps, table["value"].tolist(), strict=True)):
        if stamp != before:
            yield Sent(count, before)
            before = stamp
            wait = began + due_s(stamp, first, speed) - clock()
            if wait > 0:
                sleep(wait)
        send(topics[stream], filled(payload, stream, stamp, value).encode())
    yield Sent(len(stamps), before)


def due_s(time_ms: int, first_ms: int, speed: float) -> float:
    """When a reading is due, in seconds after the first one was sent.

    Reckoned from the start and not from the reading before, so that delays do not add up.

    Examples
    --------
    >>> due_s(time_ms=7_200_000, first_ms=0, speed=3600.0)
    2.0
    >>> due_s(time_ms=7_200_000, first_ms=0, speed=float("inf"))
    0.0
    """
    return (time_ms - first_ms) / 1000 / speed


def filled(payload: str, stream: str, time_ms: int, value: float) -> str:
    """A payload template with a reading in it; ``bare`` is the number alone.

    Braces that hold none of the known words stay, so that JSON needs no escapes.

    Examples
    --------
    >>> filled('{"value": {value}, "time": "{time}"}', "home01", 1356962400000, 3.629)
    '{"value": 3.629, "time": "2012-12-31T14:00:00Z"}'
    >>> filled("bare", "home01", 0, 21.0)
    '21.0'
    """
    if payload == "bare":
        return repr(value)
    text = payload.replace("{value}", repr(value)).replace("{ms}", str(time_ms)).replace("{stream}", stream)
    return text.replace("{time}", rfc3339(time_ms)) if "{time}" in text else text
