"""``forecaster tune``: what is tried, who wins, and what is left behind."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console

from forecaster import config
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.cli import main
from forecaster.commands.search import Choice, Trial, best, choices, present, search
from forecaster.commands.tune import Tuned, patch_of, plain, told, tune
from forecaster.errors import TrainingFailed
from forecaster.ports import Columns, History
from forecaster.records import Series
from forecaster.settings import Network, Training
from forecaster.testing import MemoryHistory, a_group, at

torch.set_num_threads(1)  # more would spin on a busy machine

HOUR_MS = 3_600_000
HOME = a_group(
    horizon=6, seasons=(24,), lookback=48, network=Network(hidden=8), training=Training(seed=4, budget_s=300)
)


def store(history: History, hours: int, streams: int = 2) -> None:
    """A daily wave with noise in each home."""
    random, hour = np.random.default_rng(0), np.arange(hours)
    history.append(
        "household",
        [Series(name=f"home{home}", source=0, labels=(("home", f"home{home}"),)) for home in range(streams)],
        Columns(
            series=np.repeat(np.arange(streams, dtype=np.int32), hours),
            start_ms=np.tile(at("00:00") + hour * HOUR_MS, streams),
            values=np.tile(np.sin(2 * np.pi * hour / 24), streams) + random.normal(0, 0.3, streams * hours),
        ),
    )


def a_choice(hidden: int) -> Choice:
    return Choice(network=Network(hidden=hidden), lookback=48)


def a_trial(hidden: int, turn: int = 2, error: float = 0.9, **said: float) -> Trial:
    return Trial(choice=a_choice(hidden), round=turn, limit_s=1.0, seconds=1.0, updates=9, error=error)


def table_of(errors: dict[int, tuple[float, float]], spent: list[float]) -> Callable[[Choice, int, float], Trial]:
    """Trainings whose outcome is known, by hidden size and round, and which take all the time they are given."""

    def attempt(choice: Choice, turn: int, limit_s: float) -> Trial:
        spent.append(limit_s)
        error = errors[choice.network.hidden][turn - 1]
        return Trial(choice=choice, round=turn, limit_s=limit_s, seconds=limit_s, updates=1, error=error)

    return attempt


def test_the_best_of_the_first_round_and_the_present_settings_meet_again() -> None:
    """The second round decides, so luck in the first is not enough; what failed is not tried again."""
    errors = {8: (0.9, 0.9), 1: (0.5, 0.95), 2: (0.6, 0.8), 3: (0.7, 0.1), 4: (math.nan, 0.0)}
    spent = list[float]()

    trials = search(map(a_choice, errors), table_of(errors, spent), lambda: sum(spent), 20.0)

    assert [(one.choice.network.hidden, one.round) for one in trials if one.round == 2] == [(8, 2), (1, 2), (2, 2)]
    winner = best(trials)
    assert winner is not None
    assert winner.choice == a_choice(2)


@given(budget_s=some.floats(1.0, 1e5))
def test_a_search_keeps_to_its_budget(budget_s: float) -> None:
    """However long it may take: half for many short trainings, the rest for few longer ones of equal length."""
    spent = list[float]()
    errors = dict.fromkeys(range(1, 100), (1.0, 1.0))

    trials = search(map(a_choice, count(1)), table_of(errors, spent), lambda: sum(spent), budget_s)

    assert sum(spent) == pytest.approx(budget_s)
    assert len([one for one in trials if one.round == 1]) in (10, 11)
    assert len({one.limit_s for one in trials if one.round == 2}) == 1


def test_something_else_is_tried_however_short_the_time() -> None:
    """A comparison needs two."""
    trials = search(map(a_choice, (8, 1, 2)), table_of({8: (1, 1), 1: (1, 1)}, []), lambda: 100.0, 1.0)

    assert [one.choice.network.hidden for one in trials] == [8, 1, 8, 1]


def test_the_present_settings_are_tried_first_and_nothing_twice() -> None:
    """The same seed tries the same in the same order."""
    found = choices(HOME, 3)

    assert found[0] == present(HOME)
    assert len(set(found)) == len(found)
    assert found == choices(HOME, 3)
    assert {one.lookback for one in found} == {48}  # half of it would not hold two days
    assert {one.lookback for one in choices(replace(HOME, lookback=96), 3)} == {96, 48}


def test_too_little_history_says_how_much_is_missing() -> None:
    """Nothing is trained: there would be nothing left to judge by."""
    history = MemoryHistory()

    with pytest.raises(TrainingFailed, match="too little history: 0 of 87 steps of 1h; 87 to go"):
        tune(HOME, history, 1.0, elapsed_s=lambda: 0.0, listener=lambda *_: None)
    store(history, 80)
    with pytest.raises(TrainingFailed, match="too little history: 80 of 87 steps of 1h; 7 to go"):
        tune(HOME, history, 1.0, elapsed_s=lambda: 0.0, listener=lambda *_: None)


def ticking() -> Callable[[], float]:
    """A clock that goes on by a fiftieth of a second whenever it is looked at."""
    ticks = count()
    return lambda: next(ticks) / 50


def test_the_search_does_not_see_the_tail_it_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tail changes no trial; only the comparison on it."""
    one, other = MemoryHistory(), MemoryHistory()
    for history in (one, other):
        store(history, 300)
    last = Columns(
        series=np.zeros(30, np.int32),
        start_ms=at("00:00") + np.arange(270, 300) * HOUR_MS,
        values=np.linspace(5.0, 50.0, 30),
    )
    other.append("household", [Series(name="home0", source=0, labels=(("home", "home0"),))], last)

    found, changed = (
        tune(HOME, history, 1.5, elapsed_s=ticking(), listener=lambda *_: None) for history in (one, other)
    )

    assert [trial.error for trial in found.trials] == [trial.error for trial in changed.trials]
    assert found.winner == changed.winner
    assert (found.tail_from, found.tail_steps) == ("2026-03-12T06:00:00Z", 30)
    assert found.trials[0].choice == present(HOME)
    assert found.scores != changed.scores or not found.scores


