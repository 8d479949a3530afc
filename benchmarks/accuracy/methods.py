"""Every way to forecast a task: ours, the naive ones, the peers.

A method writes its forecasts to a file (:mod:`benchmarks.accuracy.quantiles`) and says what they cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy import naive
from benchmarks.accuracy.datasets import Protocol
from benchmarks.accuracy.quantiles import Writer
from benchmarks.accuracy.task import Task
from forecaster.records import Array

Report = Callable[[str], None]
Cost = dict[str, object]
Method = Callable[[Task, Path, Report], Cost]

BATCH = 256
"""Forecasts made at a time."""

ETS_LONGEST = 24
"""Longest season of statsforecast's AutoETS."""

NO_COVARIATES = "run without covariates, so the same as on the data set that has none"

FITTED_ANEW: tuple[Protocol, ...] = ("official", "rolling")
"""Where a method that is fitted at every origin can be run at all: elsewhere each step is an origin."""


class Skip(Exception):
    """A method cannot be run here; says why."""


@dataclass(frozen=True, slots=True)
class Statistical:
    """A model of statsforecast, fitted anew at every origin to what was known there.

    Where origins are rolling, at most ``most`` forecasts are made, evenly spread over time and streams: fits at long
    seasons take seconds. The row says of how many, and its skill is against the naive forecasts from the same origins.
    """

    model: str
    most: int

    def __call__(self, task: Task, path: Path, report: Report) -> Cost:
        """See :data:`Method`."""
        if task.dataset.protocol not in FITTED_ANEW:
            raise Skip("every step is an origin; fitting anew at each is not feasible")
        if task.dataset.future:
            raise Skip(NO_COVARIATES)
        try:
            from statsforecast import models
        except ImportError:
            raise Skip("statsforecast is not installed: pip install 'forecaster[peers]'") from None
        seasons = list(task.group.seasons) or [1]
        levels = np.array(task.group.levels)
        places = spread(len(task.rows), self.most if task.dataset.protocol == "rolling" else None)
        began_s, refused = time.process_time(), 0
        with Writer(path, (len(task.rows), task.dataset.horizon, len(levels))) as file:
            for number, place in enumerate(places):
                history = whole(known(task, place, task.dataset.window), seasons[0])
                if not history.size:
                    continue
                fits = [season for season in seasons if len(history) >= 2 * season] or [1]
                made = getattr(models, self.model)(season_length=fits if self.model == "MSTL" else fits[0])
                if self.model == "MSTL" and fits == [1]:
                    made = models.AutoETS(season_length=1)
                try:
                    found = made.forecast(y=history, h=task.dataset.horizon, level=[80, 95])
                except Exception:  # noqa: BLE001 - "no model able to be fitted" is a bare Exception
                    found = models.SeasonalNaive(fits[0]).forecast(y=history, h=task.dataset.horizon, level=[80, 95])
                    refused += 1
                file.put([place], quantiles_of(found, levels)[None])
                if number % 20 == 0:
                    report(f"{number / len(places):.0%}")
        spent_s = time.process_time() - began_s
        how = "defaults of statsforecast, fitted at each origin" + (
            f" to the last {task.dataset.window} steps" if task.dataset.window else ""
        )
        if self.model == "AutoETS" and seasons[0] > ETS_LONGEST:
            how += f"; without a season, as statsforecast's has none above {ETS_LONGEST}"
        if len(places) < len(task.rows):
            how += f"; a sample of {len(places)} of {len(task.rows)} origins, evenly spread"
        return {
            "forecast_seconds_per_1000": 1000 * spent_s / len(places),
            "origins": len(places),
            "choice": {"how": how, "season_length": seasons, "seasonal_naive_instead": refused},
        }


def quantiles_of(found: Mapping[str, Array], levels: Array) -> Array:
    """Mean and central intervals as quantiles, (H, Q): the level .1 is the lower end of the 80 % interval."""
    columns = []
    for level in levels.tolist():
        central = round(100 * abs(2 * level - 1))
        name = "mean" if central == 0 else f"{'lo' if level < 0.5 else 'hi'}-{central}"
        columns.append(np.asarray(found[name], float) if name in found else np.full(len(found["mean"]), np.nan))
    return np.stack(columns, -1)


