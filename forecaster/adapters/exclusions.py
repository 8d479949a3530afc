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
        told = [_stretch(one) for one in self._read()]
        return (*group.exclude, *(exclusion for name, exclusion in told if name == group.name))

    def add(self, group: str, exclusion: Exclusion) -> None:
        """Remember one more."""
        since, until = rfc3339(exclusion.since_ms), rfc3339(exclusion.until_ms)
        told = [*self._read(), {"group": group, "stream": exclusion.stream, "since": since, "until": until}]
        with whole_file(self._path) as file:
            file.write(json.dumps(told, indent=2).encode() + b"\n")

    def _read(self) -> list[dict[str, str]]:
        try:
            told: list[dict[str, str]] = json.loads(self._path.read_text())
            if not isinstance(told, list):
                raise TypeError
            for one in told:
                _stretch(one)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            shape = "it holds something else than a list of objects with group, stream, since and until"
            why = shape if isinstance(error, TypeError | KeyError) else error
            raise StoreError(f"{self._path}: cannot be read ({why}); mend it or move it away") from error
        return told


def _stretch(told: dict[str, str]) -> tuple[str, Exclusion]:
    """The group and the stretch of an entry; KeyError, TypeError or ValueError when it is none."""
    since_ms, until_ms = (round(datetime.fromisoformat(told[name]).timestamp() * 1000) for name in ("since", "until"))
    return told["group"], Exclusion(stream=str(told["stream"]), since_ms=since_ms, until_ms=until_ms)