def tuned(change: float, *, hidden: int = 32, lookback: int = 48) -> Tuned:
    scores = {"present": {"mase": 1.0, "pinball": 1.0}, "winner": {"mase": 1 + change, "pinball": 1 + change}}
    winner = Choice(network=Network(cell="lstm", hidden=hidden), lookback=lookback)
    return Tuned(
        trials=(a_trial(8), a_trial(hidden, error=math.nan)),
        winner=winner,
        tail_from="2026-03-12T06:00:00Z",
        tail_steps=30,
        scores=scores,
        change=change,
    )


def test_less_than_a_hundredth_is_no_reason_to_change() -> None:
    """The tail could not tell."""
    assert tuned(-0.02).better
    assert not tuned(-0.005).better
    assert tuned(-0.02).verdict == (
        "better: 2.0 % less error than the present settings on the last 30 steps, which the search did not see"
    )
    assert tuned(0.03).verdict.startswith("nothing better found: the best of the search has 3.0 % more error than")


def test_a_patch_says_what_changes_and_nothing_else(tmp_path: Path) -> None:
    """Merged into a configuration it gives the settings that won."""
    written = CONFIGURATION.format(data=tmp_path)
    patch = yaml.safe_load(patch_of(tuned(-0.02, lookback=96), replace(HOME, lookback=48)))
    assert patch == {"groups": {"household": {"lookback": 96, "network": {"cell": "lstm", "hidden": 32}}}}

    whole = yaml.safe_load(written)
    whole["groups"]["household"] |= patch["groups"]["household"]
    path = tmp_path / "merged.yaml"
    path.write_text(yaml.safe_dump(whole))

    group = config.load(path, {}).groups[0]
    assert (group.network, group.lookback) == (Network(cell="lstm", hidden=32), 96)


def test_the_evidence_is_json_without_nan() -> None:
    """A training that failed has no error."""
    found = json.loads(json.dumps(plain(tuned(-0.02), HOME, 60.0), allow_nan=False))

    assert [one["error_to_naive"] for one in found["trials"]] == [0.9, None]
    assert (found["better"], found["winner"]["network"]["cell"]) == (True, "lstm")


CONFIGURATION = """
mqtt: {{url: "mqtt://127.0.0.1:1883"}}
data: {data}
groups:
  household:
    streams: [{{topic: "home/{{home}}/power", unit: W}}]
    step: 1h
    horizon: 6
    season: [24]
    lookback: 48
    network: {{hidden: 8}}
"""


def test_the_command_leaves_a_table_and_its_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a stored history to files and words; an old patch goes when it is no longer what is advised."""
    monkeypatch.setattr("forecaster.commands.tune.be_modest", lambda training: None)  # the tests go on after it
    path = tmp_path / "forecaster.yaml"
    path.write_text(CONFIGURATION.format(data=tmp_path))
    history = SqliteHistory(tmp_path / "history.db")
    store(history, 300)
    history.close()
    patch = tmp_path / "tune-household.yaml"
    patch.write_text("old")

    code = main(["tune", "household", "--config", str(path), "--budget", "2s", "--out", str(tmp_path)])

    said, found = capsys.readouterr().out, json.loads((tmp_path / "tune-household.json").read_text())
    assert code == 0
    assert found["verdict"] in " ".join(said.split())
    assert found["trials"][0]["hidden"] == 8
    assert ("groups:" in patch.read_text()) if found["better"] else not patch.exists()


def test_a_budget_must_be_a_duration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told with what would have been right."""
    path = tmp_path / "forecaster.yaml"
    path.write_text(CONFIGURATION.format(data=tmp_path))

    assert main(["tune", "household", "--config", str(path), "--budget", "20"]) == 65
    assert "--budget: found '20'; expected a duration such as 90s" in capsys.readouterr().err


def test_the_table_shows_what_was_tried_in_eighty_columns() -> None:
    """Which settings are in use, which won, and what failed."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=80, highlight=False, record=True, file=nowhere)
        console.print(told(tuned(-0.02), HOME))

    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert [line for line in lines if line and "─" not in line] == [
        "tuning household",
        "round settings of naive s",
        "2 gru 1 × 8, dropout 0, lookback 48 0.9000 1 now",
        "2 gru 1 × 32, dropout 0, lookback 48 failed 1",
        "better: 2.0 % less error than the present settings on the last 30 steps, which",
        "the search did not see",
    ]
