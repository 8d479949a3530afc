"""``forecaster backtest``: how good the forecasts would have been."""

from __future__ import annotations

import json
import os
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from forecaster import config
from forecaster.adapters.exclusions import Exclusions
from forecaster.adapters.registry import FileModelRegistry
from forecaster.backtest import Fan, OfStream, Result, as_streams, backtest, steps_of
from forecaster.commands import plot
from forecaster.commands.chosen import chosen_group, counted, stored_history, unknown_stream
from forecaster.commands.publish import moment_ms
from forecaster.errors import BadInput
from forecaster.inputs import Dataset
from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.stored import as_now
from forecaster.pipeline.times import rfc3339
from forecaster.ports import Columns, Predictor
from forecaster.records import Score, Series
from forecaster.settings import Group, Settings, Source

HOMES = "households"
"""The bundled data."""

HOURLY = Source(topic=HOMES, kind="amount", aggregate="sum")
"""What they are."""


def run(arguments: Namespace) -> int:
    """Score past forecasts; a table, and JSON and a picture when asked for."""
    if arguments.origins is not None and arguments.origins < 1:
        raise BadInput(f"--origins {arguments.origins}: nothing would be scored; give 1 or more")
    _require_places(arguments)
    settings = _settings(arguments)
    group = chosen_group(settings, arguments.group or settings.groups[0].name)
    group = replace(group, exclude=Exclusions(settings.data).of(group))
    series, steps = _data(arguments.data, settings, group)
    targets = [one.name for one in series if group.sources[one.source].role == "target"]
    if arguments.stream is not None and arguments.stream not in targets:
        raise unknown_stream(arguments.stream, targets)
    unseen_ms = None if arguments.train else _judged_from(settings, group)
    since_ms = moment_ms(arguments.since) or _first_origin(steps, arguments.origins, unseen_ms)
    console = Console(stderr=True)
    if group.covariates and arguments.data != "history":
        console.print(
            "the covariates of the group are not in a table: these forecasts are made without them, and every column "
            "is taken for a stream; 'backtest history' knows them",
            style="yellow",
        )
    if unseen_ms is not None and since_ms < unseen_ms:
        console.print(
            f"the model in service has learned from what was before {rfc3339(unseen_ms)}, so these scores flatter it; "
            "give --train, or a later --from",
            style="yellow",
        )
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("forecasting", total=1.0)
        network = _trained(group, bar, console) if arguments.train else _champion(settings, group)
        result = backtest(
            *(group, series, steps, since_ms, network),
            stream=arguments.stream,
            progress=lambda done: bar.update(task, completed=done),
        )
    if not result.scores:
        raise BadInput("no forecast met its target: give more data, or an earlier --from")
    Console().print(_table(result, group))
    if arguments.json:
        _write_json(arguments.json, result, group)
    if arguments.plot:
        _draw(arguments.plot, result.fan, group)
    return 0


def _require_places(arguments: Namespace) -> None:
    """Refuse files that could not be written, before hours of work."""
    for path in (arguments.json, arguments.plot):
        if path is not None and (path.is_dir() or not os.access(path.parent, os.W_OK)):
            raise BadInput(f"{path}: cannot be written; give a file in a folder that exists")
    if arguments.plot is not None:
        plot.require_picture(arguments.plot)


def _settings(arguments: Namespace) -> Settings:
    """The configuration; for the bundled homes, where there is none, that of the demo."""
    path = Path(arguments.config)
    if arguments.data != HOMES or path.exists():
        return config.load(path, os.environ)
    with as_file(files("forecaster") / "data" / "demo.yaml") as demo:
        return config.load(demo, {"DEMO_BROKER": "mqtt://127.0.0.1", "DEMO_DATA": str(path.parent / "data")})


def _data(name: str, settings: Settings, group: Group) -> tuple[tuple[Series, ...], Columns]:
    """The stored history, or a table of what sensors sent, each column or name a stream."""
    from forecaster.commands.tables import households, read_table

    if name == "history":
        with closing(stored_history(settings.data, ", or give a table")) as history:
            series, steps = as_now(*history.read(group.name), group, Grid(group.step, group.timezone))
    else:
        target = group.targets[0]
        table, source = (households(), HOURLY) if name == HOMES else (read_table(name, target.time_zone), target)
        names, index = np.unique(table["stream"].to_numpy(str), return_inverse=True)
        series = tuple(as_streams(names.tolist(), target))
        readings = Columns(
            series=index.astype(np.int32), start_ms=table["timestamp"].to_numpy(), values=table["value"].to_numpy(float)
        )
        steps = steps_of(readings, len(names), source, group)
    if not len(steps.values):
        raise BadInput(f"{name}: holds no steps of group '{group.name}' yet")
    return series, steps


