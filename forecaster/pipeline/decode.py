"""From a message to readings: which streams a topic feeds, and what its payload says.

The hot path of the service: everything that depends on settings or topic alone is worked out once per topic and
kept; what is left per message is one look-up, one parse and one check of value and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from forecaster.pipeline.paths import MISSING, Path, walk
from forecaster.pipeline.payload import Trouble, read_document, read_number
from forecaster.pipeline.times import read_time
from forecaster.pipeline.topics import Captures, TopicFilter, covariate_name, target_name
from forecaster.records import Message, Reading, Reject
from forecaster.settings import Group, Source

MAX_PAYLOAD = 256 * 1024
"""Bytes; a longer payload is not looked at."""

MAX_TOPIC = 512
"""Characters; a longer topic is not ours. Together with the next two it bounds memory against invented topics."""

MAX_KNOWN = 200_000
"""Topics whose routes are kept."""

MAX_UNKNOWN = 10_000
"""Topics remembered as not ours."""

NO_GROUP = -1
"""Index that goes with a topic no source matches."""

LARGEST = 1e18
"""A value beyond is refused though no ``valid`` range is given: no sensor measures it, and sums of it overflow."""

EARLIEST_MS = 631_152_000_000
"""1990: an earlier time comes from a clock that was never set."""

EARLIEST_RECORDED_MS = -2_208_988_800_000
"""1900: recorded data may be older than MQTT."""

LATEST_MS = 7_258_118_400_000
"""2200."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How the payloads of one source are read: its settings, compiled.

    Attributes
    ----------
    group, name
        Index and name of the group.
    source
        Index into ``group.sources``.
    name_of
        Name of the series that a topic carries, given what was captured of it.
    value, time
        Paths; None: the payload is the bare value, there is no time.
    clock
        Turns what lies at ``time`` into epoch milliseconds, or None.
    low, high
        Plausible range.
    words
        Whether switch states are values.
    series
        ``[*]`` runs over the times of one stream; False: over several streams.
    earliest_ms, ahead_ms
        Oldest plausible time; how far past its arrival a reading may be dated.
    """

    group: int
    name: str
    source: int
    name_of: Callable[[Captures, str], str]
    value: Path | None
    time: Path | None
    clock: Callable[[object], int | None]
    low: float
    high: float
    words: bool
    series: bool
    earliest_ms: int
    ahead_ms: float


class Route(NamedTuple):
    """One stream a topic feeds."""

    reader: Reader
    stream: str
    labels: Captures


class Router:
    """Turns messages into readings of the groups they concern.

    Parameters
    ----------
    groups
        All groups; results name them by position.
    clock
        ``events``: recorded data is replayed, so times may be old, and none is too far ahead of its arrival.

    Raises
    ------
    ValueError
        When a topic filter, a path or the template of a name cannot be used.
    """

    def __init__(self, groups: Sequence[Group], clock: Literal["system", "events"] = "system") -> None:
        self._sources = [
            (TopicFilter.parse(source.topic), compile_reader(group, i, source, j, live=clock == "system"))
            for i, group in enumerate(groups)
            for j, source in enumerate(group.sources)
        ]
        for topic, reader in self._sources:
            topic.check_template(groups[reader.group].sources[reader.source].name)
        self._known: dict[str, list[Route]] = {}
        self._unknown: set[str] = set()

    def filters(self) -> list[str]:
        """MQTT filters to subscribe to, each once, in the order of the settings."""
        return list(dict.fromkeys(topic.mqtt for topic, _ in self._sources))

    def read(self, message: Message) -> list[tuple[int, Reading | Reject]]:
        """Everything a message says, each with the index of the group it says it to.

        Never raises, whatever the bytes, and never says nothing. A topic no source matches gives one reject for
        :data:`NO_GROUP`. Whether the message was retained is for the caller to judge.
        """
        routes = self._known.get(message.topic) or self._route(message.topic)
        if not routes:
            return [(NO_GROUP, Reject(group=None, stream=None, reason="unknown_topic", detail=_quote(message.topic)))]
        payload, received_ms = message.payload, message.received_ms
        document: object = MISSING
        results: list[tuple[int, Reading | Reject]] = []
        for route in routes:
            reader = route.reader
            if len(payload) > MAX_PAYLOAD:
                trouble = Trouble("too_large", f"more than {MAX_PAYLOAD} bytes")
                results.append((reader.group, _reject(route, trouble)))
                continue
            if reader.value is None:
                results.append((reader.group, _one(route, route.stream, payload, MISSING, received_ms)))
                continue
            if document is MISSING:
                document = read_document(payload)
            if type(document) is Trouble:
                results.append((reader.group, _reject(route, document)))
                continue
            found = walk(document, reader.value.head)
            if reader.value.tail is not None or type(found) is list:
                results += [(reader.group, item) for item in _many(route, document, found, received_ms)]
            else:
                when = MISSING if reader.time is None else walk(document, reader.time.head)
                results.append((reader.group, _one(route, route.stream, found, when, received_ms)))
        return results

    def _route(self, topic: str) -> list[Route]:
        """Streams a topic feeds, worked out and remembered; empty when it is not ours."""
        if topic in self._unknown or len(topic) > MAX_TOPIC or any(sign in topic for sign in "+#\0"):
            return []
        routes = []
        for topic_filter, reader in self._sources:
            captures = topic_filter.match(topic)
            if captures is not None:
                labels = tuple((key, text) for key, text in captures if key)
                routes.append(Route(reader, reader.name_of(captures, topic), labels))
        if routes:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()  # costs each topic one more match; keeping an order would cost every message
            self._known[topic] = routes
        else:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown.add(topic)
        return routes


def series_name(source: Source, captures: Captures, topic: str) -> str:
    """What the series that a topic carries is called."""
    if source.role == "target":
        return target_name(captures, topic, source.name)
    return covariate_name(topic, source.value)


def plausible(source: Source) -> tuple[float, float]:
    """Smallest and largest value that is taken from a source."""
    low, high = source.valid
    return -LARGEST if low is None else low, LARGEST if high is None else high


def compile_reader(group: Group, group_index: int, source: Source, index: int, *, live: bool) -> Reader:
    """Work out all that the settings decide.

    Raises
    ------
    ValueError
        When a path cannot be read.
    """
    low, high = plausible(source)
    bare = source.value is None and source.time is None
    return Reader(
        group=group_index,
        name=group.name,
        source=index,
        name_of=lambda captures, topic: series_name(source, captures, topic),
        value=None if bare else Path.parse(source.value or "$"),
        time=None if source.time is None else Path.parse(source.time),
        clock=partial(read_time, zone=ZoneInfo(source.time_zone), form=source.time_format),
        low=low,
        high=high,
        words=source.kind == "gauge",
        series=source.role == "future",
        earliest_ms=EARLIEST_MS if live else EARLIEST_RECORDED_MS,
        ahead_ms=group.ahead_s * 1000 if live and source.role != "future" else inf,
    )


def _one(route: Route, stream: str, raw: object, when: object, received_ms: int) -> Reading | Reject:
    """Judge one value and the time given with it."""
    reader = route.reader
    value = read_number(raw, words=reader.words)
    if isinstance(value, Trouble):
        return _reject(route, _with_remedy(reader, raw, value), stream)
    if not reader.low <= value <= reader.high:
        trouble = Trouble("range", f"{value:.6g} is outside {reader.low:.6g} to {reader.high:.6g}")
        return _reject(route, trouble, stream)
    if reader.time is None:
        return Reading(stream, route.labels, reader.source, received_ms, value, False)
    time_ms = None if when is MISSING else reader.clock(when)
    if time_ms is None or not reader.earliest_ms <= time_ms < LATEST_MS:
        problem = "no time" if when is MISSING else "no readable time" if time_ms is None else "an implausible time"
        return _reject(route, Trouble("time", f"{problem} at {reader.time.text}"), stream)
    if time_ms > received_ms + reader.ahead_ms:
        ahead_s = (time_ms - received_ms) / 1000
        return _reject(route, Trouble("future", f"dated {ahead_s:.0f} s ahead of its arrival"), stream)
    return Reading(stream, route.labels, reader.source, time_ms, value, True)


def _many(route: Route, document: object, found: object, received_ms: int) -> Iterator[Reading | Reject]:
    """Judge an array: one stream at several times, or with ``[*]`` several streams."""
    reader = route.reader
    value, time = reader.value, reader.time
    assert value is not None  # a bare payload holds no array
    if type(found) is not list or not found:
        yield _reject(route, Trouble("path", f"no array, or an empty one, at {value.text}"))
        return
    whens = MISSING if time is None else walk(document, time.head)
    if time is not None and time.tail is not None and type(whens) is list:
        whens = [walk(element, time.tail) for element in whens]
    one_stream = value.tail is None or reader.series
    if type(whens) is not list and one_stream:
        yield _reject(route, Trouble("type", f"an array at {value.text} needs an array of times beside it"))
        return
    if type(whens) is list and len(whens) != len(found):
        yield _reject(route, Trouble("time", f"{len(found)} values but {len(whens)} times"))
        return
    nothing = True
    for i, element in enumerate(found):
        raw = walk(element, value.tail or ())
        if raw is None and one_stream:
            continue  # null: a gap in the array
        nothing = False
        stream = route.stream if one_stream else f"{route.stream}/{i}"
        yield _one(route, stream, raw, whens[i] if type(whens) is list else whens, received_ms)
    if nothing:
        yield _reject(route, Trouble("type", f"only nulls at {value.text}"))


def _with_remedy(reader: Reader, raw: object, trouble: Trouble) -> Trouble:
    """What is wrong with a value, and what the operator may have meant to write."""
    if trouble.reason == "path" and reader.value is not None:
        return Trouble("path", f"nothing at {reader.value.text}")
    if isinstance(raw, bytes) and raw.lstrip()[:1] in {b"{", b"["}:
        return Trouble(trouble.reason, "JSON, not a bare number; 'value:' says where in it the number is")
    return trouble


def _reject(route: Route, trouble: Trouble, stream: str | None = None) -> Reject:
    reason, detail = trouble
    return Reject(group=route.reader.name, stream=stream or route.stream, reason=reason, detail=detail[:200])


def _quote(topic: str) -> str:
    """A topic for a log line: on one line, and short."""
    return ascii(topic[:100])[:200]
