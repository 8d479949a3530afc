"""What is stored, as the present settings would have it: sources may have come, gone or moved, and steps changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.excluded import mask
from forecaster.pipeline.panel import panel
from forecaster.pipeline.topics import TopicFilter, covariate_name, target_name
from forecaster.ports import Columns
from forecaster.records import Array, Panel, Series
from forecaster.settings import Group, Source

LEVEL, LEVELS = "\0", "\0\0"
"""In the place of what was captured by ``+`` and by ``#``, and so is not known. No topic holds them."""

NEARLY = 0.12
"""Months differ in length, and days when the clock changes."""

parsed = lru_cache(TopicFilter.parse)


def remembered(series: Sequence[Series], steps: Columns, group: Group, grid: Grid) -> Panel:
    """:func:`as_now` on the grid of the group, without what is excluded."""
    return mask(panel(*as_now(series, steps, group, grid), grid), group.exclude, grid)


def as_now(series: Sequence[Series], steps: Columns, group: Group, grid: Grid) -> tuple[tuple[Series, ...], Columns]:
    """Stored steps, as the present settings of the group would have closed them.

    Series whose source is gone are left out. Steps that were shorter are put together; ones that were longer tell
    nothing about the shorter ones of now, and are left out.
    """
    present, steps = of_sources(series, steps, group)
    return present, of_steps(present, steps, group, grid)


def of_sources(series: Sequence[Series], steps: Columns, group: Group) -> tuple[tuple[Series, ...], Columns]:
    """The series that present sources tell of, under the numbers these have now."""
    now: list[Series] = []
    place = np.full(len(series), -1, np.int32)
    for row, one in enumerate(series):
        source = source_of(one, group.sources)
        if source is not None:
            place[row] = len(now)
            now.append(replace(one, source=source))
    there = place[steps.series] >= 0
    kept = _some(steps, there)
    return tuple(now), replace(kept, series=place[kept.series])


def source_of(series: Series, sources: Sequence[Source]) -> int | None:
    """Number of the source that would call a stream so.

    Of several the one that leaves least open, and among those the one it had.
    """
    fitting = [number for number, source in enumerate(sources) if _tells_of(source, series)]

    def rank(number: int) -> tuple[int, bool]:
        return parsed(sources[number].topic).names.count(""), number != series.source

    return min(fitting, key=rank, default=None)


def _tells_of(source: Source, series: Series) -> bool:
    """A target is called by what its topic captured; a covariate by its topic."""
    topic = parsed(source.topic)
    if (source.role == "target") == series.name.startswith("~"):
        return False
    if source.role != "target":
        carried = series.name[1:].partition("#")[0]
        return topic.match(carried) is not None and _called(covariate_name(carried, source.value), source, series)
    labels = dict(series.labels)
    if sorted(labels) != sorted(name for name in topic.names if name):
        return False
    several = LEVELS if topic.mqtt.endswith("#") else LEVEL
    unnamed = [LEVEL] * (topic.names.count("") - 1) + [several]
    captures = tuple((name, labels[name] if name else unnamed.pop(0)) for name in topic.names)
    return _called(target_name(captures, source.topic, source.name), source, series)


def _called(name: str, source: Source, series: Series) -> bool:
    """So, or as an element of the array that is called so."""
    element = r"(/\d+)?" if "[*]" in (source.value or "") else ""
    if LEVEL not in name:  # as nearly always: an expression for each of 100 000 streams would take seconds
        return series.name.startswith(name) and re.fullmatch(element, series.name[len(name) :]) is not None
    pattern = re.escape(name).replace(re.escape(LEVELS), ".+").replace(re.escape(LEVEL), "[^/]+")
    return re.fullmatch(pattern + element, series.name, re.DOTALL) is not None


def of_steps(series: Sequence[Series], steps: Columns, group: Group, grid: Grid) -> Columns:
    """Stored steps, ordered by series and start, in the step of now.

    How long each was is not stored, but shows by its neighbours, for gaps are stored too. One as long as those of now
    (a day of another time zone, say) goes where its middle lies; what is told once or ahead stays where it is.
    """
    if not len(steps.start_ms):
        return steps
    index = grid.indices(steps.start_ms)
    start_ms, length = _cells(index, grid)
    own = _lengths(steps, length)
    parts = length / own
    roles = np.array([group.sources[one.source].role for one in series])[steps.series]
    measured = (roles != "static") & (roles != "future")
    alike = np.abs(own / length - 1) < NEARLY
    shorter = measured & ~alike & (parts > 1) & (np.abs(parts - np.round(parts)) < NEARLY)
    moved = measured & alike & (steps.start_ms != start_ms)
    kept = alike | ~measured
    if kept.all() and not moved.any():
        return steps
    middle = grid.starts(grid.indices(steps.start_ms[moved] + own[moved] // 2))
    at_ms = steps.start_ms.copy()
    at_ms[moved] = middle
    aggregates = np.array([group.sources[one.source].aggregate for one in series])
    whole = _together(_some(steps, shorter), index[shorter], start_ms[shorter], np.round(parts[shorter]), aggregates)
    rest = _some(replace(steps, start_ms=at_ms), kept)
    return Columns(
        series=np.concatenate([whole.series, rest.series]),
        start_ms=np.concatenate([whole.start_ms, rest.start_ms]),
        values=np.concatenate([whole.values, rest.values]),
    )


def _cells(index: Array, grid: Grid) -> tuple[Array, Array]:
    """Start and length of cells (N,), in milliseconds."""
    cells, back = np.unique(index, return_inverse=True)
    starts = grid.starts(cells)
    return starts[back], (grid.starts(cells + 1) - starts)[back]


def _lengths(steps: Columns, alone: Array) -> Array:
    """How long each step was: as far as its nearest neighbour; where it has none, ``alone`` (N,) says."""
    apart = np.where(steps.series[1:] == steps.series[:-1], np.diff(steps.start_ms), np.iinfo(np.int64).max)
    none = np.full(1, np.iinfo(np.int64).max)
    nearest = np.minimum(np.concatenate([apart, none]), np.concatenate([none, apart]))
    return np.where(nearest == none, alone, nearest)


def _some(steps: Columns, which: Array) -> Columns:
    return Columns(series=steps.series[which], start_ms=steps.start_ms[which], values=steps.values[which])


def _together(steps: Columns, index: Array, start_ms: Array, parts: Array, aggregates: Array) -> Columns:
    """Shorter steps as those of now of which all parts are there.

    ``index`` and ``start_ms`` (N,) tell the cell each lies in, ``parts`` how many make it up, ``aggregates`` of each
    series how.
    """
    if not len(index):
        return steps
    begins = np.concatenate([[True], (np.diff(steps.series) != 0) | (np.diff(index) != 0)])
    first = np.flatnonzero(begins)
    count = np.diff(np.concatenate([first, [len(index)]]))
    total = np.add.reduceat(steps.values, first)
    ways = {
        "sum": total,
        "mean": total / count,
        "min": np.minimum.reduceat(steps.values, first),
        "max": np.maximum.reduceat(steps.values, first),
        "last": steps.values[first + count - 1],
    }
    how = aggregates[steps.series[first]]
    values = np.select([how == way for way in ways], list(ways.values()))
    whole = count >= parts[first]
    return Columns(series=steps.series[first][whole], start_ms=start_ms[first][whole], values=values[whole])