def _first_origin(steps: Columns, origins: int | None, unseen_ms: int | None) -> int:
    """Start of the last ``origins`` steps; by default of the last fifth of the time that the model has not seen."""
    times = np.unique(steps.start_ms)
    back = origins if origins is not None else len(times) // 5
    first = int(times[max(0, len(times) - back)]) if back else int(times[-1])
    return first if origins is not None else max(first, min(unseen_ms or 0, int(times[-1])))


def _judged_from(settings: Settings, group: Group) -> int | None:
    """From where on the model in service was judged: what is before it has learned; None when that is not known."""
    models = FileModelRegistry(settings.data / "models")
    version = models.champion(group.name)
    told = [card.judged_from for card in models.cards(group.name) if card.version == version and card.judged_from]
    return moment_ms(told[0]) if told else None


def _champion(settings: Settings, group: Group) -> Callable[[Dataset], Predictor | None]:
    """As it was judged: what serves has learned from the newest part of the history too."""
    from forecaster.commands.train import in_service

    return lambda _: in_service(group, FileModelRegistry(settings.data / "models"))[0]


def _trained(group: Group, bar: Bar, console: Console) -> Callable[[Dataset], Predictor | None]:
    """Train on what was before the first origin; naive where the service would not have put it into service."""

    def train(past: Dataset) -> Predictor | None:
        from forecaster.nets.fit import train
        from forecaster.nets.predictor import NetworkPredictor

        task = bar.add_task("training", total=1.0)
        began = time.monotonic()
        trained = train(
            past,
            group,
            elapsed_s=lambda: time.monotonic() - began,
            progress=lambda step: bar.update(task, completed=step.fraction),
            version="backtest",
        )
        if trained is None:
            raise BadInput("too little data before the first origin to train on; give a later --from")
        console.print(trained.verdict, style="green" if trained.promoted else "yellow")
        if not trained.promoted:
            return None
        return NetworkPredictor.from_weights(trained.weights, trained.shape, group, "backtest")

    return train


def _table(result: Result, group: Group) -> Table:
    title = (
        f"{group.name}, model {result.model}: {counted(result.streams, 'stream')}, {counted(result.origins, 'origin')}"
    )
    legend = (
        "skill: how much smaller the MAE is than that of the best naive forecast; "
        "MASE: the MAE over that of it one step ahead (of a training: over that of a value one season old)"
    )
    table = Table(title=title, title_justify="left", caption=legend, caption_justify="left")
    intervals = list(result.scores[0].coverage)
    units = {source.unit for source in group.targets}
    error = f"MAE, {units.pop()}" if len(units) == 1 and "" not in units else "MAE"
    for heading in ("leads", "forecasts", error, "MASE", "pinball", "skill", *(f"in {one:.0%}" for one in intervals)):
        table.add_column(heading, justify="right")
    for score in result.scores:
        table.add_row(
            score.leads,
            f"{score.count:,}",
            f"{score.mae:.4g}",
            f"{score.mase:.3f}",
            f"{score.pinball:.4g}",
            f"{score.skill:+.1%}",
            *(f"{score.coverage[one]:.1%}" for one in intervals),
            style="bold" if score.leads == "all" else None,
        )
    return table


def _write_json(path: Path, result: Result, group: Group) -> None:
    found = {
        "group": group.name,
        "model": result.model,
        "streams": result.streams,
        "origins": result.origins,
        "scores": [_plain(score) for score in result.scores],
        "each_stream": [_plain(score) for score in result.each],
    }
    path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")


def _plain(score: Score | OfStream) -> dict[str, object]:
    """For JSON, which has no NaN."""
    told = asdict(score)
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in told.items()
    }


def _draw(path: Path, fan: Fan | None, group: Group) -> None:
    if fan is None:
        raise BadInput("no whole forecast to draw")
    plot.fan(
        path,
        history_times=fan.past_ms,
        history_values=fan.past,
        forecast_times=fan.ahead_ms,
        quantiles=fan.quantiles,
        levels=group.levels,
        truth=fan.truth,
        title=f"{fan.stream}: the next {group.horizon} × {group.step.text}",
        unit=group.targets[0].unit,
        zone=group.timezone,
    )
