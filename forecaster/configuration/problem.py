"""What is wrong with a configuration: where, what was found, what was expected, what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

Key = tuple[str | int, ...]
"""Where a value stands: ``("groups", "household", "streams", 0, "kind")``."""

MEANT = dict.fromkeys(("counter", "cumulative", "total", "total_increasing"), "meter")
"""What other programs call things, and what we do."""

SECRET = "password"
"""Values under a key that contains this word are never shown."""


class Unreadable(ValueError):
    """A text that does not have the form its key asks for.

    Parameters
    ----------
    expected
        What would have been right.
    hint
        The nearest thing that would have been, when one is near.
    why
        What about the text is wrong; may quote it.
    """

    def __init__(self, expected: str, hint: str | None = None, why: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint
        self.why = why


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before it is known in which line it stands."""

    key: Key
    found: str
    expected: str = ""
    hint: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the operator must change.

    Attributes
    ----------
    file
        Where it was read, or the name of an environment variable.
    line
        Counted from 1; None when there is none.
    key
        ``groups.household.streams[0].kind``; empty when it concerns the file.
    found, expected
        Fragments of a sentence; ``expected`` may be empty.
    hint
        The nearest valid key or value.

    Examples
    --------
    >>> print(Problem("x.yaml", 12, "groups.household.stpe", "unknown key", "one of horizon, step", "step"))
    x.yaml:12: groups.household.stpe: unknown key; did you mean 'step'?
    """

    file: str
    line: int | None
    key: str
    found: str
    expected: str = ""
    hint: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        wanted = f"; expected {self.expected}" if self.expected else ""
        if self.hint is not None:
            guess = f"; did you mean {self.hint!r}?"
            wanted = guess if self.found == UNKNOWN else wanted + guess
        return f"{where}: {self.key + ': ' if self.key else ''}{self.found}{wanted}"


UNKNOWN = "unknown key"
MISSING = "missing"


def dotted(key: Key) -> str:
    """A key as a person writes it.

    Examples
    --------
    >>> dotted(("groups", "household", "streams", 0, "kind"))
    'groups.household.streams[0].kind'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that means this one, or is most like it; None when none is.

    Examples
    --------
    >>> nearest("stpe", ["step", "horizon"]), nearest("Europe/paris", ["Europe/Paris"]), nearest("xyz", ["step"])
    ('step', 'Europe/Paris', None)
    >>> nearest("counter", ["gauge", "amount", "meter"])
    'meter'
    """
    by_lower = {one.lower(): one for one in known}
    meant = MEANT.get(word.lower())
    found = [meant] if meant in by_lower else difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def shown(key: Key, value: object) -> str:
    """A value as it may appear in a message: short, and never a secret.

    Examples
    --------
    >>> shown(("step",), "7m"), shown(("mqtt", "password"), ["hunter2"]), shown(("mqtt", "url"), "mqtt://me:pw@host")
    ("'7m'", 'a value that is not shown', "'mqtt://***@host'")
    """
    if any(isinstance(part, str) and SECRET in part.lower() for part in key):
        return "a value that is not shown"
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() if any(isinstance(item, dict | list) for item in value):
            return "a list"
        case list():
            return _short(f"[{', '.join('null' if item is None else str(item) for item in value)}]")
        case _:
            return repr(_short(str(value)))


def _short(text: str) -> str:
    """At most 80 characters, without the name and password of an address."""
    text = re.sub(r"//.*@", "//***@", text, flags=re.DOTALL)
    return text if len(text) <= 80 else text[:77] + "..."
