"""``forecaster forget``: a stretch of a stream that no forecast and no training shall look at."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from zoneinfo import ZoneInfo

from forecaster import config
from forecaster.adapters.exclusions import Exclusions
from forecaster.commands.chosen import chosen_group, stored_history, unknown_stream
from forecaster.commands.publish import moment_ms
from forecaster.errors import BadInput
from forecaster.pipeline.times import rfc3339
from forecaster.settings import Exclusion, Group, Settings


def run(arguments: Namespace) -> int:
    """Write it down; a running service forgets within seconds, the next training skips it."""
    settings = config.load(Path(arguments.config), os.environ)
    group = chosen_group(settings, arguments.group)
    zone = ZoneInfo(group.timezone)
    since_ms, until_ms = moment_ms(arguments.since, zone), moment_ms(arguments.until, zone)
    assert since_ms is not None
    assert until_ms is not None
    if since_ms >= until_ms:
        raise BadInput("--from must lie before --until")
    _require_known(settings, group, arguments.stream)
    exclusions = Exclusions(settings.data)
    asked = Exclusion(stream=arguments.stream, since_ms=since_ms, until_ms=until_ms)
    if asked not in exclusions.of(group):
        exclusions.add(group.name, asked)
    print(f"forgotten: {group.name} {arguments.stream}, {rfc3339(since_ms)} to {rfc3339(until_ms)}")
    print(f"the history keeps it; to have it back, take it out of {settings.data / 'exclusions.json'} and restart")
    return 0


def _require_known(settings: Settings, group: Group, stream: str) -> None:
    """Refuse a name that fits no series, where any is stored."""
    if not (settings.data / "history.db").exists():
        return
    with closing(stored_history(settings.data)) as history:
        known = history.names(group.name)
    if known and not any(fnmatchcase(name, stream) for name in known):
        raise unknown_stream(stream, known)
