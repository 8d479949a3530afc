"""Rows of the result file, and the table a person reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.accuracy import measures
from benchmarks.accuracy.methods import OPPONENTS
from benchmarks.accuracy.runs import Outcome
from benchmarks.accuracy.score import Scored, score, skill, worse
from benchmarks.accuracy.task import Task

Row = dict[str, object]

MEASURES = (
    *("smape", "mase", "owa", "mape", "mae", "mse", "pinball"),
    *("coverage80", "coverage95", "width80", "msis", "skill"),
)
COSTS = ("train_seconds", "forecast_seconds_per_1000", "peak_memory_mb")
NAN = float("nan")


class Board:
    """The results of one task at one number of leads, in the order in which they come in.

    Parameters
    ----------
    task
        Already cut to the streams that are forecast.
    leads
        Score the first so many leads; None: all.
    """

    def __init__(self, task: Task, leads: int | None = None) -> None:
        self.task = task
        self.leads = leads
        self.name = task.dataset.name + (f"_{leads}" if leads else "")
        self._compared: dict[str, Scored] = {}

    def measure_by(self, outcome: Outcome) -> None:
        """Score one of those that others are compared with.

        Raises
        ------
        ValueError
            When it could not be run: then nothing can be compared.
        """
        if outcome.path is None:
            raise ValueError(f"{self.name}, {outcome.request.method}: {outcome.skipped}")
        self._compared[outcome.request.method] = score(self.task, [outcome.path], self.leads)

    def rows(self, outcomes: Sequence[Outcome]) -> list[Row]:
        """One method with all its seeds: the mean over single runs and, where there are several, their median."""
        request = outcomes[0].request
        skipped = [one for one in outcomes if one.path is None]
        if skipped:
            return [self._row(request.method, outcomes, {}, {}) | {"skipped": skipped[0].skipped, "origins": 0}]
        known = self._compared.get(request.method)
        singles = [known or score(self.task, [one.path], self.leads) for one in outcomes if one.path is not None]
        told = [self._measured(one) for one in singles]
        mean = {name: float(np.mean([one[name] for one in told])) for name in MEASURES}
        found = [self._row(request.method, outcomes[:1], mean, self._also(singles[0]))]
        if len(outcomes) > 1:
            found[0] |= {"seeds": len(outcomes), "per_seed": told}
            found[0] |= {name: float(np.mean([_number(one.cost.get(name)) for one in outcomes])) for name in COSTS}
            together = score(self.task, [one.path for one in outcomes if one.path is not None], self.leads)
            extra = self._also(together)
            found.append(self._row(f"{request.method}_ensemble", outcomes, self._measured(together), extra))
        return found

    def _measured(self, own: Scored) -> dict[str, float]:
        by = self._compared.get("naive2")
        opponents = [one for name, one in self._compared.items() if name in OPPONENTS]
        found = {
            **own.measures,
            "skill": skill(own, opponents),
            "owa": NAN,
        }
        if by is not None:
            found["owa"] = measures.owa(
                own.measures["smape"], own.measures["mase"], by.measures["smape"], by.measures["mase"]
            )
        return {name: found[name] for name in MEASURES}

    def _also(self, own: Scored) -> Row:
        climatology = self._compared.get("climatology28")
        return {
            "leads": own.buckets,
            "missing": own.missing,
            "streams": int(np.isfinite(own.streams).sum()),
            "worse_than_climatology": worse(self.task, own, climatology) if climatology else None,
        }

    def _row(self, method: str, outcomes: Sequence[Outcome], found: Mapping[str, float], also: Row) -> Row:
        """One object of the result file; the cost is that of all the outcomes together."""
        costs = [one.cost for one in outcomes]
        row: Row = {
            "dataset": self.name,
            "method": method,
            "cell": outcomes[0].request.cell or costs[0].get("cell"),
            "seeds": len(outcomes),
            **{name: found.get(name, NAN) for name in MEASURES},
            "train_seconds": sum(_number(cost.get("train_seconds")) for cost in costs),
            "forecast_seconds_per_1000": sum(_number(cost.get("forecast_seconds_per_1000")) for cost in costs),
            "peak_memory_mb": max(_number(cost.get("peak_memory_mb")) for cost in costs),
            "choice": costs[0].get("choice"),
            "origins": costs[0].get("origins", len(self.task.rows)),
            **also,
        }
        return row

    def table(self, rows: Sequence[Row]) -> Table:
        """For the terminal: what was measured, what is aimed at, what others have published."""
        dataset = self.task.dataset
        shown = dataset.record
        table = Table(title=f"{self.name}: {len(self.task.rows):,} forecasts", title_justify="left")
        table.add_column("method", no_wrap=True)
        for name in (*shown, "train s", "s / 1000", "MB"):
            table.add_column(name.removeprefix("coverage"), justify="right", no_wrap=True)
        skipped = [f"{row['method']} skipped: {row['skipped']}" for row in rows if "skipped" in row]
        table.caption, table.caption_justify = "\n".join(skipped) or None, "left"
        for row in rows:
            if "skipped" in row:
                continue
            numbers = [_number(row.get(name)) for name in (*shown, *COSTS)]
            cell = f" {row['cell']}" if row["cell"] else ""
            seeds = f" × {row['seeds']}" if row["seeds"] != 1 else ""
            table.add_row(f"{row['method']}{cell}{seeds}", *map(_short, numbers))
        table.add_section()
        for who, values in {**dataset.known, "to reach": dataset.reach}.items():
            if here := at_leads(values, self.leads):
                style = "bold" if who == "to reach" else "dim"
                table.add_row(who, *(_short(here.get(name, NAN)) for name in shown), style=style)
        return table


def at_leads(values: Mapping[str, float], leads: int | None) -> dict[str, float]:
    """Numbers of a line of the benchmark; those of a name with ``@`` are for so many leads only.

    >>> at_leads({"mae": 1.0, "mse@1": 2.0, "mse@24": 3.0}, 24)
    {'mae': 1.0, 'mse': 3.0}
    """
    split = {tuple(name.partition("@")[::2]): value for name, value in values.items()}
    return {name: value for (name, at), value in split.items() if not at or at == str(leads)}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else NAN


def _short(value: float) -> str:
    return "" if value != value else f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def plain(value: object) -> object:
    """As JSON has it: null for what does not apply."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def merge(path: Path, rows: Sequence[Row]) -> None:
    """Put rows into a result file, in place of those of the same data set, method and cell."""
    old = json.loads(path.read_text()) if path.exists() else []
    made = {_key(row) for row in rows}
    kept = [row for row in old if _key(row) not in made]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept + [plain(row) for row in rows], indent=1, allow_nan=False) + "\n")


def _key(row: Mapping[str, object]) -> tuple[object, ...]:
    return row["dataset"], row["method"], row["cell"]
