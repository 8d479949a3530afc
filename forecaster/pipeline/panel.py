"""History as arrays: stored steps onto the grid, covariates beside their targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.inputs import Dataset
from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.links import Links
from forecaster.pipeline.spikes import winsorized
from forecaster.ports import Columns
from forecaster.records import Panel, Series
from forecaster.settings import Group


def panel(series: Sequence[Series], columns: Columns, grid: Grid) -> Panel:
    """Steps on their grid, each in the cell that holds its start. No steps give a panel of no columns."""
    if len(columns.start_ms) == 0:
        return Panel(series=tuple(series), first=0, values=np.empty((len(series), 0)))
    index = grid.indices(columns.start_ms)
    first, last = int(index.min()), int(index.max())
    values = np.full((len(series), last - first + 1), np.nan)
    values[columns.series, index - first] = columns.values
    return Panel(series=tuple(series), first=first, values=values)


def dataset(history: Panel, group: Group, grid: Grid) -> Dataset:
    """A panel with the covariates of each stream beside it, spikes drawn in; what a network is trained on."""
    links = Links(group)
    known = [(row, one) for row, one in enumerate(history.series) if one.source < len(group.sources)]
    streams = [row for row, one in known if group.sources[one.source].role == "target"]
    slot = {row: number for number, row in enumerate(streams)}
    steps = history.values.shape[1]
    values = np.full((len(streams), len(group.channels), steps), np.nan)
    told = [row for row, one in known if group.sources[one.source].role == "future"]  # ahead of time, not measured
    taken = winsorized(history.values, group.past, group.season)
    taken[told] = history.values[told]
    values[:, 0] = taken[streams]
    for row, one in known:
        for stream, channel, covariate in links.add(row, one):
            values[slot[stream], channel] = taken[covariate]
    count = steps + group.horizon
    return Dataset(
        streams=tuple(history.series[row].name for row in streams),
        values=values,
        calendar=grid.calendar(history.first, count, group.calendar),
        shift=grid.shift(history.first, count),
        roles=group.channels,
    )
