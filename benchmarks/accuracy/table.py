"""The README's table of a result file: ``python -m benchmarks.accuracy.table benchmarks/results/accuracy.json``.

One line per data set and measure that is aimed at: ours, the best that was run beside it, the best that is known from
the literature, the aim, and whether ours reached it. All these measures are errors: smaller is better.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.accuracy.datasets import DATASETS, DataSet
from benchmarks.accuracy.results import Row, at_leads

HEAD = ("data set", "measure", "our network", "our ensemble", "best peer", "best known", "aim", "reached")
CELL = "gru"
"""Of several cells, the one that is shown: the product's default."""

NOTHING = "–"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of a result file."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    print(markdown(json.loads(Path(path).read_text())))
    return 0


def markdown(rows: Sequence[Row]) -> str:
    """The whole table, data sets in the order of the benchmark; those without a line of their own are left out.

    Examples
    --------
    >>> peer = {"dataset": "m4_hourly", "method": "MSTL", "cell": None, "owa": 0.60, "msis": 20.0}
    >>> ours = [{"dataset": "m4_hourly", "method": "ours", "cell": "gru", "seeds": 5, "owa": 0.41, "msis": 7.5}]
    >>> print(markdown([peer, *ours]))
    | data set | measure | our network | our ensemble | best peer | best known | aim | reached |
    |---|---|---|---|---|---|---|---|
    | m4_hourly | owa | 0.41 (mean of 5) | – | 0.6 (MSTL) | 0.41 (CARD, best of 61 hourly) | 0.395 | no |
    | m4_hourly | msis | 7.5 (mean of 5) | – | 20 (MSTL) | 7.928 (ES-RNN, winner of the M4) | 7.93 | yes |
    """
    lines = [line(HEAD), line(["---"] * len(HEAD)).replace(" ", "")]
    for dataset in DATASETS:
        for leads in dataset.leads or (None,):
            name = dataset.name + (f"_{leads}" if leads else "")
            mine = [row for row in rows if row["dataset"] == name]
            if mine:
                lines += [line(one) for one in lines_of(name, dataset, leads, mine)]
    return "\n".join(lines)


def line(words: Sequence[str]) -> str:
    """One line of Markdown."""
    return f"| {' | '.join(words)} |"


def lines_of(name: str, dataset: DataSet, leads: int | None, rows: Sequence[Row]) -> Iterator[list[str]]:
    """The measures aimed at, or the one that decides where nothing is."""
    aims = at_leads(dataset.reach, leads)
    for measure in aims or dataset.record[:1]:
        single, together = own(rows, "ours"), own(rows, "ours_ensemble")
        peers = {said(row): value(row, measure) for row in rows if not str(row["method"]).startswith("ours")}
        known = {who: at_leads(values, leads).get(measure, math.nan) for who, values in dataset.known.items()}
        aim = aims.get(measure, math.nan)
        seeds = single.get("seeds") or 1
        yield [
            *(name, measure),
            number(value(single, measure)) + (f" (mean of {seeds})" if seeds != 1 else ""),
            number(value(together, measure)),
            best(peers),
            best(known),
            number(aim),
            reached([value(single, measure), value(together, measure)], aim),
        ]


def own(rows: Sequence[Row], method: str) -> Row:
    """The row of a method of ours, with the default cell where there are several; empty when it was not run."""
    found = sorted((row for row in rows if row["method"] == method), key=lambda row: row["cell"] != CELL)
    return found[0] if found else {}


def said(row: Row) -> str:
    """Name of a peer, and when it was run from a sample of the origins only."""
    choice = row.get("choice")
    sampled = "sample" in str(choice.get("how", "")) if isinstance(choice, Mapping) else False
    return f"{row['method']}{', a sample' if sampled else ''}"


def value(row: Row, measure: str) -> float:
    """A number of a row; NaN where there is none."""
    found = row.get(measure)
    return float(found) if isinstance(found, int | float) else math.nan


def best(found: Mapping[str, float]) -> str:
    """The smallest and whose it is."""
    finite = {who: one for who, one in found.items() if math.isfinite(one)}
    return min(
        (f"{number(one)} ({who})" for who, one in finite.items() if one == min(finite.values())), default=NOTHING
    )


def reached(ours: Sequence[float], aim: float) -> str:
    """Whether the single network did, or only the ensemble; nothing to say without an aim or a result."""
    if math.isnan(aim) or all(map(math.isnan, ours)):
        return NOTHING
    single, together = (one <= aim for one in ours)
    return "yes" if single else "ensemble" if together else "no"


def number(one: float) -> str:
    """Four digits.

    >>> number(0.81234), number(1234.5), number(math.nan)
    ('0.8123', '1,234', '–')
    """
    return NOTHING if math.isnan(one) else f"{one:.4g}" if abs(one) < 1000 else f"{one:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
