"""Topics and paths as the operator writes them: are they good, and do two of them get into each other's way?

How they are read is told by the pipeline; here its complaints become ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from forecaster.configuration.problem import Unreadable, nearest
from forecaster.pipeline.paths import Path
from forecaster.pipeline.topics import TopicFilter

CAPTURE = re.compile(r"\{([^{}]*)\}")
ANY = "**"
"""One or more levels of any name, in :func:`own_topics`."""


def topic_filter(text: object) -> str:
    """A topic filter with captures.

    Examples
    --------
    >>> topic_filter("home/{home}/{meter}/energy")
    'home/{home}/{meter}/energy'
    """
    topic = str(text)
    if topic.startswith("$share/"):
        plain = topic.split("/", 2)[-1]
        raise Unreadable("a plain filter: a shared subscription scatters a stream over its members", plain)
    try:
        TopicFilter.parse(topic)
    except ValueError as error:
        raise Unreadable("a topic filter such as home/{home}/power", why=str(error)) from error
    if len(topic.encode()) > 65_535:
        raise Unreadable("a topic filter of at most 65535 bytes")
    return topic


def captures(topic: str) -> list[str]:
    """Names that a good filter captures, in order.

    Examples
    --------
    >>> captures("home/{home}/+/{meter}/energy")
    ['home', 'meter']
    """
    return [name for name in TopicFilter.parse(topic).names if name]


def stream_names(topic: str, name: str | None) -> str:
    """Pattern of the names that a source gives its streams; two equal ones give two streams one name.

    Examples
    --------
    >>> stream_names("home/{room}/humidity", None), stream_names("x/{a}/+", "{a}-1"), stream_names("x/y", None)
    ('{}', '{}-1', 'x/y')
    """
    if name is not None:
        return CAPTURE.sub("{}", name)
    return "/".join("{}" for _ in TopicFilter.parse(topic).names) or topic


def check_name(name: str, topic: str) -> None:
    """Refuse a name that its topic cannot fill.

    Raises
    ------
    Unreadable
        With the captures there are.
    """
    try:
        TopicFilter.parse(topic).check_template(name)
    except ValueError as error:
        known = captures(topic)
        near = {one: nearest(one, known) or one for one in CAPTURE.findall(name)}
        repaired = CAPTURE.sub(lambda found: f"{{{near[found[1]]}}}", name)
        wanted = ", ".join(f"{{{capture}}}" for capture in known) or "of which there are none"
        raise Unreadable(
            f"a name made of letters and the captures of its topic ({wanted})", repaired if repaired != name else None
        ) from error


def json_path(text: object) -> str:
    """A path into a JSON payload."""
    try:
        return Path.parse(str(text)).text
    except ValueError as error:
        bare = re.fullmatch(r"[\w.]+", str(text))
        hint = f"$.{str(text).strip('.')}" if bare else None
        why = "" if hint else str(error)
        raise Unreadable("a path such as $.ENERGY.Total, $.meters[0].kwh or $['a b']", hint, why) from error


def prefix(text: object) -> str:
    """Start of the topics we publish under."""
    levels = str(text).split("/")
    if not all(levels) or set(str(text)) & set("{}+#\0") or levels[0].startswith("$"):
        raise Unreadable("a topic without wildcards, empty levels or a leading $, such as forecaster")
    return str(text)


def own_topics(prefix: str, groups: Sequence[str]) -> list[list[str]]:
    """Patterns of all topics we publish, as levels; a new kind of topic must be added here."""
    start = prefix.split("/")
    return [
        [*start, "status"],
        [*start, "schema", "forecast", "v1"],
        *([*start, group, ANY, kind] for group in groups for kind in ("forecast", "anomaly")),
    ]


def overlap(topic: str, pattern: Sequence[str]) -> bool:
    """Whether what a filter subscribes to may be one of our own topics.

    Examples
    --------
    >>> overlap("+/+/{x}/forecast", ["forecaster", "household", ANY, "forecast"])
    True
    >>> overlap("+/+/{x}/energy", ["forecaster", "household", ANY, "forecast"])
    False
    """
    return _overlap(TopicFilter.parse(topic).mqtt.split("/"), pattern)


def _overlap(levels: Sequence[str], pattern: Sequence[str]) -> bool:
    if levels and levels[0] == "#":
        return True
    if not levels or not pattern:
        return not levels and not pattern
    if pattern[0] == ANY:
        return _overlap(levels[1:], pattern) or _overlap(levels[1:], pattern[1:])
    return levels[0] in ("+", pattern[0]) and _overlap(levels[1:], pattern[1:])
