"""The whole command on data made here: from a Parquet file to rows whose numbers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import product
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.datasets import DATASETS, Borders, DataSet, chosen
from benchmarks.accuracy.quantiles import Writer, chunks
from benchmarks.accuracy.results import merge
from benchmarks.accuracy.score import score, skill, worse
from benchmarks.accuracy.task import Task, group_of, task_of
from forecaster.backtest import of_steps
from forecaster.nets.fit import Trained
from forecaster.records import Issued

REQUIRED = (
    *("dataset", "method", "cell", "seeds", "smape", "mase", "owa", "mape", "mae", "mse", "pinball", "coverage80"),
    *("coverage95", "width80", "msis", "skill", "train_seconds", "forecast_seconds_per_1000", "peak_memory_mb"),
    "choice",
)


def a_table(days: tuple[int, ...], *, split: int | None = None) -> pd.DataFrame:
    """Hourly streams of so many days, a daily wave with noise; the last ``split`` hours of each are its test part."""
    random = np.random.default_rng(1)
    parts = []
    for number, count in enumerate(days):
        hours = np.arange(24 * count)
        value = 10 * (number + 1) * (2 + np.sin(2 * np.pi * hours / 24)) + random.normal(0, 1, len(hours))
        stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(hours, unit="h")
        part = pd.DataFrame({"stream": f"s{number}", "timestamp": stamps, "value": value})
        if split is not None:
            part["split"] = np.where(hours < len(hours) - split, "train", "test")
        parts.append(part)
    return pd.concat(parts)


def a_set(protocol: str, **said: object) -> DataSet:
    line: dict[str, object] = {"name": "made", "file": "made.parquet", "horizon": 12, "frequency": "h"}
    return DataSet(**line | {"protocol": protocol, "seasons": (24,)} | said)  # type: ignore[arg-type]


def test_a_file_without_a_line_is_run_from_end_to_end(tmp_path: Path) -> None:
    """Training, streaming and scoring of ours beside the naive ones; each row has all that is asked of it."""
    a_table((14, 12), split=12).to_parquet(tmp_path / "waves.parquet")
    file, result = tmp_path / "waves.parquet", tmp_path / "result.json"
    said = ["--file", str(file), "--horizon", "12", "--season", "24", "--budget", "1s", "--json", str(result)]
    said += ["--scratch", str(tmp_path / "not" / "there")]

    assert main([*said, "--methods", "ours,snaive,naive2"]) == 0

    rows = {row["method"]: row for row in json.loads(result.read_text())}
    assert set(rows) == {"ours", "snaive", "naive2"}
    for row in rows.values():
        assert set(REQUIRED) <= set(row)
        assert (row["dataset"], row["missing"], row["streams"], row["origins"]) == ("waves", 0, 2, 2)
    assert rows["naive2"]["owa"] == pytest.approx(1)
    assert rows["snaive"]["pinball"] is None
    assert rows["ours"]["mase"] < 2
    assert rows["ours"]["train_seconds"] > 0
    assert rows["ours"]["peak_memory_mb"] > 50
    assert rows["ours"]["choice"]["seasons"] == [24]


@pytest.mark.parametrize("promoted", [True, False])
def test_a_network_that_is_rejected_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, promoted: bool
) -> None:
    """What the product would not publish is not scored as its own."""
    a_table((14, 12), split=12).to_parquet(tmp_path / "made.parquet")
    task = task_of(a_set("official"), tmp_path, training={"budget": "1s"})
    train = product.train

    def judged(*data: Any, **said: Any) -> Trained:
        found = train(*data, **said)
        assert found is not None
        return replace(found, promoted=promoted)

    monkeypatch.setattr(product, "train", judged)
    found: Any = product.run(task, tmp_path / "found.npy", lambda _: None)

    assert ("naive" in found["choice"]["served"]) != promoted


@pytest.mark.parametrize(("protocol", "unseen"), [("official", 250), ("rolling", 200)])
def test_what_a_network_has_learned_is_not_forecast_by_it(tmp_path: Path, protocol: str, unseen: int) -> None:
    """From the first step unseen, or for streams that end before it from their end; each service to its end."""
    a_table((14, 10, 14), split=12 if protocol == "official" else None).to_parquet(tmp_path / "made.parquet")
    task = task_of(a_set(protocol), tmp_path)
    group = of_steps(task.group)

    origins, services = [], product.together(task)
    for streams in services:
        told = product.streamed(task, group, streams, unseen, [], lambda _: None)
        issued = [effect for effects, _ in told for effect in effects if isinstance(effect, Issued)]
        indices = [task.grid.index(one.origin_ms) - task.history.first for one in issued]
        origins.append((min(indices), max(indices)))

    assert [streams.tolist() for streams in services] == [[1], [0, 2]]
    assert origins == [(228, 228), (251, 324)] if protocol == "official" else [(192, 240), (201, 336)]


def the_truth(task: Task, path: Path, late: int = 0) -> None:
    """Write what came as the forecast, or what came so many steps earlier."""
    levels = len(task.group.levels)
    with Writer(path, (len(task.rows), task.dataset.horizon, levels)) as file:
        for place, (row, column) in enumerate(zip(task.rows.tolist(), task.columns.tolist(), strict=True)):
            ahead = task.history.values[row, column - late : column - late + task.dataset.horizon]
            file.put([place], np.repeat(ahead[None, :, None], levels, -1))


@pytest.mark.parametrize("protocol", ["official", "rolling", "long_horizon"])
def test_knowing_the_future_scores_nothing_and_a_step_late_does(tmp_path: Path, protocol: str) -> None:
    """In every protocol lead 1 is the first step that was not known."""
    a_table((9, 8), split=12).to_parquet(tmp_path / "made.parquet")
    borders = Borders(unit=96, learn=96, test=120, end=192)
    task = task_of(a_set(protocol, borders=borders), tmp_path)
    the_truth(task, tmp_path / "right.npy")
    the_truth(task, tmp_path / "late.npy", late=1)

    right, late = (score(task, [tmp_path / f"{name}.npy"]) for name in ("right", "late"))

    assert right.measures["mae"] == pytest.approx(0, abs=1e-5)
    assert right.measures["mse"] == pytest.approx(0, abs=1e-5)
    assert (right.missing, late.missing) == (0, 0)
    assert late.measures["mae"] > 0.1


def test_skill_compares_where_both_made_a_forecast(tmp_path: Path) -> None:
    """A method that is run from a sample of the origins is measured against naive from these, not from all."""
    a_table((9,)).to_parquet(tmp_path / "made.parquet")
    task = task_of(a_set("rolling", scored=72, every=24), tmp_path)
    shape = (len(task.rows), task.dataset.horizon, len(task.group.levels))
    truth = task.truth(slice(None))[..., None].repeat(shape[2], -1)
    with Writer(tmp_path / "all.npy", shape) as file:
        file.put(range(3), truth + np.array([2.0, 2.0, 8.0])[:, None, None])
    with Writer(tmp_path / "two.npy", shape) as file:
        file.put([0, 1], truth[:2] + 1)
    everywhere, sometimes = (score(task, [tmp_path / f"{name}.npy"]) for name in ("all", "two"))

    assert skill(sometimes, [everywhere]) == pytest.approx(0.5, abs=1e-5)
    assert sometimes.missing == pytest.approx(1 / 3)


@pytest.mark.parametrize(("off", "expected"), [(1e-7, 0), (0.005, 1), (0.02, 2)])
def test_a_stream_is_worse_by_more_than_nothing(tmp_path: Path, off: float, expected: int) -> None:
    """One is known without error by the other: there what counts is the size of the others; on the rest, the slack."""
    a_table((9, 8), split=12).to_parquet(tmp_path / "made.parquet")
    task = task_of(a_set("official"), tmp_path)
    shape = (len(task.rows), task.dataset.horizon, len(task.group.levels))
    truth = task.truth(slice(None))[..., None].repeat(shape[2], -1)
    errors = np.where(task.rows == 0, 0.0, 1.0)[:, None, None]
    for name, wrong in (("other", errors), ("own", errors + off)):
        with Writer(tmp_path / f"{name}.npy", shape) as file:
            file.put(range(len(truth)), truth + wrong)
    own, other = (score(task, [tmp_path / f"{name}.npy"]) for name in ("own", "other"))

    assert worse(task, own, other) == expected


def test_the_official_forecast_begins_where_the_training_part_ends(tmp_path: Path) -> None:
    """Each stream has one origin, at its own end, and nothing of its test part may be learned or streamed."""
    a_table((9, 8), split=12).to_parquet(tmp_path / "made.parquet")

    task = task_of(a_set("official"), tmp_path)

    assert task.rows.tolist() == [1, 0]
    assert task.columns.tolist() == [8 * 24 - 12, 9 * 24 - 12]
    assert np.isfinite(task.before(task.learn).values).sum(1).tolist() == [9 * 24 - 12, 8 * 24 - 12]
    assert np.array_equal(task.learn, task.end)


def test_monthly_series_end_in_one_year(tmp_path: Path) -> None:
    """Those of a competition may end in different decades; they keep their months, and those learned beside theirs."""
    ends = {"a": "1971-05", "b": "1993-08", "c": "1993-03"}
    for file, names in (("made.parquet", "ab"), ("more.parquet", "c")):
        parts = []
        for name in names:
            months = pd.period_range(end=ends[name], periods=60, freq="M")
            part = pd.DataFrame({"stream": name, "timestamp": months.to_timestamp(), "value": 1.0 * months.month})
            parts.append(part.assign(split="train" if name == "c" else ["train"] * 48 + ["test"] * 12))
        pd.concat(parts).to_parquet(tmp_path / file)

    task = task_of(a_set("official", frequency="month", seasons=(12,), also=("more.parquet",)), tmp_path)

    values, first = task.history.values, task.history.first
    at, month = np.isfinite(values), (first + np.arange(values.shape[1])) % 12 + 1
    assert task.rows.tolist() == [0, 1]
    assert task.columns.tolist() == [62, 65]
    assert [row.nonzero()[0][-1] + 1 for row in at] == [74, 77, 60]
    assert all((values[row, at[row]] == month[at[row]]).all() for row in range(3))
    assert at.sum(1).tolist() == [60, 60, 60]


def test_rolling_origins_lie_a_season_apart_over_the_end_of_each_stream(tmp_path: Path) -> None:
    """The last of them still has all its leads; training sees nothing from the first on."""
    a_table((9, 8)).to_parquet(tmp_path / "made.parquet")

    task = task_of(a_set("rolling", scored=48, every=24), tmp_path)

    assert task.columns[task.rows == 0].tolist() == [7 * 24, 8 * 24]
    assert task.columns[task.rows == 1].tolist() == [6 * 24, 7 * 24]
    assert task.learn.tolist() == [7 * 24, 6 * 24]


def test_long_horizon_keeps_the_last_window_and_measures_in_deviations_of_the_training_part(tmp_path: Path) -> None:
    """An origin each step, the last one with its last lead on the border."""
    a_table((9,)).to_parquet(tmp_path / "made.parquet")

    task = task_of(a_set("long_horizon", borders=Borders(unit=96, learn=96, test=120, end=192)), tmp_path)

    assert task.columns.tolist() == list(range(120, 181))
    assert task.unit == pytest.approx([task.history.values[0, :96].std()])


def test_the_median_over_seeds_is_taken_quantile_by_quantile(tmp_path: Path) -> None:
    """Of 1, 2 and 9 it is 2; what was never written is NaN."""
    for number, value in enumerate((1.0, 9.0, 2.0)):
        with Writer(tmp_path / f"{number}.npy", (2, 1, 1)) as file:
            file.put([1], np.full((1, 1, 1), value))

    ((which, found),) = chunks([tmp_path / f"{number}.npy" for number in range(3)])

    assert which == slice(0, 2)
    assert found[:, 0, 0].tolist() == pytest.approx([np.nan, 2.0], nan_ok=True)


def test_results_replace_those_of_the_same_method_and_keep_the_others(tmp_path: Path) -> None:
    """One object per data set, method and cell, however often it is run."""
    path = tmp_path / "result.json"
    merge(path, [{"dataset": "a", "method": "ours", "cell": "gru", "mae": 2.0}])
    merge(path, [{"dataset": "a", "method": "ours", "cell": "lstm", "mae": 3.0}])

    merge(path, [{"dataset": "a", "method": "ours", "cell": "gru", "mae": float("nan")}])

    assert [(row["cell"], row["mae"]) for row in json.loads(path.read_text())] == [("lstm", 3.0), ("gru", None)]


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_every_line_is_a_configuration_that_the_product_takes(dataset: DataSet) -> None:
    """What differs from the defaults is only what the line says."""
    group = group_of(dataset)

    assert (group.horizon, group.bounds, group.timezone) == (dataset.horizon, dataset.bounds, dataset.timezone)
    assert dataset.seasons in ((), group.seasons)


def test_a_name_stands_for_all_that_begin_with_it() -> None:
    """``vic_elec`` is a data set itself; ``ETTh1_OT`` is four."""
    assert [one.name for one in chosen(["vic_elec"])] == ["vic_elec"]
    assert len(chosen(["ETTh1_OT"])) == 4
    with pytest.raises(KeyError, match="there are"):
        chosen(["nothing"])
