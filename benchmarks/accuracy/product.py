"""The product under test: its own training, then every reading through its own engine.

Nothing here is a second implementation. :func:`forecaster.nets.fit.train` makes the network;
:meth:`forecaster.pipeline.engine.Engine.handle` is told of the readings step by step, and what it issues is scored.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.accuracy.methods import Report
from benchmarks.accuracy.quantiles import Writer
from benchmarks.accuracy.task import Task
from forecaster.backtest import of_steps, readings
from forecaster.inputs import Dataset
from forecaster.nets.baseline import naives
from forecaster.nets.fit import Trained, train
from forecaster.nets.history import split
from forecaster.nets.predictor import NetworkPredictor
from forecaster.nets.weights import judged
from forecaster.pipeline.engine import Engine
from forecaster.pipeline.panel import dataset
from forecaster.ports import Progress
from forecaster.records import Array, Effect, Event, Issued, ModelReady, Panel, Tick
from forecaster.settings import Group, Mqtt, Settings

VERSION = "ours"
"""What the engine calls our networks."""


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
    known = dataset(task.before(task.learn), group, task.grid)
    first = fit(group, known, None, report)
    fitted, served = [first] if first else [], Counter[str]()
    _, unseen = split(known, group)
    places, spent_s, issued = where(task), 0.0, 0
    row_of = {one.name: row for row, one in enumerate(task.history.series)}
    with Writer(path, (len(task.rows), group.horizon, len(group.levels))) as file:
        for streams in together(task):
            for effects, seconds in streamed(task, group, streams, unseen, fitted, report):
                spent_s += seconds
                for effect in effects:
                    if isinstance(effect, Issued):
                        issued += len(effect.streams)
                        rows = [row_of[name] for name in effect.streams]
                        found = places[rows, task.grid.index(effect.origin_ms) - task.history.first]
                        file.put(found[found >= 0].tolist(), effect.quantiles[found >= 0])
                        served.update(source(effect.models[number]) for number in np.flatnonzero(found >= 0).tolist())
    return {
        "train_seconds": first.seconds if first else None,
        "forecast_seconds_per_1000": 1000 * spent_s / max(issued, 1),
        "choice": choice(group, fitted) | {"served": dict(served)},
    }


def together(task: Task) -> list[Array]:
    """Numbers of the series that one service forecasts: those whose learning part ends at the same time."""
    rows = np.unique(task.rows)
    return [rows[task.learn[rows] == column] for column in np.unique(task.learn[rows])]


def streamed(
    task: Task, group: Group, streams: Array, unseen: int, fitted: list[Fitted], report: Report
) -> Iterator[tuple[list[Effect], float]]:
    """What the engine says to the steps of some streams, one after the other, and the seconds that each took.

    As in a service that has been running, ranges are calibrated by what came true: forecasts of the network as it was
    judged, from the first step ``unseen`` by it, and of the one that serves, from where its training ended. What is
    before is loaded and not forecast: on what it has learned a network is too sure of itself.

    Parameters
    ----------
    fitted
        Trainings; those made on the way are added.
    """
    learned = int(task.learn[streams[0]])
    champion = next((one for one in fitted if one.note["promoted"]), None)
    before, events, columns = told_of(task, group, streams, min(unseen, learned - 1))
    engine = Engine(Settings(mqtt=Mqtt(url=""), groups=(group,), clock="events"), naives)
    engine.load(group.name, before)
    if champion:
        engine.handle([ModelReady(group.name, VERSION, champion.judged)])
    for column, event in zip(columns, events, strict=True):
        if column == learned and champion:
            engine.handle([ModelReady(group.name, VERSION, champion.model)])
        if due(task, column):
            known = dataset(task.before(np.minimum(task.end, column)), group, task.grid)
            newer = fit(group, known, champion, report)
            fitted += [newer] if newer else []
            if newer and newer.note["promoted"]:
                champion = newer
                engine.handle([ModelReady(group.name, VERSION, champion.model)])
        began_s = time.process_time()
        effects = engine.handle([event])
        yield effects, time.process_time() - began_s
        if column % 100 == 0:
            report(f"streaming {(column - columns[0]) / len(columns):.0%}")


def told_of(task: Task, group: Group, streams: Array, begin: int) -> tuple[Panel, Iterator[Event], range]:
    """The past of streams before column ``begin``, the steps from there on, and their columns; the last is a tick.

    Nothing at or after ``task.end`` is there, nor what is only trained on.
    """
    beside = np.array([one.source > 0 for one in task.history.series])
    kept = np.union1d(streams, np.flatnonzero(beside))
    whole = task.before(task.end)
    count = int(task.end[streams].max())
    panel = replace(whole, series=tuple(whole.series[row] for row in kept), values=whole.values[kept, :count])
    last = Tick(task.grid.start(panel.first + count))
    before = replace(panel, values=panel.values[:, :begin])
    return before, chain(readings(group, panel, task.grid, begin), [last]), range(begin, count + 1)


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


def fit(group: Group, known: Dataset, before: Fitted | None, report: Report) -> Fitted | None:
    """One training as the product does it; None when it finds too little to learn from.

    Time is this process's own, so that neighbours do not eat the budget.
    """
    began_s = time.process_time()
    found = train(
        known,
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
