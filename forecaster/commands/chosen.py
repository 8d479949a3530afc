"""What the arguments of a command stand for."""

from __future__ import annotations

from difflib import get_close_matches

from forecaster.errors import ConfigurationError
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
