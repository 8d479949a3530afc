"""The product under test: its own training, then every reading through its own engine.

Nothing here is a second implementation. :func:`forecaster.nets.fit.train` makes the network;
:meth:`forecaster.pipeline.engine.Engine.handle` is told of the readings step by step, and what it issues is scored.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy.methods import Report
from benchmarks.accuracy.quantiles import Writer
from benchmarks.accuracy.task import Task
from forecaster.backtest import of_steps, readings
from forecaster.nets.baseline import naives
from forecaster.nets.fit import Trained, train
from forecaster.nets.predictor import NetworkPredictor
from forecaster.nets.weights import judged
from forecaster.pipeline.engine import Engine
from forecaster.pipeline.panel import dataset
from forecaster.ports import Progress
from forecaster.records import Array, Issued, ModelReady, Panel, Tick
from forecaster.settings import Group, Mqtt, Settings

VERSION = "ours"
"""What the engine calls our networks."""

PRELUDE = 1000
"""Steps forecast before the first origin that counts, as by a service that has been running: its intervals are then
being calibrated, by forecasts of the network as it was judged, and the window is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a training cost and found: the network to serve, and the one that was judged, with its weights."""

    model: NetworkPredictor
    judged: NetworkPredictor
    weights: dict[str, Array]
    seconds: float
    note: dict[str, object]


def run(task: Task, path: Path, report: Report) -> dict[str, object]:
    """Train, stream, write the forecasts; what it cost and what was chosen."""
    group = of_steps(task.group)
    first = fit(task, group, task.before(task.learn), None, report)
    engine = Engine(Settings(mqtt=Mqtt(url=""), groups=(group,), clock="events"), naives)
    champion = first if first and first.note["promoted"] else None
    if champion:
        engine.handle([ModelReady(group.name, VERSION, champion.judged)])
    streamed, begin = fed(task)
    grid = task.grid
    places = where(task)
    row_of = {one.name: row for row, one in enumerate(task.history.series)}
    fitted, served = [first] if first else [], Counter[str]()
    spent_s, issued, columns = 0.0, 0, streamed.values.shape[1]
    events = readings(group, streamed, grid, begin)
    last, counts = Tick(grid.start(streamed.first + columns)), int(task.columns.min())
    with Writer(path, (len(task.rows), group.horizon, len(group.levels))) as file:
        for column in range(begin, columns + 1):
            if column == counts and champion:  # until here a network that had not learned what it forecasts
                engine.handle([ModelReady(group.name, VERSION, champion.model)])
            if due(task, column):
                known = task.before(np.minimum(task.end, column))
                newer = fit(task, group, known, champion, report)
                fitted += [newer] if newer else []
                if newer and newer.note["promoted"]:
                    champion = newer
                    engine.handle([ModelReady(group.name, VERSION, champion.model)])
            began_s = time.process_time()
            effects = engine.handle([next(events) if column < columns else last])
            spent_s += time.process_time() - began_s
            for effect in effects:
                if isinstance(effect, Issued):
                    issued += len(effect.streams)
                    rows = np.array([row_of[name] for name in effect.streams])
                    origin = grid.index(effect.origin_ms) - streamed.first
                    found = places[rows, origin] if origin <= columns else np.full(len(rows), -1)
                    file.put(found[found >= 0].tolist(), effect.quantiles[found >= 0])
                    served.update(source(effect.models[number]) for number in np.flatnonzero(found >= 0).tolist())
            if column % 100 == 0:
                report(f"streaming {(column - begin) / max(columns - begin, 1):.0%}")
    return {
        "train_seconds": first.seconds if first else None,
        "forecast_seconds_per_1000": 1000 * spent_s / max(issued, 1),
        "choice": choice(group, fitted) | {"served": dict(served)},
    }


def fed(task: Task) -> tuple[Panel, int]:
    """What is streamed, and its first column: of each stream all that a running service would have kept in mind.

    Streams that are only trained on are left out; nothing at or after ``task.end`` is there.
    """
    streamed = task.before(task.end)
    forecast = np.unique(task.rows)
    first = np.full(len(task.learn), streamed.values.shape[1])
    np.minimum.at(first, task.rows, task.columns)
    if task.dataset.protocol == "official":
        first[forecast] = 0
    else:
        first[forecast] = np.maximum(0, first[forecast] - task.group.lookback - PRELUDE)
    beside = np.array([one.source > 0 for one in task.history.series])
    first[beside] = first[forecast].min()
    streamed.values[np.arange(streamed.values.shape[1]) < first[:, None]] = np.nan
    kept = sorted({*forecast.tolist(), *np.flatnonzero(beside).tolist()})
    series = tuple(streamed.series[row] for row in kept)
    return replace(streamed, series=series, values=streamed.values[kept]), int(first.min())


def where(task: Task) -> Array:
    """Number of the forecast of each row at each origin, int64 (R, T + 1); -1 where none is asked for."""
    places = np.full((len(task.learn), task.history.values.shape[1] + 1), -1, np.int64)
    places[task.rows, task.columns] = np.arange(len(task.rows))
    return places


def due(task: Task, column: int) -> bool:
    """Whether a scheduled training falls before a column."""
    borders, every = task.dataset.borders, task.dataset.retrain
    if borders is None or every is None:
        return False
    return borders.test < column < borders.end and (column - borders.test) % every == 0


def fit(task: Task, group: Group, known: Panel, before: Fitted | None, report: Report) -> Fitted | None:
    """One training as the product does it; None when it finds too little to learn from.

    Time is this process's own, so that neighbours do not eat the budget.
    """
    began_s = time.process_time()
    found = train(
        dataset(known, group, task.grid),
        group,
        elapsed_s=lambda: time.process_time() - began_s,
        progress=lambda step: report(told(step)),
        version=VERSION,
        champion=before.judged if before else None,
        warm_weights=before.weights if before else None,
    )
    if found is None:
        return None
    weights = judged(found.weights)
    return Fitted(
        model=NetworkPredictor.from_weights(found.weights, found.shape, group, VERSION),
        judged=NetworkPredictor.from_weights(weights, found.shape, group, VERSION),
        weights=weights,
        seconds=time.process_time() - began_s,
        note=note(found),
    )


def source(model: str) -> str:
    """What a forecast came from, by the name the engine gives it.

    Examples
    --------
    >>> source("ours"), source("climatology"), source("ours+climatology")
    ('network', 'naive', 'network and naive')
    """
    kinds = {"network" if part == VERSION else "naive" for part in model.split("+")}
    return " and ".join(sorted(kinds, reverse=True))


def told(step: Progress) -> str:
    """A line of progress."""
    return f"{step.note} {step.fraction:.0%}" + (f", loss {step.loss:.4f}" if step.loss is not None else "")


def note(found: Trained) -> dict[str, object]:
    """What to remember of a training."""
    return {
        "updates": found.updates,
        "more": found.more,
        "promoted": found.promoted,
        "verdict": found.verdict,
        "held_out": found.scores,
        "parameters": sum(array.size for array in judged(found.weights).values()),
    }


def choice(group: Group, fitted: list[Fitted]) -> dict[str, object]:
    """The hyper-parameters, and how they came to be."""
    return {
        "how": "defaults of the product for this step and season; weights fitted to the training part only",
        "network": asdict(group.network),
        "seasons": group.seasons,
        "lookback": group.lookback,
        "calendar": group.calendar,
        "levels": group.levels,
        "budget_s": group.training.budget_s,
        "seed": group.training.seed,
        "first_training": fitted[0].note if fitted else {"promoted": False, "verdict": "too little history"},
        "trainings": len(fitted),
        "later_promoted": sum(bool(one.note["promoted"]) for one in fitted[1:]),
        "later_seconds": sum(one.seconds for one in fitted[1:]),
    }
