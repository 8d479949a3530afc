"""The command; see :mod:`benchmarks.accuracy`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

import benchmarks.accuracy
from benchmarks.accuracy.datasets import DataSet, chosen, of_file
from benchmarks.accuracy.methods import METHODS, OPPONENTS
from benchmarks.accuracy.results import Board, Row, merge
from benchmarks.accuracy.runs import Outcome, Request, run
from benchmarks.accuracy.task import task_of
from forecaster.adapters.resources import ONE_THREAD

WIDTH = 120
"""Columns of a table in a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, data set by data set; tables as they come, results after each."""
    said = parser().parse_args(arguments)
    os.environ.update(ONE_THREAD)  # for the children
    if said.scratch:
        said.scratch.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    datasets = (of_file(said.file, said.horizon, said.frequency, said.season, said.timezone),) if said.file else None
    for dataset in datasets or chosen(said.dataset):
        folder = said.file.parent if said.file else said.data
        with TemporaryDirectory(dir=said.scratch) as scratch:
            for board, rows in results(dataset, folder, Path(scratch), said):
                console.print(board.table(rows))
                if said.json:
                    merge(said.json, rows)
    return 0


def results(dataset: DataSet, folder: Path, scratch: Path, said: Namespace) -> Iterator[tuple[Board, list[Row]]]:
    """The boards of a data set, filled."""
    boards = [Board(task_of(dataset, folder, streams=said.streams), leads) for leads in dataset.leads or (None,)]
    measured_by = {*OPPONENTS, "naive2"} if dataset.protocol == "official" else {*OPPONENTS}
    compared = {}
    for method in METHODS:
        if method in measured_by:
            compared[method] = list(of_method(method, dataset, folder, scratch, said))
            for board in boards:
                board.measure_by(compared[method][0][0])
    rows: list[list[Row]] = [[] for _ in boards]
    for method in said.methods:
        for outcomes in compared.get(method) or of_method(method, dataset, folder, scratch, said):
            for board, found in zip(boards, rows, strict=True):
                found += board.rows(outcomes)
            for outcome in outcomes:
                if outcome.path is not None:
                    outcome.path.unlink()
    yield from zip(boards, rows, strict=True)


def of_method(method: str, dataset: DataSet, folder: Path, scratch: Path, said: Namespace) -> Iterator[list[Outcome]]:
    """All runs of a method, those that belong together in one list: for ours one per seed, a list per cell."""
    own = method == "ours"
    for cell in said.cells if own else (None,):
        outcomes = []
        for seed in range(said.seeds if own else 1):
            request = Request(
                method=method,
                dataset=dataset,
                folder=folder,
                cell=cell,
                seed=seed,
                budget=said.budget if own else None,
                streams=said.streams,
            )
            outcomes.append(run(request, scratch / f"{method}-{cell}-{seed}.npy"))
        yield outcomes


def parser() -> ArgumentParser:
    """What may be said."""
    made = ArgumentParser(
        "python -m benchmarks.accuracy",
        description=benchmarks.accuracy.__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("--data", type=Path, default=Path("data"), help="folder of the Parquet files")
    made.add_argument("--dataset", action="append", default=[], help="only this one, or all beginning with it")
    made.add_argument("--file", type=Path, help="a Parquet file that has no line of its own")
    made.add_argument("--horizon", type=int, default=24, help="leads, for --file")
    made.add_argument("--frequency", default="h", help="spacing, for --file: 15min, 30min, h, D, W, month")
    made.add_argument("--season", type=numbers, default=(), help="steps, for --file: 24 or 24,168")
    made.add_argument("--timezone", default="UTC", help="where the calendar counts, for --file")
    made.add_argument("--methods", type=names, default=tuple(METHODS), help=f"of {','.join(METHODS)}")
    made.add_argument("--seeds", type=int, default=1, help="networks of ours, each from another seed")
    made.add_argument("--cells", type=lambda text: text.split(","), default=["gru"], help="of gru,lstm,elman")
    made.add_argument("--budget", help="time limit of one training, such as 60s; the product's default when left out")
    made.add_argument("--streams", type=int, help="forecast so many streams only, for a quick look")
    made.add_argument("--json", type=Path, help="result file; rows of what is run are replaced, others stay")
    made.add_argument("--scratch", type=Path, help="folder for forecasts in passing; up to gigabytes")
    return made


def numbers(text: str) -> tuple[int, ...]:
    """``24,168`` as numbers."""
    return tuple(int(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """Methods by name, whatever the case.

    Raises
    ------
    ValueError
        For a method that does not exist; told by the parser.
    """
    known = {name.lower(): name for name in METHODS}
    unknown = [part for part in text.lower().split(",") if part not in known]
    if unknown:
        raise ValueError(f"no method {unknown[0]}")
    return tuple(known[part] for part in text.lower().split(","))


if __name__ == "__main__":
    sys.exit(main())
