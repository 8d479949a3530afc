"""What is stored, as the present settings would have it: sources may have come, gone or moved, and steps changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.panel import mask, panel
from forecaster.pipeline.topics import TopicFilter, covariate_name, target_name
from forecaster.ports import Columns
from forecaster.records import Array, Panel, Series
from forecaster.settings import Aggregate, Group, Source

ANY = "\0"
"""In the place of what was captured without a name, and so is not known. No topic holds it."""


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
    """Number of the source that would call a stream so; of several that it had, where that is one of them."""
    fitting = [number for number, source in enumerate(sources) if _tells_of(source, series)]
    return series.source if series.source in fitting else next(iter(fitting), None)


def _tells_of(source: Source, series: Series) -> bool:
    """A target is called by what its topic captured; a covariate by its topic."""
    topic = TopicFilter.parse(source.topic)
    if (source.role == "target") == series.name.startswith("~"):
        return False
    if source.role != "target":
        carried = series.name[1:].partition("#")[0]
        return topic.match(carried) is not None and _called(covariate_name(carried, source.value), source, series)
    labels = dict(series.labels)
    if sorted(labels) != sorted(name for name in topic.names if name):
        return False
    captures = tuple((name, labels.get(name, ANY)) for name in topic.names)
    return _called(target_name(captures, source.topic, source.name), source, series)


def _called(name: str, source: Source, series: Series) -> bool:
    """So, or as an element of the array that is called so."""
    pattern = ".+".join(map(re.escape, name.split(ANY))) + (r"(/\d+)?" if "[*]" in (source.value or "") else "")
    return re.fullmatch(pattern, series.name, re.DOTALL) is not None


def of_steps(series: Sequence[Series], steps: Columns, group: Group, grid: Grid) -> Columns:
    """Stored steps, ordered by series and start, in the step of now.

    What step they were is not stored, but shows. Up to the last that does not begin where steps of now do, they were
    shorter (or the time zone another). Up to the first two neighbours of any stream, they were longer.
    """
    if not len(steps.start_ms):
        return steps
    index = grid.indices(steps.start_ms)
    targets = np.array([group.sources[one.source].role == "target" for one in series])[steps.series]
    near = targets[1:] & (steps.series[1:] == steps.series[:-1]) & (np.diff(index) <= 1)
    since = steps.start_ms[:-1][near].min(initial=np.iinfo(np.int64).max)
    kept = ~targets | (steps.start_ms >= since) if near.any() else np.ones(len(index), bool)
    off = steps.start_ms != grid.starts(index)
    shorter = kept & (steps.start_ms <= steps.start_ms[off].max(initial=np.iinfo(np.int64).min))
    if kept.all() and not shorter.any():
        return steps
    together = [
        _together(_some(steps, shorter & (steps.series == row)), group.sources[one.source].aggregate, grid)
        for row, one in enumerate(series)
    ]
    parts = [*together, _some(steps, kept & ~shorter)]
    columns = zip(*((part.series, part.start_ms, part.values) for part in parts), strict=True)
    rows, start_ms, values = (np.concatenate(column) for column in columns)
    return Columns(series=rows, start_ms=start_ms, values=values)


def _some(steps: Columns, which: Array) -> Columns:
    return Columns(series=steps.series[which], start_ms=steps.start_ms[which], values=steps.values[which])


def _together(steps: Columns, aggregate: Aggregate, grid: Grid) -> Columns:
    """Shorter steps of one series as the steps of now, of which all parts are there."""
    if not len(steps.start_ms):
        return steps
    cells, first, count = np.unique(grid.indices(steps.start_ms), return_index=True, return_counts=True)
    starts = grid.starts(cells)
    length = grid.starts(cells + 1) - starts
    spacing = np.median(np.diff(steps.start_ms)) if len(steps.start_ms) > 1 else length[0]
    match aggregate:
        case "sum":
            values = np.add.reduceat(steps.values, first)
        case "mean":
            values = np.add.reduceat(steps.values, first) / count
        case "min":
            values = np.minimum.reduceat(steps.values, first)
        case "max":
            values = np.maximum.reduceat(steps.values, first)
        case "last":
            values = steps.values[first + count - 1]
    whole = count >= np.round(length / spacing)
    return Columns(series=steps.series[first][whole], start_ms=starts[whole], values=values[whole])
