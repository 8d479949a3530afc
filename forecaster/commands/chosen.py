"""What the arguments of a command stand for."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.errors import ConfigurationError, StoreError
from forecaster.settings import Group, Settings


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
        near = get_close_matches(name, names, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names)}"
        raise ConfigurationError(f"no group '{name}' in the configuration; {hint}") from None


def stored_history(data: Path, otherwise: str = "") -> SqliteHistory:
    """What the service has stored, to be read beside it.

    Raises
    ------
    StoreError
        When nothing is stored yet, and what to do then (``otherwise``: or else); or it cannot be read.
    """
    path = data / "history.db"
    if not path.exists():
        raise StoreError(f"{data}: nothing is stored yet; start 'forecaster run' first{otherwise}")
    return SqliteHistory(path, read_only=True)
