"""What each ingredient of the network is worth: train without it, and see.

    python -m benchmarks.ablation --data DIR [--dataset NAME ...] [--seeds N] [--budget 60s] [--json FILE]

Only what may be learned is used: the last horizon of each training part is held out and forecast once, from its origin.
The numbers are those of the network alone; the service mixes and corrects on top of it.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.accuracy import measures
from benchmarks.accuracy.datasets import chosen
from benchmarks.accuracy.naive import naive2
from benchmarks.accuracy.task import Task, task_of
from forecaster.backtest import of_steps
from forecaster.inputs import Dataset
from forecaster.nets import batches, features, fit, loop, network
from forecaster.nets.batches import whole
from forecaster.nets.features import Strip, extract
from forecaster.nets.network import view
from forecaster.nets.phases import filled
from forecaster.nets.predictor import NetworkPredictor, unscaled
from forecaster.nets.recurrent import Recurrent
from forecaster.nets.shape import Shape, shape_of
from forecaster.pipeline.panel import dataset
from forecaster.records import Array
from forecaster.settings import Group

REMEMBERED = 96
"""Origins before the last of which a state is built."""


@contextmanager
def without_memory() -> Iterator[None]:
    """The recurrent layers say nothing."""
    forward = Recurrent.forward

    def silent(self: Recurrent, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out, after = forward(self, x, state)
        return 0 * out, after

    with patch.object(Recurrent, "forward", silent):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """A committee of one, with the rows of all."""
    with (
        patch.object(fit, "shape_of", lambda *said: replace(shape_of(*said), members=1)),
        patch.object(loop, "ROWS", 2 * batches.ROWS),
        patch.object(batches, "ROWS", 2 * batches.ROWS),
    ):
        yield


@contextmanager
def without_gate() -> Iterator[None]:
    """All simple forecasts weigh the same, for ever."""
    choose = network.choose
    with patch.object(network, "choose", lambda gate, *rest: choose(0 * gate, *rest)):
        yield


@contextmanager
def without_scale() -> Iterator[None]:
    """The unit is the scatter around the level instead of the error of a season-old value."""

    def scatter(target: Array, location: Array, dispersion: Array, *rest: object) -> tuple[Array, Array]:
        return np.maximum(dispersion, 1e-6 * np.abs(location) + 1e-9), np.zeros_like(dispersion)

    with patch.object(features, "spread", scatter):
        yield


@contextmanager
def without_calm() -> Iterator[None]:
    """Inputs as they are."""
    with patch.object(features, "soft", filled):
        yield


def changed(thing: object, name: str, value: object) -> Callable[[], AbstractContextManager[object]]:
    """An ingredient that is one name."""
    return lambda: patch.object(thing, name, value)


VARIANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "the network": ExitStack,
    "without memory": without_memory,
    "without levels, Theta and drifts": changed(Shape, "smoothed", ()),
    "without structural models": changed(Shape, "structural", ()),
    "without the week lifted": changed(Shape, "lifted", lambda *_: 0),
    "one network instead of two": alone,
    "without a gate": without_gate,
    "a gate that begins with all alike": changed(fit, "worth", lambda _, horizon: torch.zeros(horizon, 1)),
    "unit: scatter, not seasonal error": without_scale,
    "inputs without logarithm": without_calm,
    "residuals as long at quiet times": changed(features, "lively", lambda _, number: np.ones(number.shape)),
    "one way of growing with the lead": changed(network, "RANK", 1),
    "twelve ways of growing with the lead": changed(network, "RANK", 12),
    "a forecast at every third origin": changed(batches, "SHARED", 0.0),
    "without averaging the weights": changed(loop, "AVERAGING", 0.0),
    "no stop by exam": changed(loop, "PATIENCE", 10**9),
    "without learning on": changed(fit, "go_on", lambda *_: 0),
    "what was learned believed in full": changed(fit, "believed", lambda *_: 1.0),
}
"""What is taken away, and how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every variant, print the table."""
    parser = ArgumentParser(
        "python -m benchmarks.ablation", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the Parquet files")
    parser.add_argument("--dataset", action="append", default=[], help="m3_monthly when left out")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="60s", help="time limit of one training")
    parser.add_argument("--json", type=Path, help="result file")
    said = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for one in chosen(said.dataset or ["m3_monthly"]):
        for name, variant in VARIANTS.items():
            runs = []
            for seed in range(said.seeds):
                task = task_of(one, said.data, training={"budget": said.budget, "seed": seed})
                with variant():
                    runs.append(measured(task))
                print(f"{one.name} {name} {seed} {runs[-1]}", file=sys.stderr)
            mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
            rows.append({"dataset": one.name, "variant": name, "seeds": said.seeds, "budget": said.budget} | mean)
        Console(width=None if sys.stdout.isatty() else 100).print(
            table([row for row in rows if row["dataset"] == one.name])
        )
    if said.json:
        said.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def measured(task: Task) -> dict[str, float]:
    """Train one network on what lies before the hold-out; its errors there."""
    group, horizon = of_steps(task.group), task.dataset.horizon
    cut = task.learn - horizon
    known = dataset(task.before(cut), group, task.grid)
    began_s = time.process_time()
    found = fit.train(
        known, group, elapsed_s=lambda: time.process_time() - began_s, progress=lambda _: None, version="ablation"
    )
    if found is None:
        raise SystemExit(f"{task.dataset.name}: too little history")
    seconds = time.process_time() - began_s
    predictor = NetworkPredictor.from_weights(found.weights, found.shape, group, "ablation")
    quantiles = forecasts(predictor, known, group, task.rows, cut)
    values = task.history.values
    truth = np.stack([values[row, cut[row] : cut[row] + horizon] for row in task.rows])
    past = [values[row, : cut[row]] for row in task.rows]
    past = [one[int(np.isfinite(one).argmax()) :] for one in past]
    return errors(task, group, truth, quantiles, past) | {"updates": found.updates, "train_seconds": seconds}


def forecasts(predictor: NetworkPredictor, known: Dataset, group: Group, rows: Array, cut: Array) -> Array:
    """Quantiles (N, H, Q) from the last known step of each row."""
    net = predictor.network
    strip = whole(known, group.horizon, group.lookback, known.values.shape[-1])
    found = []
    for first in range(0, len(rows), 16):
        some = rows[first : first + 16]
        begin = max(0, int(cut[some].min()) - REMEMBERED)
        part = Strip(strip.values[some][..., begin:], strip.calendar[begin:], strip.shift[begin:])
        shown = extract(part, net.shape, net.usual)
        with torch.inference_mode():
            scaled, _ = net(view(shown), net.initial_state(len(some)))
        found.append(unscaled(scaled.numpy(), shown)[np.arange(len(some)), cut[some] - 1 - begin])
    return np.concatenate(found)


def errors(task: Task, group: Group, truth: Array, quantiles: Array, past: list[Array]) -> dict[str, float]:
    """OWA against Naive2, MASE and scaled pinball loss."""
    levels = np.array(group.levels)
    median = quantiles[..., group.levels.index(0.5)]
    scale = np.array([measures.seasonal_error(one, task.season) for one in past])
    comparison = np.stack([naive2(one, task.dataset.horizon, task.season) for one in past])
    means = [
        (float(np.nanmean(measures.smape(truth, one))), float(np.nanmean(measures.mase(truth, one, scale))))
        for one in (median, comparison)
    ]
    loss = measures.pinball(truth, quantiles, levels) / scale[:, None]
    return {"owa": measures.owa(*means[0], *means[1]), "mase": means[0][1], "pinball": float(np.nanmean(loss))}


def table(rows: list[dict]) -> Table:
    """For people."""
    made = Table(title=f"{rows[0]['dataset']}: hold-out of the last horizon of the training parts")
    made.add_column("")
    for title in ("OWA", "", "MASE", "pinball", "updates", "train s"):
        made.add_column(title, justify="right")
    whole_owa = rows[0]["owa"]
    for row in rows:
        change = "" if row is rows[0] else f"{row['owa'] / whole_owa - 1:+.1%}"
        made.add_row(
            row["variant"],
            f"{row['owa']:.4f}",
            change,
            f"{row['mase']:.4f}",
            f"{row['pinball']:.4f}",
            f"{row['updates']:.0f}",
            f"{row['train_seconds']:.0f}",
        )
    return made


if __name__ == "__main__":
    sys.exit(main())
