"""``forecaster train``: fit a network on the stored history, judge it, and put it into service if it is better.

The service starts the same command as a child on its schedule, with ``--progress json`` and ``--service DATA``: then
the settings of the group come on standard input, as the service has resolved them.
"""

from __future__ import annotations

import json
import logging
import math
import os
import resource
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from rich import box
from rich.console import Console, RenderableType
from rich.console import Group as Rows
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from forecaster.adapters.exclusions import Exclusions
from forecaster.adapters.registry import FileModelRegistry
from forecaster.adapters.resources import ONE_THREAD
from forecaster.commands.chosen import chosen_group, counted, stored_history
from forecaster.config import load
from forecaster.errors import ModelError, TrainingFailed
from forecaster.nets.baseline import NAIVE
from forecaster.ports import Card, Columns, History, ModelRegistry, Outcome, Predictor, Progress
from forecaster.records import Array
from forecaster.settings import Group, Training

log = logging.getLogger(__name__)

Listener = Callable[[Progress], None]

NICEST = 19

MEASURE = "against naive, as in the verdict: MASE and pinball"


@dataclass(frozen=True, slots=True)
class Result:
    """How a training ended: ``promoted``, ``rejected`` or ``skipped``, one sentence why, and the model if any."""

    outcome: Outcome
    verdict: str
    card: Card | None = None


def run(arguments: Namespace) -> int:
    """Train one group; 0 also when the model was rejected or there is too little history yet."""
    if arguments.service is None:
        settings = load(arguments.config, os.environ)
        data, group = settings.data, chosen_group(settings, arguments.group)
    else:
        data, group = arguments.service, msgspec.json.decode(sys.stdin.buffer.read(), type=Group)
    be_modest(group.training)
    match arguments.progress:
        case "json":
            tell_machine(train_stored(data, group, lambda step: print(json.dumps(asdict(step)), flush=True)))
        case "none":
            train_stored(data, group, lambda _: None)
        case _:
            console = Console(highlight=False)
            with progress_bar(console, group.name) as listener:
                result = train_stored(data, group, listener)
            console.print(told(result, group))
    return 0


def be_modest(training: Training) -> None:
    """Leave the machine to the forecasts: lowest priority, one thread, the memory limit of the group.

    To be called before torch is imported, which reads the number of threads then.
    """
    os.setpriority(os.PRIO_PROCESS, 0, NICEST)
    os.environ.update({name: value for name, value in ONE_THREAD.items() if name not in os.environ})
    if training.memory_mb:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (training.memory_mb * 1024 * 1024, most))


# --- the training ------------------------------------------------------------------------------------------------


def train_stored(data: Path, group: Group, listener: Listener) -> Result:
    """Train on the history in a data directory, and leave the model in its registry.

    Raises
    ------
    TrainingFailed
        When the memory limit was reached.
    StoreError, ModelError
        When history or models cannot be read or written.
    """
    models = FileModelRegistry(data / "models")
    group = replace(group, exclude=Exclusions(data).of(group))
    with closing(stored_history(data)) as history:
        try:
            return train(group, history, models, listener)
        except (MemoryError, RuntimeError, ImportError) as error:
            if not out_of_memory(error):
                raise
            raise TrainingFailed(
                f"group {group.name}: out of memory; raise training.memory or shorten training.history"
            ) from error


def out_of_memory(error: Exception) -> bool:
    """Whether memory was used up: torch, and what loads libraries, have no type of their own for that.

    >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    True
    """
    return isinstance(error, MemoryError) or any(words in str(error) for words in ("allocate memory", "failed to map"))


def train(group: Group, history: History, models: ModelRegistry, listener: Listener) -> Result:
    """Read, fit, judge, save, promote when better, and remove old models."""
    # Torch takes seconds to import, and is not needed to say what is wrong with a configuration.
    from forecaster.nets import fit
    from forecaster.nets.history import split
    from forecaster.pipeline.calendar import Grid
    from forecaster.pipeline.panel import dataset
    from forecaster.pipeline.stored import remembered

    began = time.monotonic()
    listener(Progress(fraction=0.0, loss=None, seconds_left=None, note="reading history"))
    grid = Grid(group.step, group.timezone)
    series, columns = history.read(group.name)
    past = remembered(series, recent(columns, group.training.history_s), group, grid)
    data = dataset(past, group, grid)
    champion, weights = in_service(group, models)
    version = models.next_version(group.name)
    fitting = time.monotonic()
    trained = fit.train(
        data,
        group,
        elapsed_s=lambda: time.monotonic() - fitting,
        progress=listener,
        version=version,
        champion=champion,
        warm_weights=weights if group.training.warm else None,
    )
    if trained is None:
        observed = np.isfinite(data.values[:, 0]).sum(-1).max(initial=0)
        return Result("skipped", too_little(int(observed), fit.needed(group), group.step.text))
    card = Card(
        version=version,
        kind=group.network.cell,
        shape=trained.shape,
        trained_at=rfc3339(time.time() * 1000),
        data_from=rfc3339(grid.start(past.first)),
        data_until=rfc3339(grid.start(past.first + past.values.shape[1])),
        seconds=round(time.monotonic() - began, 3),
        seed=group.training.seed,
        streams=len(data.streams),
        steps=past.values.shape[1],
        updates=trained.updates,
        settings_hash=group.fingerprint,
        scores=trained.scores,
        promoted=trained.promoted,
        verdict=trained.verdict,
        more=trained.more,
        judged_from=rfc3339(grid.start(past.first + split(data, group)[1])),
    )
    models.save(group.name, trained.weights, card)
    if card.promoted:
        models.promote(group.name, version)
    models.prune(group.name, group.training.keep)
    return Result("promoted" if card.promoted else "rejected", card.verdict, card)


