"""What the arguments of a command stand for."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.errors import BadInput, ConfigurationError, StoreError
from forecaster.settings import Group, Settings

FEW = 10
"""Names that are told."""


def chosen_group(settings: Settings, name: str) -> Group:
    """The group of that name.

    Raises
    ------
    ConfigurationError
        When there is none; names the nearest, or all.
    """
    try:
        return settings.group(name)
    except KeyError:
        names = [group.name for group in settings.groups]
        raise ConfigurationError(f"no group '{name}' in the configuration; {_hint(name, names)}") from None


def unknown_stream(name: str, known: Sequence[str]) -> BadInput:
    """What to say of a stream, or a pattern, that fits none of those known; names the nearest, or a few.

    >>> print(unknown_stream("gas", ["a/1", "b/1"]))
    no stream 'gas' has been heard of; there are: a/1, b/1
    """
    return BadInput(f"no stream '{name}' has been heard of; {_hint(name, known)}")


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"there are: {', '.join(known[:FEW])}{', …' if len(known) > FEW else ''}" if known else "there are none yet"


def counted(count: int, name: str) -> str:
    """A number of things, in words.

    >>> counted(1, "stream"), counted(2, "stream")
    ('1 stream', '2 streams')
    """
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def stored_history(data: Path, otherwise: str = "") -> SqliteHistory:
    """What the service has stored, to be read beside it.

    Raises
    ------
    StoreError
        When nothing is stored yet, and what to do then (``otherwise``: or else); or it cannot be read.
    """
    path = data / "history.db"
    if not path.exists():
        raise StoreError(f"{data.absolute()}: nothing is stored yet; start 'forecaster run' first{otherwise}")
    return SqliteHistory(path, read_only=True)
