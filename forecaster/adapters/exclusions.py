"""Stretches to be forgotten, told by ``forecaster forget``: a JSON file beside the history, which keeps everything.

``[{"group": "household", "stream": "a/main", "since": "2026-03-01T00:00:00Z", "until": "2026-03-03T00:00:00Z"}, …]``;
take a line out and restart to have it back.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from forecaster.adapters.files import whole_file
from forecaster.errors import StoreError
from forecaster.pipeline.times import rfc3339
from forecaster.settings import Exclusion, Group


class Exclusions:
    """The file of a data directory."""

    def __init__(self, data: Path) -> None:
        self._path = data / "exclusions.json"

    def of(self, group: Group) -> tuple[Exclusion, ...]:
        """All of a group: those of the configuration, then those of the file.

        Raises
        ------
        StoreError
            When the file cannot be read.
        """
        told = [one for one in self._read() if one["group"] == group.name]
        return (*group.exclude, *(_exclusion(one) for one in told))

    def add(self, group: str, exclusion: Exclusion) -> None:
        """Remember one more."""
        since, until = rfc3339(exclusion.since_ms), rfc3339(exclusion.until_ms)
        told = [*self._read(), {"group": group, "stream": exclusion.stream, "since": since, "until": until}]
        with whole_file(self._path) as file:
            file.write(json.dumps(told, indent=2).encode() + b"\n")

    def _read(self) -> list[dict[str, str]]:
        try:
            told = json.loads(self._path.read_text())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._path}: cannot be read ({error}); mend it or move it away") from error
        return list(told)


def _exclusion(told: dict[str, str]) -> Exclusion:
    since_ms, until_ms = (round(datetime.fromisoformat(told[name]).timestamp() * 1000) for name in ("since", "until"))
    return Exclusion(stream=told["stream"], since_ms=since_ms, until_ms=until_ms)
