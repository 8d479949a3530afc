"""Which covariate series stands beside which stream.

A covariate belongs to every stream with the same value for each capture they share: ``weather/{home}/temperature``
to all meters of that home, ``weather/temperature`` to everybody.
"""

from __future__ import annotations

import re
from collections import defaultdict

from forecaster.records import Series
from forecaster.settings import Group

Key = tuple[tuple[str, str], ...]
"""Shared captures and their values."""


def captures(topic: str) -> set[str]:
    """Names captured by a topic filter.

    Examples
    --------
    >>> sorted(captures("home/{home}/{meter}/energy"))
    ['home', 'meter']
    """
    return set(re.findall(r"\{(\w+)\}", topic))


class Links:
    """Pairs of stream and covariate, found as series appear in any order."""

    def __init__(self, group: Group) -> None:
        streams = set().union(*(captures(source.topic) for source in group.targets))
        covariates = [index for index, source in enumerate(group.sources) if source.role != "target"]
        self._channel = {index: channel for channel, index in enumerate(covariates, start=1)}
        self._shared = {self._channel[index]: captures(group.sources[index].topic) & streams for index in covariates}
        self._covariate: dict[tuple[int, Key], int] = {}
        self._streams: dict[tuple[int, Key], list[int]] = defaultdict(list)

    def add(self, row: int, series: Series) -> list[tuple[int, int, int]]:
        """A series has appeared in this row; the links it makes, as (stream row, channel, covariate row)."""
        own = self._channel.get(series.source)
        if own is not None:
            key = self._key(own, series)
            self._covariate[own, key] = row
            return [(stream, own, row) for stream in self._streams[own, key]]
        found = []
        for channel in self._shared:
            key = self._key(channel, series)
            self._streams[channel, key].append(row)
            if (channel, key) in self._covariate:
                found.append((row, channel, self._covariate[channel, key]))
        return found

    def _key(self, channel: int, series: Series) -> Key:
        return tuple((name, value) for name, value in sorted(series.labels) if name in self._shared[channel])
