"""Runs the measurements one after the other, prints them, and writes them down."""

from __future__ import annotations

import json
import os
import platform
import time
from argparse import ArgumentParser, Namespace
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.load.measure import PASSES, Bench, Figure, beside, steady, together
from benchmarks.load.model import trained
from benchmarks.load.plan import Plan

RESULT = Path(__file__).parent.parent / "results" / "load.json"


def main() -> None:
    """Measure, print, write."""
    asked, console, began_s = parsed(), Console(highlight=False), time.monotonic()
    cores = sorted(os.sched_getaffinity(0))
    with (
        TemporaryDirectory(dir=asked.directory, prefix="load-") as made,
        process_on(cores[-1]) as publisher,
        process_on(cores[0]) as bare,
        console.status("training a network") as status,
    ):
        folder = Path(made)
        bench = Bench(
            folder=folder,
            plan=Plan.from_now(asked.streams),
            messages=asked.messages,
            models=trained(folder / "training"),
            ours=cores[0],
            theirs=cores[-1],
            publisher=publisher,
            bare=bare,
            say=status.update,
        )
        figures = [*steady(bench), *beside(bench), *together(bench)]
    console.print(table(figures))
    console.print(f"[dim]took {time.monotonic() - began_s:.0f} s; load of the machine {os.getloadavg()[0]:.1f}[/]")
    asked.json.parent.mkdir(exist_ok=True)
    asked.json.write_text(json.dumps(written(figures, asked), indent=2, ensure_ascii=False) + "\n")


def parsed() -> Namespace:
    """What was asked for."""
    parser = ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000, help="how many, as fast as they are taken")
    parser.add_argument("--streams", type=int, default=10_000, help="how many different ones")
    parser.add_argument("--json", type=Path, default=RESULT, metavar="FILE", help="where the result is written")
    parser.add_argument("--directory", type=Path, help="on the disk to be used; default: that for temporary files")
    asked = parser.parse_args()
    rounds = max(1, round(asked.messages / asked.streams / PASSES))
    asked.messages = rounds * asked.streams * PASSES  # every stream the same number in every pass
    return asked


def process_on(core: int) -> ProcessPoolExecutor:
    """A process that runs what it is given on one core."""
    return ProcessPoolExecutor(1, get_context("spawn"), os.sched_setaffinity, (0, {core}))


def table(figures: list[Figure]) -> Table:
    """For a person."""
    shown = Table(box=box.SIMPLE_HEAD)
    for title, justify in (("", "left"), ("measured", "right"), ("", "left"), ("aim", "right")):
        shown.add_column(title, justify=justify)  # type: ignore[arg-type]
    for one in figures:
        digits = 0 if one.unit in ("", "/s", "MB") else 1
        aim = "" if one.aim is None else f"{'≥' if one.at_least else '≤'} {one.aim:,.0f}"
        style = {None: "", True: "green", False: "bold red"}[one.good]
        shown.add_row(one.name, f"{one.value:,.{digits}f}", one.unit, aim, style=style)
    return shown


def written(figures: list[Figure], asked: Namespace) -> dict[str, Any]:
    """For a machine, and for those who cite it."""
    return {
        "streams": asked.streams,
        "messages": asked.messages,
        "machine": {
            "cpu": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
        },
        "figures": {one.name: {"value": round(one.value, 3), "unit": one.unit, "aim": one.aim} for one in figures},
    }


def processor() -> str:
    """What the kernel calls it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
