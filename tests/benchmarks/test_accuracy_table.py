"""The table of the README: which numbers stand side by side."""

from __future__ import annotations

from benchmarks.accuracy.results import Row
from benchmarks.accuracy.table import markdown


def a_row(method: str, dataset: str = "m4_monthly_200", **said: object) -> Row:
    return {"dataset": dataset, "method": method, "cell": None, "seeds": 1} | said


def cells(rows: list[Row]) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown(rows).splitlines()[2:]]


def test_an_aim_that_only_the_ensemble_reaches_is_told_as_such() -> None:
    """The single network is what serves, so it is never given the ensemble's number."""
    ours = [
        a_row("ours", cell="lstm", owa=0.1),
        a_row("ours", cell="gru", seeds=5, owa=0.86),
        a_row("ours_ensemble", cell="gru", seeds=5, owa=0.84),
    ]

    (found,) = cells([a_row("MSTL", owa=0.87), a_row("AutoETS", owa=None), *ours])

    assert found[2:5] == ["0.86 (mean of 5)", "0.84", "0.87 (MSTL)"]
    assert found[6:] == ["0.85", "ensemble"]


def test_what_was_not_run_is_a_dash_and_no_miss() -> None:
    """A peer run from a sample of the origins is marked; nothing of ours, nothing reached."""
    peer = a_row("MSTL", "sgsc_households_hourly", mae=0.25, choice={"how": "a sample of 200 of 3720 origins"})

    first, second = cells([peer])

    assert first[2:5] == ["–", "–", "0.25 (MSTL, a sample)"]
    assert second[2:5] == ["–", "–", "–"]
    assert (first[6:], second[6:]) == (["0.236", "–"], ["0.0815", "–"])


def test_aims_for_some_leads_are_told_for_these() -> None:
    """``mse@24`` belongs to the row of the first 24 leads."""
    (found,) = cells([a_row("ours", "ETTm1_online_24", mse=0.25)])

    assert (found[0], found[1], found[6], found[7]) == ("ETTm1_online_24", "mse", "0.292", "yes")
