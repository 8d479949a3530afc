"""``forecaster train``: what a training reads, judges and leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from forecaster.adapters.registry import FileModelRegistry
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.adapters.trainer import ChildTrainer, command_line
from forecaster.commands.train import Result, in_words, recent, told, train
from forecaster.nets.baseline import NAIVE
from forecaster.nets.score import judge
from forecaster.ports import Columns, History, ModelRegistry, Progress
from forecaster.records import Series
from forecaster.settings import Group, Network, Training
from forecaster.testing import MemoryHistory, MemoryRegistry, a_card, a_group, at

torch.set_num_threads(1)  # more would spin on a busy machine

HOUR_MS = 3_600_000
START_MS = at("00:00")
NETWORK = Network(hidden=8)
HOME = a_group(
    horizon=6, seasons=(24,), lookback=48, network=NETWORK, training=Training(budget_s=0.5, keep=2, warm=True)
)


def store(history: History, hours: int, streams: int = 3) -> None:
    """A daily wave, different in each home, whose size swells and shrinks over days: naive is good, not perfect."""
    random, hour = np.random.default_rng(0), np.arange(hours)
    waves = [
        np.sin(2 * np.pi * hour / 24 + home) * (1 + 0.5 * np.sin(2 * np.pi * hour / 200)) + random.normal(0, 0.3, hours)
        for home in range(streams)
    ]
    history.append(
        "household",
        [Series(name=f"home{home}", source=0, labels=(("home", f"home{home}"),)) for home in range(streams)],
        Columns(
            series=np.repeat(np.arange(streams, dtype=np.int32), hours),
            start_ms=np.tile(START_MS + hour * HOUR_MS, streams),
            values=np.concatenate(waves),
        ),
    )


def trained(history: History, models: ModelRegistry, group: Group = HOME) -> Result:
    return train(group, history, models, lambda _: None)


def test_a_model_is_saved_with_all_that_is_known_about_it() -> None:
    """The card says on what it was trained, for which settings, and how it compares."""
    history, models = MemoryHistory(), MemoryRegistry()
    store(history, 400)

    result = trained(history, models)

    card = result.card
    assert card is not None
    assert models.cards("household") == [card]
    assert result.outcome == ("promoted" if card.promoted else "rejected")
    assert models.champion("household") == ("0001" if card.promoted else None)
    assert card == a_card(
        kind="gru",
        shape=card.shape,
        trained_at=card.trained_at,
        data_from="2026-03-01T00:00:00Z",
        data_until="2026-03-17T16:00:00Z",
        seconds=card.seconds,
        streams=3,
        steps=400,
        updates=card.updates,
        more=card.more,
        judged_from="2026-03-16T00:00:00Z",
        settings_hash=HOME.fingerprint,
        scores=card.scores,
        promoted=card.promoted,
        verdict=result.verdict,
    )
    assert set(card.scores) == {"challenger", *NAIVE}


def test_too_little_history_is_no_failure_and_says_what_is_missing() -> None:
    """Three days and a horizon are needed here."""
    history, models = MemoryHistory(), MemoryRegistry()

    assert trained(history, models) == Result("skipped", "too little history: 0 of 78 steps of 1h; 78 to go")

    store(history, 50)
    assert trained(history, models) == Result("skipped", "too little history: 50 of 78 steps of 1h; 28 to go")
    assert models.cards("household") == []


def test_the_champion_is_asked_too_and_old_models_go() -> None:
    """From the second training on there is a model in service to beat."""
    history, models = MemoryHistory(), MemoryRegistry()
    store(history, 300)
    first = trained(history, models).card
    assert first is not None
    models.promote("household", first.version)

    second, third = trained(history, models).card, trained(history, models).card

    assert second is not None
    assert third is not None
    assert set(second.scores) == {"challenger", *NAIVE, "champion"}
    assert len(models.cards("household")) <= 3  # two newest, and the champion


def test_a_champion_that_no_longer_fits_need_not_be_beaten(caplog: pytest.LogCaptureFixture) -> None:
    """After the settings changed, training starts afresh and says so."""
    history, models = MemoryHistory(), MemoryRegistry()
    store(history, 300)
    models.save("household", {}, a_card(shape={"horizon": 3}))
    models.promote("household", "0001")

    card = trained(history, models).card

    assert card is not None
    assert set(card.scores) == {"challenger", *NAIVE}
    assert caplog.messages[0].startswith("champion left aside group=household reason=")


def test_a_model_of_another_size_is_judged_but_not_started_from() -> None:
    """The inner make may change: the champion still serves and is scored, its weights do not fit."""
    history, models = MemoryHistory(), MemoryRegistry()
    store(history, 300)
    first = trained(history, models).card
    assert first is not None
    models.promote("household", first.version)

    card = trained(history, models, replace(HOME, network=Network(hidden=4))).card

    assert card is not None
    assert set(card.scores) == {"challenger", *NAIVE, "champion"}


def test_the_span_of_history_counts_from_its_newest_step() -> None:
    """Recorded data may be years old and is still recent to itself."""
    steps = Columns(
        series=np.array([0, 0, 1], dtype=np.int32), start_ms=np.array([0, 9_000, 10_000]), values=np.array([1.0, 2, 3])
    )

    kept = recent(steps, 5.0)

    assert (kept.series.tolist(), kept.start_ms.tolist(), kept.values.tolist()) == ([0, 1], [9_000, 10_000], [2, 3])
    assert recent(steps, None) is steps


def test_scores_are_shown_with_the_best_first_to_see() -> None:
    """A person sees what was compared, the verdict and the model; table and verdict tell the same number."""
    scores = {
        "challenger": {"mae": 0.25, "mase": 0.8, "pinball": 0.1},
        "champion": {"mae": 0.3, "mase": 1.1, "pinball": 0.2},
        "naive": {"mae": 0.4, "mase": 1.0, "pinball": 0.16},
        "climatology": {"mae": 0.4, "mase": 0.9, "pinball": float("nan")},
    }
    _, verdict = judge({name: scores[name] for name in ("challenger", "naive")})
    card = a_card(scores=scores, verdict=verdict)

    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=100, highlight=False, record=True, file=nowhere)
        console.print(told(Result("promoted", card.verdict, card), HOME))

    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert [line for line in lines if line and "─" not in line] == [
        "on held-out data",
        "MAE MASE pinball against naive",
        "challenger 0.25 0.8 0.1 −29 %",
        "champion 0.3 1.1 0.2 +18 %",
        "naive 0.4 1 0.16",
        "climatology 0.4 0.9 nan unknown",
        "against naive, as in the verdict: MASE and pinball",
        "promoted 29 % less error than seasonal naive",
        "model household-0001: gru 1 × 8, 2 streams × 1416 steps, 100 updates in 2 s",
    ]


def test_progress_in_words_leaves_out_what_is_not_known() -> None:
    """No loss yet, no time yet: no dashes for them."""
    assert in_words(Progress(fraction=0.0, loss=None, seconds_left=None, note="reading history")) == "reading history"
    assert in_words(Progress(fraction=0.1, loss=None, seconds_left=9.6)) == "10 s left"


CONFIGURATION = """
mqtt: {{url: "mqtt://127.0.0.1:1883"}}
data: {data}
groups:
  household:
    streams: [{{topic: "home/{{home}}/power", unit: W}}]
    step: 1h
    horizon: 6
    network: {{hidden: 8}}
    training: {{budget: 1s}}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "forecaster.yaml"
    path.write_text(CONFIGURATION.format(data=tmp_path))
    return path


