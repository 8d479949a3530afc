"""One run of one method: in a process of its own, so that its memory can be told and a crash takes nothing along."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from benchmarks.accuracy.datasets import DataSet
from benchmarks.accuracy.methods import METHODS, Cost, Skip
from benchmarks.accuracy.task import task_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run.

    Attributes
    ----------
    method, dataset, folder
        What, on what, and where the files are.
    cell, seed, budget
        For ours: the recurrent cell and the random seed, and the time limit of a training (None: the product's).
    streams
        Forecast at most so many.
    """

    method: str
    dataset: DataSet
    folder: Path
    cell: str | None = None
    seed: int = 0
    budget: str | None = None
    streams: int | None = None

    @property
    def said(self) -> dict[str, object]:
        """What differs from the product's defaults, as in its configuration."""
        said: dict[str, object] = {"training": {"seed": self.seed, **({"budget": self.budget} if self.budget else {})}}
        return said | ({"network": {"cell": self.cell}} if self.cell else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run left.

    Attributes
    ----------
    path
        The forecasts; None when the run was skipped.
    cost
        Seconds, memory, and the hyper-parameters with how they were chosen.
    skipped
        Why there is nothing.
    """

    request: Request
    path: Path | None
    cost: Cost = field(default_factory=dict)
    skipped: str | None = None


def run(request: Request, path: Path) -> Outcome:
    """Run in a child process and wait for it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_run, request, path).result()
        except BrokenProcessPool:
            return Outcome(request=request, path=None, skipped="the process died; out of memory?")


def _run(request: Request, path: Path) -> Outcome:
    task = task_of(request.dataset, request.folder, streams=request.streams, **request.said)
    label = f"{request.dataset.name} {request.method} {request.cell or ''} seed {request.seed}"

    def report(line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{label}: {line}", end="\r", file=sys.stderr, flush=True)

    outcome = Outcome(request=request, path=path)
    try:
        cost = METHODS[request.method](task, path, report)
    except Skip as why:
        return replace(outcome, path=None, skipped=str(why))
    return replace(outcome, cost=cost | {"peak_memory_mb": peak_mb()})


def peak_mb() -> float:
    """Largest resident memory of this process so far, in units of 2**20 bytes; NaN where the system does not say.

    Not ``getrusage``, which a child inherits from its parent.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), float("nan"))
