"""The GRU of NeuralForecast, with settings its authors use for such data; trained once, on what ours sees."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.methods import FITTED_ANEW, NO_COVARIATES, Cost, Report, Skip, known, whole
from benchmarks.accuracy.quantiles import Writer
from benchmarks.accuracy.task import Task

if TYPE_CHECKING:
    from pandas import DataFrame

STEPS, STEPS_OF_MONTHS = 500, 1000
"""Training steps of 32 streams each; of a longer step more, as each is cheap."""


def run(task: Task, path: Path, report: Report) -> Cost:
    """Train, then forecast every origin; see :data:`benchmarks.accuracy.methods.Method`."""
    if task.dataset.protocol not in FITTED_ANEW:
        raise Skip("every step is an origin; re-reading the past at each is not feasible")
    if task.dataset.future:
        raise Skip(NO_COVARIATES)
    try:
        from neuralforecast import NeuralForecast
        from neuralforecast.losses.pytorch import MQLoss
        from neuralforecast.models import GRU
    except ImportError:
        raise Skip("neuralforecast is not installed: pip install 'forecaster[peers]'") from None
    horizon, steps = task.dataset.horizon, STEPS_OF_MONTHS if task.group.step.unit == "month" else STEPS
    width = max(2 * horizon, 2 * task.season)
    model = GRU(
        h=horizon,
        input_size=width,
        loss=MQLoss(level=[80, 95]),
        max_steps=steps,
        scaler_type="robust",
        random_seed=1,
        alias="GRU",
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
    )
    forecaster = NeuralForecast(models=[model], freq=1)
    firsts = first_places(task)
    began_s = time.process_time()
    report("training")
    forecaster.fit(frame(task, list(firsts.values()), None))
    trained_s = time.process_time() - began_s
    rounds = max(len(places) for places in by_stream(task).values())
    with Writer(path, (len(task.rows), horizon, len(task.group.levels))) as file:
        for turn in range(rounds):
            report(f"forecasting {turn / rounds:.0%}")
            places = [mine[turn] for mine in by_stream(task).values() if turn < len(mine)]
            found = forecaster.predict(df=frame(task, places, 4 * width))
            for place, rows in found.groupby("unique_id"):
                columns = [rows[name_of(level)].to_numpy(float) for level in task.group.levels]
                file.put([int(place)], np.stack(columns, -1)[None])
    spent_s = time.process_time() - began_s - trained_s
    return {
        "train_seconds": trained_s,
        "forecast_seconds_per_1000": 1000 * spent_s / len(task.rows),
        "cell": "gru",
        "choice": {"how": "untuned", "max_steps": steps, "input_size": width, "scaler_type": "robust"},
    }


def name_of(level: float) -> str:
    """Column of a quantile."""
    central = 100 * abs(2 * level - 1)
    return "GRU-median" if central < 1e-6 else f"GRU-{'lo' if level < 0.5 else 'hi'}-{central:g}"


def by_stream(task: Task) -> dict[int, list[int]]:
    """Numbers of the forecasts of each row, in order of time."""
    found: dict[int, list[int]] = {}
    for place, row in enumerate(task.rows.tolist()):
        found.setdefault(row, []).append(place)
    return found


def first_places(task: Task) -> dict[int, int]:
    """The first forecast of each row."""
    return {row: places[0] for row, places in by_stream(task).items()}


def frame(task: Task, places: list[int], width: int | None) -> DataFrame:
    """What was known at these origins, one series each, named by its number."""
    import pandas as pd

    parts = [whole(known(task, place, width), task.season) for place in places]  # a stream long silent has no rows
    return pd.DataFrame(
        {
            "unique_id": np.repeat(places, [len(part) for part in parts]),
            "ds": np.concatenate([np.arange(len(part)) for part in parts]),
            "y": np.concatenate(parts),
        }
    )
