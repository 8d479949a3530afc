"""A data set as arrays: what may be learned, what is streamed, where forecasts are made, what was true.

Shape letters: **R** series, **T** steps, **N** forecasts, **H** horizon, **W** steps of the past.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.datasets import FREQUENCIES, Borders, DataSet
from benchmarks.accuracy.measures import seasonal_error
from forecaster import config
from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.panel import panel
from forecaster.ports import Columns
from forecaster.records import Array, Panel, Series
from forecaster.settings import Group

if TYPE_CHECKING:
    from pandas import DataFrame

HOUR_MS = 3_600_000
YEAR = 12
"""In months."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One data set, cut up.

    Attributes
    ----------
    dataset, group
        The line, and the product's settings for it.
    history
        All series with all their values, the true ones of the test too.
    learn
        int64 (R,), first column of each series that a training may not see.
    end
        int64 (R,), first column of each series that is never streamed.
    rows, columns
        int64 (N,): forecast n is of series ``rows[n]``, made when the columns before ``columns[n]`` were known; its
        lead 1 is column ``columns[n]``. In order of time.
    unit
        float64 (R,), what errors are divided by before they are averaged: 1, or a standard deviation.
    """

    dataset: DataSet
    group: Group
    history: Panel
    learn: Array
    end: Array
    rows: Array
    columns: Array
    unit: Array

    @property
    def season(self) -> int:
        """Of MASE and of the naive forecasts."""
        return self.group.seasons[0] if self.group.seasons else 1

    @property
    def grid(self) -> Grid:
        """On which the columns lie."""
        return Grid(self.group.step, self.group.timezone)

    def before(self, first: Array) -> Panel:
        """The history without what lies at or after a column of each series, (R,); it ends where the last one does."""
        values = self.history.values[:, : int(first.max())].copy()
        values[np.arange(values.shape[1]) >= first[:, None]] = np.nan
        return replace(self.history, values=values)

    def truth(self, which: slice) -> Array:
        """What came, (n, H); NaN where it is not known."""
        ahead = self.columns[which, None] + np.arange(self.dataset.horizon)
        values = self.history.values
        inside = ahead < values.shape[1]
        return np.where(inside, values[self.rows[which, None], np.where(inside, ahead, 0)], np.nan)

    def past(self, which: slice, width: int) -> Array:
        """The last ``width`` steps before each origin, (n, W); NaN before the beginning."""
        back = self.columns[which, None] + np.arange(-width, 0)
        return np.where(back >= 0, self.history.values[self.rows[which, None], np.maximum(back, 0)], np.nan)

    def scale(self) -> Array:
        """Denominator of MASE, (R,): the error of a season-old value in what may be learned."""
        return np.array(
            [seasonal_error(row[:cut], self.season) for row, cut in zip(self.history.values, self.learn, strict=True)]
        )


def task_of(dataset: DataSet, folder: Path, *, streams: int | None = None, **said: object) -> Task:
    """Read a data set and cut it.

    Parameters
    ----------
    dataset
        The line.
    folder
        Where the files are.
    streams
        Forecast at most so many, evenly spread; for a quick look.
    said
        What is to differ from the product's defaults, as in its configuration: ``network``, ``training``.
    """
    table = read(folder / dataset.file, dataset)
    names = sorted(set(table["stream"]) - set(dataset.future)) if not dataset.streams else list(dataset.streams)
    if streams is not None:
        names = [names[int(place)] for place in np.unique(np.linspace(0, len(names) - 1, streams).round())]
    group = group_of(dataset, **said)
    beside = [read(folder / file, dataset) for file in dataset.also]
    others = [other.assign(stream="also " + other["stream"]) for other in beside]
    if group.step.unit == "month" and not dataset.future:
        now = table["start_ms"][~table["tested"]].max()
        table, *others = (alive(one, now, Grid(group.step, group.timezone)) for one in (table, *others))
    series = [Series(name=name, source=0, labels=(("stream", name),)) for name in names]
    series += [Series(name=name, source=1 + index, labels=()) for index, name in enumerate(dataset.future)]
    extra = [name for other in others for name in sorted(set(other["stream"]))]
    series += [Series(name=name, source=0, labels=(("stream", name),)) for name in extra]
    rows = {one.name: row for row, one in enumerate(series)}
    parts = [table[table["stream"].isin(rows)], *others]
    steps = Columns(
        series=np.concatenate([part["stream"].map(rows).to_numpy(np.int32) for part in parts]),
        start_ms=np.concatenate([part["start_ms"].to_numpy(np.int64) for part in parts]),
        values=np.concatenate([part["value"].to_numpy(float) for part in parts]),
    )
    history = panel(series, steps, Grid(group.step, group.timezone))
    tested = np.concatenate([part["tested"].to_numpy(bool) for part in parts])
    cells = Grid(group.step, group.timezone).indices(steps.start_ms) - history.first
    cut = np.full(len(series), history.values.shape[1])
    np.minimum.at(cut, steps.series[tested], cells[tested])
    return cut_up(dataset, group, history, len(names), cut)


def cut_up(dataset: DataSet, group: Group, history: Panel, targets: int, cut: Array) -> Task:
    """Lay the origins; ``cut`` (R,) is where each series' test part begins by the file."""
    seen = np.isfinite(history.values)
    count = history.values.shape[1]
    end = count - seen[:, ::-1].argmax(1)  # (R,)
    unit = np.ones(len(end))
    covariates = np.array([one.source > 0 for one in history.series])
    match dataset.protocol:
        case "official":
            learn, end = cut, cut
            origins = [(int(cut[row]), row) for row in range(targets)]
        case "rolling":
            season = min(group.seasons, default=dataset.horizon)
            begin = seen.argmax(1)
            fifth = np.minimum((end - begin) // 5, 60 * season)
            scored = np.maximum(fifth if dataset.scored == 0 else dataset.scored, dataset.horizon)
            learn = np.where(np.arange(len(end)) < targets, end - scored, end)
            learn[covariates] = learn[:targets].max()
            last = end - dataset.horizon
            origins = [
                (column, row)
                for row in range(targets)
                for column in range(int(learn[row]), int(last[row]) + 1, dataset.every or season)
            ]
        case _:
            borders = dataset.borders or Borders(unit=count, learn=count, test=count, end=count)
            learn, end = np.full(len(end), borders.learn), np.full(len(end), borders.end)
            unit = history.values[:, : borders.unit].std(1)
            origins = [
                (column, row)
                for column in range(borders.test, borders.end - dataset.horizon + 1)
                for row in range(targets)
            ]
    columns, rows = np.array(sorted(origins), np.int64).reshape(-1, 2).T
    return Task(
        dataset=dataset, group=group, history=history, learn=learn, end=end, rows=rows, columns=columns, unit=unit
    )


def read(path: Path, dataset: DataSet) -> DataFrame:
    """Readings of a Parquet file: ``stream``, ``start_ms`` (UTC), ``value``, ``tested``, gaps left out."""
    import pandas as pd

    table = pd.read_parquet(path)
    stamps = pd.to_datetime(table["timestamp"], utc=True).astype("datetime64[ms, UTC]").astype("int64")
    split = table["split"].astype(str) if "split" in table else pd.Series("", index=table.index)
    long = pd.DataFrame(
        {
            "stream": table["stream"].astype(str),
            "start_ms": stamps - round(dataset.clock_h * HOUR_MS),
            "value": table["value"].astype(float),
            "tested": split == "test",
        }
    )
    return long[long["value"].notna()]


def alive(table: DataFrame, now_ms: int, months: Grid) -> DataFrame:
    """Streams by the month, each moved in time by whole years so that what is known of it ends within a year of now.

    Series of a collection end when somebody ceased to write them down; a service forecasts streams that are alive at
    the same time.
    """
    cells = table[["stream", "tested"]].assign(cell=months.indices(table["start_ms"].to_numpy()))
    last = cells[~cells["tested"]].groupby("stream")["cell"].max()
    later = (months.index(now_ms) - last) // YEAR * YEAR
    moved = cells["cell"] + cells["stream"].map(later).fillna(0).astype(np.int64)
    return table.assign(start_ms=months.starts(moved.to_numpy()))


def group_of(dataset: DataSet, **said: object) -> Group:
    """The product's settings, read from the configuration file that an operator with these data would write.

    Raises
    ------
    forecaster.errors.ConfigurationError
        When the line asks for what the product refuses.
    """
    group: dict[str, object] = {
        "streams": [{"topic": f"{dataset.name}/{{stream}}"}],
        "step": FREQUENCIES.get(dataset.frequency.lower(), dataset.frequency),
        "timezone": dataset.timezone,
        "horizon": dataset.horizon,
        "lateness": "0s",
        "bounds": dataset.bounds,
        **said,
    }
    if dataset.seasons:
        group["season"] = dataset.seasons
    if dataset.future:
        known = [{"topic": f"beside/{name}", "known": "future"} for name in dataset.future]
        group["covariates"] = [*group_of(replace(dataset, future=())).calendar, *known]
    name = dataset.name.replace(".", "_")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "configuration.yaml"  # JSON is YAML too
        path.write_text(json.dumps({"mqtt": {"url": "mqtt://127.0.0.1"}, "clock": "events", "groups": {name: group}}))
        return config.load(path, {}).groups[0]