def spread(count: int, most: int | None) -> list[int]:
    """Numbers of all forecasts or, when they are more than ``most``, of so many at even distances.

    Examples
    --------
    >>> spread(7, 3), spread(2, 3)
    ([0, 3, 6], [0, 1])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most or count)).round().astype(int)).tolist()


def known(task: Task, place: int, width: int | None) -> Array:
    """What was known of a stream at an origin, without what was before its first value."""
    history = task.history.values[task.rows[place], : task.columns[place]]
    begin = int(np.isfinite(history).argmax())
    return history[begin:] if width is None else history[max(begin, len(history) - width) :]


def whole(history: Array, season: int) -> Array:
    """From the first value on, gaps filled with the value a season before, else with the last; peers know no gaps.

    Empty when nothing was observed.

    Examples
    --------
    >>> whole(np.array([np.nan, 1.0, np.nan, 3.0, np.nan]), 2)
    array([1., 1., 3., 1.])
    """
    seen = np.flatnonzero(np.isfinite(history))
    filled = history[seen[0] :].copy() if seen.size else history[:0]
    for step in np.flatnonzero(np.isnan(filled)).tolist():
        filled[step] = filled[step - season] if step >= season else filled[step - 1]
    return filled


@dataclass(frozen=True, slots=True)
class Naive:
    """A forecast that is read off the last seasons; ``seasons``: how many."""

    forecast: Callable[[Array, int, int, Array], Array]
    seasons: int = naive.SEASONS

    def __call__(self, task: Task, path: Path, report: Report) -> Cost:
        """See :data:`Method`."""
        levels = np.array(task.group.levels)
        began_s = time.process_time()
        with Writer(path, (len(task.rows), task.dataset.horizon, len(levels))) as file:
            for first in range(0, len(task.rows), BATCH):
                which = slice(first, min(first + BATCH, len(task.rows)))
                past = task.past(which, self.seasons * task.season)
                found = self.forecast(past, task.dataset.horizon, task.season, levels)
                file.put(range(which.start, which.stop), found)
        spent_s = time.process_time() - began_s
        return {"forecast_seconds_per_1000": 1000 * spent_s / len(task.rows), "choice": {"season": task.season}}


def naive2(task: Task, path: Path, report: Report) -> Cost:
    """The comparison method of the M4 competition; see :data:`Method`."""
    if task.dataset.protocol != "official":
        raise Skip("defined for competitions only")
    levels = np.array(task.group.levels)
    with Writer(path, (len(task.rows), task.dataset.horizon, len(levels))) as file:
        for place in range(len(task.rows)):
            found = naive.naive2(whole(known(task, place, None), task.season), task.dataset.horizon, task.season)
            file.put([place], naive.points(found[None], levels))
    return {"choice": {"season": task.season}}


def ours(task: Task, path: Path, report: Report) -> Cost:
    """The product; see :data:`Method`."""
    from benchmarks.accuracy.product import run  # imports torch

    return run(task, path, report)


def neural(task: Task, path: Path, report: Report) -> Cost:
    """The GRU of NeuralForecast; see :data:`Method`."""
    from benchmarks.accuracy.neural import run

    return run(task, path, report)


METHODS: dict[str, Method] = {
    "snaive": Naive(naive.snaive),
    "climatology28": Naive(naive.climatology),
    "persistence": Naive(naive.last),
    "naive2": naive2,
    "ours": ours,
    "AutoETS": Statistical("AutoETS", 100),
    "DynamicOptimizedTheta": Statistical("DynamicOptimizedTheta", 1000),
    "MSTL": Statistical("MSTL", 200),
    "NeuralForecastGRU": neural,
}
"""By the name that the command line and the results give them. The naive ones first: others are measured by them."""

OPPONENTS = ("snaive", "climatology28")
"""Skill is against the better of these."""
