"""Which topics a source listens to, and what the streams that come over them are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

Captures = tuple[tuple[str, str], ...]
"""(name, text) of each captured part of a topic, in order; the name is empty where the filter gives none."""


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """A topic filter with named captures, compiled.

    Attributes
    ----------
    mqtt
        The filter to subscribe to, ``home/+/+/energy``.
    names
        One name per capture, in order; ``""`` for an unnamed one (``+`` or ``#``).
    pattern
        Matches whole topics, one group per capture.
    """

    mqtt: str
    names: tuple[str, ...]
    pattern: re.Pattern[str]

    @staticmethod
    def parse(text: str) -> TopicFilter:
        """Compile a filter.

        ``{name}`` stands for a level or a part of one, ``+`` for a level, a final ``#`` for one or more levels. No
        capture is ever empty.

        Raises
        ------
        ValueError
            With words for the operator.

        Examples
        --------
        >>> energy = TopicFilter.parse("home/{home}/{meter}/energy")
        >>> energy.mqtt, energy.match("home/a/1/energy")
        ('home/+/+/energy', (('home', 'a'), ('meter', '1')))
        """
        levels = text.split("/")
        if not text or "\0" in text:
            raise ValueError("a topic filter cannot be empty")
        mqtt: list[str] = []
        regex: list[str] = []
        names: list[str] = []
        for level in levels:
            if level == "#":
                if len(mqtt) != len(levels) - 1:
                    raise ValueError("'#' can only be the last level")
                names.append("")
                mqtt.append("#")
                regex.append("(.+)")
            elif level == "+":
                names.append("")
                mqtt.append("+")
                regex.append("([^/]+)")
            else:
                captured, expression = _level(level)
                names += captured
                mqtt.append("+" if captured else level)
                regex.append(expression)
        named = [name for name in names if name]
        if len(set(named)) < len(named):
            raise ValueError("two captures have the same name")
        dollar = "" if mqtt[0] not in "+#" else r"(?!\$)"  # MQTT hides $SYS from leading wildcards
        return TopicFilter("/".join(mqtt), tuple(names), re.compile(dollar + "/".join(regex), re.DOTALL))

    def match(self, topic: str) -> Captures | None:
        """Captures of a topic as (name, text) pairs; None when it does not match."""
        found = self.pattern.fullmatch(topic)
        return None if found is None else tuple(zip(self.names, found.groups(), strict=True))

    def check_template(self, template: str | None) -> None:
        """Refuse the template of a stream name that names what is not captured, or would not be a topic.

        Raises
        ------
        ValueError
            With words for the operator.
        """
        try:
            name = stream_name(tuple((name, "x") for name in self.names), "x", template)
        except (KeyError, IndexError, AttributeError, ValueError) as error:
            known = ", ".join(f"{{{name}}}" for name in self.names if name) or "none"
            raise ValueError(f"name '{template}' can only use the captures of its topic: {known}") from error
        if not name or any(sign in name for sign in "+#\0"):
            raise ValueError(f"name '{template}' becomes part of a topic, so it cannot be empty or hold '+' or '#'")


def _level(level: str) -> tuple[list[str], str]:
    """Names captured within one level, and its expression."""
    parts = re.split(r"\{([^{}]*)\}", level)  # text, name, text, name, …, text
    for text in parts[::2]:
        if any(sign in text for sign in "{}+#"):
            raise ValueError(f"level '{level}': use '+' or '#' alone, and {{name}} for a capture")
    names = parts[1::2]
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"level '{level}': a capture is named with letters, digits and '_'")
    expression = "".join("([^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return names, expression


def stream_name(captures: Captures, topic: str, template: str | None) -> str:
    """Name of the stream a topic carries: by the template, else its captures joined, else the topic itself.

    Raises
    ------
    KeyError
        When the template names something that is not captured.

    Examples
    --------
    >>> stream_name((("home", "a"), ("meter", "1")), "home/a/1/energy", "{meter}@{home}")
    '1@a'
    """
    if template is not None:
        return template.format_map({name: text for name, text in captures if name})
    return "/".join(text for _, text in captures) or topic


def target_name(captures: Captures, topic: str, template: str | None) -> str:
    """Name of a stream that is forecast: a leading ``~`` belongs to covariates.

    Examples
    --------
    >>> target_name((("room", "~1"),), "~1", None)
    '%7E1'
    """
    name = stream_name(captures, topic, template)
    return f"%7E{name[1:]}" if name.startswith("~") else name


def covariate_name(topic: str, value: str | None) -> str:
    """Name of the covariate that a topic carries, wherever its source stands among the others.

    Examples
    --------
    >>> covariate_name("weather/a", None), covariate_name("weather/a", "$.temp")
    ('~weather/a', '~weather/a#$.temp')
    """
    return f"~{topic}#{value}" if value else f"~{topic}"


def covers(wide: str, narrow: str) -> bool:
    """Whether an MQTT filter matches every topic that another one matches.

    Examples
    --------
    >>> covers("home/#", "home/+/power"), covers("home/+", "home/#"), covers("+/uptime", "$SYS/uptime")
    (True, False, False)
    """
    if _hidden(wide, narrow):
        return False
    wides, narrows = wide.split("/"), narrow.split("/")
    for one, other in zip(wides, narrows, strict=False):
        if one == "#":
            return True
        if other == "#" or one not in ("+", other):
            return False
    return wides[len(narrows) :] in ([], ["#"]) and len(wides) >= len(narrows)


def meet(one: str, other: str) -> bool:
    """Whether some topic matches both MQTT filters. A topic is a filter that matches itself.

    Examples
    --------
    >>> meet("a/+", "+/b"), meet("a/+", "b/+"), meet("home/#", "home")
    (True, False, True)
    """
    if _hidden(one, other) or _hidden(other, one):
        return False
    ones, others = one.split("/"), other.split("/")
    for level, beside in zip(ones, others, strict=False):
        if "#" in (level, beside):
            return True
        if level != beside and "+" not in (level, beside):
            return False
    return (ones[len(others) :] or others[len(ones) :]) in ([], ["#"])


def _hidden(wide: str, narrow: str) -> bool:
    """A leading wildcard does not match what begins with ``$``."""
    return wide.startswith(("+", "#")) and narrow.startswith("$")