def in_service(group: Group, models: ModelRegistry) -> tuple[Predictor | None, Mapping[str, Array] | None]:
    """The champion to be beaten, as it was judged, and its weights to start from when it is of the shape asked for.

    Neither when there is none, or when it is broken or was made for other settings: then the new one need not beat it.
    """
    from forecaster.nets.predictor import NetworkPredictor
    from forecaster.nets.weights import judged

    try:
        version = models.champion(group.name)
        if version is None:
            return None, None
        packed, card = models.load(group.name, version)
        weights = judged(packed)
        champion = NetworkPredictor.from_weights(weights, card.shape, group, version)
    except ModelError as error:
        log.warning("champion left aside group=%s reason=%s", group.name, error)
        return None, None
    return champion, weights if card.settings_hash == group.fingerprint else None


def recent(steps: Columns, span_s: float | None) -> Columns:
    """Steps no older than a span before the newest; all when there is no span.

    Before the newest step and not before now: recorded data may be older than any span.
    """
    if span_s is None or not len(steps.start_ms):
        return steps
    keep = steps.start_ms >= steps.start_ms.max() - span_s * 1000
    return Columns(series=steps.series[keep], start_ms=steps.start_ms[keep], values=steps.values[keep])


def too_little(observed: int, needed: int, step: str) -> str:
    """How much history is missing.

    >>> too_little(30, 96, "1h")
    'too little history: 30 of 96 steps of 1h; 66 to go'
    """
    return f"too little history: {observed} of {needed} steps of {step}; {needed - observed} to go"


def rfc3339(epoch_ms: float) -> str:
    """A time in UTC, to the second.

    >>> rfc3339(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- what is said about it ---------------------------------------------------------------------------------------


def tell_machine(result: Result) -> None:
    """The last JSON line, which :mod:`forecaster.adapters.trainer` waits for."""
    version = result.card.version if result.card else None
    print(json.dumps({"outcome": result.outcome, "version": version, "verdict": result.verdict}), flush=True)


@contextmanager
def progress_bar(console: Console, group: str) -> Iterator[Listener]:
    """A bar with loss and time left, while a person watches."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
        TaskProgressColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bar(*columns, console=console, transient=not console.is_terminal) as bar:
        task = bar.add_task(f"training {group}", total=1.0, note="")
        yield lambda step: bar.update(task, completed=step.fraction, note=in_words(step))


def in_words(step: Progress) -> str:
    """What goes on, loss and time left, as far as they are known.

    >>> in_words(Progress(fraction=0.5, loss=0.12345, seconds_left=75.0))
    'loss 0.1235 · 1 min 15 s left'
    """
    parts = [step.note] if step.note else []
    if step.loss is not None:
        parts.append(f"loss {step.loss:.4f}")
    if step.seconds_left is not None:
        minutes, seconds = divmod(round(step.seconds_left), 60)
        parts.append(f"{minutes} min {seconds:02d} s left" if minutes else f"{seconds} s left")
    return " · ".join(parts)


def told(result: Result, group: Group) -> RenderableType:
    """The verdict, and the scores it rests on."""
    style = {"promoted": "bold green", "rejected": "bold yellow", "skipped": "bold"}[result.outcome]
    verdict = Text.assemble((result.outcome, style), "  ", result.verdict.removeprefix(f"{result.outcome}: "))
    if result.card is None:
        return verdict
    card = result.card
    updates = f"{card.updates} + {card.more}" if card.more else f"{card.updates}"
    made = Text(
        f"model {group.name}-{card.version}: {card.kind} {group.network.layers} × {group.network.hidden}, "
        f"{counted(card.streams, 'stream')} × {card.steps} steps, {updates} updates in {card.seconds:.0f} s",
        style="dim",
    )
    return Rows(scoreboard(card), verdict, made)


def scoreboard(card: Card) -> Table:
    """Scores on the held-out end of the history, best in bold, and how each compares with naive (:func:`skill`)."""
    names = [name for name in ("challenger", "half", "champion", *NAIVE) if name in card.scores]
    table = Table(box=box.SIMPLE_HEAD, title="on held-out data", title_style="dim", title_justify="left")
    table.caption, table.caption_style, table.caption_justify = MEASURE, "dim", "left"
    table.add_column("")
    for title in ("MAE", "MASE", "pinball", "against naive"):
        table.add_column(title, justify="right")
    for name in names:
        cells = [Text(name)]
        for score in ("mae", "mase", "pinball"):
            value = card.scores[name].get(score, math.nan)
            best = value == min(card.scores[other].get(score, math.nan) for other in names)
            cells.append(Text(f"{value:.4g}", style="bold" if best else ""))
        table.add_row(*cells, skill(card.scores, name) if name != "naive" else Text(""))
    return table


def skill(scores: Mapping[str, Mapping[str, float]], name: str, other: str = "naive") -> Text:
    """How much smaller the error is than that of another (:func:`ratio`): green better, red worse.

    >>> skill({"challenger": {"mase": 0.8, "pinball": 0.3}, "naive": {"mase": 1.0, "pinball": 0.5}}, "challenger").plain
    '−30 %'
    """
    value = ratio(scores, name, other)
    if not math.isfinite(value):
        return Text("unknown", style="dim")
    sign, style = ("−", "green") if value < 1 else ("+", "red")
    return Text(f"{sign}{abs(1 - value) * 100:.0f} %", style=style)


def ratio(scores: Mapping[str, Mapping[str, float]], name: str, other: str) -> float:
    """As :func:`forecaster.nets.score.ratio`, which judges, and would import torch for it; NaN where it is unknown."""
    own, theirs = (scores.get(one, {}) for one in (name, other))
    return sum(own.get(score, math.nan) / (theirs.get(score) or math.nan) for score in ("mase", "pinball")) / 2