def test_the_service_trains_in_a_child_of_its_own(tmp_path: Path) -> None:
    """The real command, started as the service does: progress comes in, a model for the group it serves comes out.

    Whatever is in the configuration file by now.
    """
    history, models = SqliteHistory(tmp_path / "history.db"), FileModelRegistry(tmp_path / "models")
    store(history, 600)
    seen = list[Progress]()

    outcome, why, card = ChildTrainer(command_line(tmp_path), models).train(HOME, seen.append)

    history.close()
    assert outcome in ("promoted", "rejected")
    assert card is not None
    assert (card.settings_hash, card.verdict) == (HOME.fingerprint, why)
    assert models.cards("household") == [card]
    assert seen[0].note == "reading history"
    assert seen[-1].fraction == 1.0


def test_a_training_that_needs_more_memory_than_it_may_use_says_so(configuration: Path, tmp_path: Path) -> None:
    """One line, whichever library ran out of it."""
    history = SqliteHistory(tmp_path / "history.db")
    store(history, 300)
    history.close()
    huge = configuration.read_text().replace("hidden: 8", "hidden: 4096").replace("budget: 1s", "memory: 1GB")
    configuration.write_text(huge)

    said = subprocess.run(
        [sys.executable, "-m", "forecaster", "train", "household", "--config", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stderr) == (
        75,
        "forecaster: group household: out of memory; raise training.memory or shorten training.history\n",
    )


def test_the_child_is_modest(configuration: Path, tmp_path: Path) -> None:
    """Lowest priority, one thread, and the memory it was allowed: forecasts go first."""
    program = (
        "import json, os, resource\n"
        "from forecaster.commands.train import be_modest\n"
        "from forecaster.settings import Training\n"
        "be_modest(Training(memory_mb=4096))\n"
        "print(json.dumps([os.getpriority(os.PRIO_PROCESS, 0), os.environ['OMP_NUM_THREADS'], "
        "resource.getrlimit(resource.RLIMIT_AS)[0]]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}

    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)

    assert json.loads(said.stdout) == [19, "1", 4096 * 1024 * 1024]


@pytest.mark.parametrize(
    ("group", "code", "complaint"),
    [
        ("houshold", 78, "no group 'houshold' in the configuration; did you mean 'household'?"),
        ("household", 74, "nothing is stored yet; start 'forecaster run' first"),
    ],
)
def test_a_training_that_cannot_be_says_what_to_do(configuration: Path, group: str, code: int, complaint: str) -> None:
    """Exit codes tell the causes apart."""
    said = subprocess.run(
        [sys.executable, "-m", "forecaster", "train", group, "--config", str(configuration)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == code
    assert complaint in said.stderr
