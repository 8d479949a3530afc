"""``forecaster publish``: a table sent to MQTT as if sensors did, at a chosen speed.

A client of its own, like any sensor: it knows nothing of the service but the topic.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from forecaster.adapters.mqtt_publisher import Publisher
from forecaster.commands.paced import Sent, replay
from forecaster.commands.tables import households, read_table
from forecaster.configuration.problem import Unreadable
from forecaster.configuration.text import timezone
from forecaster.errors import BadInput
from forecaster.pipeline.times import read_time, rfc3339
from forecaster.settings import Mqtt

if TYPE_CHECKING:
    from pandas import DataFrame

LINE_EVERY_S = 5.0
"""How often a line is printed where no person watches."""


def run(arguments: Namespace) -> int:
    """Publish the table and say how it went."""
    zone = zone_of(arguments.timezone)
    table = households() if arguments.data == "households" else read_table(Path(arguments.data), zone.key)
    since_ms, until_ms = moment_ms(arguments.since, zone), moment_ms(arguments.until, zone)
    table = selected(table, since_ms, until_ms, arguments.streams)
    topics = topic_of_each(table, arguments.topic)
    speed = speed_of(arguments.speed)
    show = _silently if arguments.quiet else _as_bar if sys.stdout.isatty() else _as_lines
    with Publisher(_session(arguments)) as publisher:
        show(replay(table, publisher.send, topics=topics, payload=arguments.payload, speed=speed), len(table))
    return 0


def speed_of(text: str) -> float:
    """Seconds of data per second.

    Raises
    ------
    BadInput
        Not a positive number and not ``max``.

    Examples
    --------
    >>> speed_of("3600x"), speed_of("0.5"), speed_of("max")
    (3600.0, 0.5, inf)
    """
    if text == "max":
        return inf
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not (speed > 0 and isfinite(speed)):
        raise BadInput(f"--speed {text!r}: expected a positive number such as 3600x, or max")
    return speed


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises
    ------
    BadInput
        There is none.
    """
    try:
        return ZoneInfo(timezone(name))
    except Unreadable as error:
        hint = f"; did you mean {error.hint!r}?" if error.hint else ""
        raise BadInput(f"--timezone {name!r}: expected {error.expected}{hint}") from None


def moment_ms(text: str | None, zone: tzinfo = UTC) -> int | None:
    """A time given by a person, as epoch milliseconds; local to the zone where it says no offset.

    Raises
    ------
    BadInput
        Not RFC 3339.

    Examples
    --------
    >>> moment_ms("2013-01-01"), moment_ms("2013-01-01T10:00:00+10:00")
    (1356998400000, 1356998400000)
    """
    if text is None:
        return None
    moment = read_time(text, zone)
    if moment is None:
        raise BadInput(f"{text!r} is no time; expected something like 2013-01-31T14:00:00Z or 2013-01-31")
    return moment


def selected(table: DataFrame, since_ms: int | None, until_ms: int | None, streams: int | None) -> DataFrame:
    """The readings from ``since_ms`` to before ``until_ms`` of the first streams, in order of appearance.

    Raises
    ------
    BadInput
        Nothing is left.
    """
    kept = table
    if streams is not None:
        kept = kept[kept["stream"].isin(table["stream"].drop_duplicates().head(streams))]
    if since_ms is not None:
        kept = kept[kept["timestamp"] >= since_ms]
    if until_ms is not None:
        kept = kept[kept["timestamp"] < until_ms]
    if kept.empty:
        first, last = (rfc3339(int(table["timestamp"].iloc[end])) for end in (0, -1))
        raise BadInput(f"no readings left to publish; the data is from {first} to {last}")
    return kept


def topic_of_each(table: DataFrame, template: str) -> dict[str, str]:
    """Topic of each stream.

    Raises
    ------
    BadInput
        Streams would share a topic, or a topic holds a wildcard.
    """
    streams = list(dict.fromkeys(table["stream"]))
    if "{stream}" not in template and len(streams) > 1:
        raise BadInput(f"--topic {template!r}: {len(streams)} streams need '{{stream}}' in it")
    topics = {stream: template.replace("{stream}", stream) for stream in streams}
    for topic in topics.values():
        if "+" in topic or "#" in topic:
            raise BadInput(f"topic {topic!r}: '+' and '#' are wildcards; a sensor cannot publish there")
    return topics


# --- the shell: the broker, and what a person sees ---------------------------------------------------------------


def _session(arguments: Namespace) -> Mqtt:
    """How to reach the broker."""
    password = None
    if arguments.password_file is not None:
        try:
            password = arguments.password_file.read_text().strip()
        except OSError as error:
            raise BadInput(f"{arguments.password_file}: cannot be read: {error.strerror}") from error
    return Mqtt(
        url=arguments.url,
        client_id="forecaster-publish",
        username=arguments.username,
        password=password,
        ca_file=arguments.ca_file,
        version=arguments.mqtt_version,
    )


def _silently(steps: Iterator[Sent], total: int) -> None:
    for _ in steps:
        pass


def _as_lines(steps: Iterator[Sent], total: int) -> None:
    """A line now and then, and one at the end."""
    began = said = time.monotonic()
    sent = Sent(0, 0)
    for sent in steps:
        now = time.monotonic()
        if now - said >= LINE_EVERY_S:
            said = now
            print(_line(sent, total, now - began), flush=True)
    print(_line(sent, total, time.monotonic() - began), flush=True)


def _line(sent: Sent, total: int, seconds: float) -> str:
    return f"sent={sent.count}/{total} rate={sent.count / max(seconds, 1e-9):.0f}/s data_time={rfc3339(sent.time_ms)}"


def _as_bar(steps: Iterator[Sent], total: int) -> None:
    """A bar with readings, rate and the time of the data."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(style="cyan"),
        TextColumn("[bold]{task.fields[data_time]}"),
        BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
        TextColumn("{task.completed:,.0f} [dim]of {task.total:,.0f} readings[/]"),
        TextColumn("[cyan]{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    began = time.monotonic()
    with Progress(*columns, expand=True) as progress:
        task = progress.add_task("", total=total, data_time="", rate=0.0)
        for sent in steps:
            rate = sent.count / max(time.monotonic() - began, 1e-9)
            data_time = f"{datetime.fromtimestamp(sent.time_ms / 1000, UTC):%a %d %b %Y %H:%M}"
            progress.update(task, completed=sent.count, rate=rate, data_time=data_time)
