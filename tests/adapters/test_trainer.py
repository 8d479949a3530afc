"""Trainings as real child processes, with small programs in place of ``forecaster train``."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from forecaster.adapters.registry import FileModelRegistry
from forecaster.adapters.trainer import ChildTrainer, command_line
from forecaster.ports import Card, Progress
from forecaster.settings import Exclusion, Group, Source, Step, Training

HOME = Group(
    name="home",
    sources=(Source(topic="home/{meter}"),),
    step=Step(unit="second", count=3600, text="1h"),
    horizon=3,
    training=Training(budget_s=30.0),
)
HURRIED = replace(HOME, training=Training(budget_s=0.0))
CARD = Card(
    version="0001",
    kind="gru",
    shape={},
    trained_at="2026-01-01T00:00:00Z",
    data_from="2025-01-01T00:00:00Z",
    data_until="2026-01-01T00:00:00Z",
    seconds=1.0,
    seed=0,
    streams=1,
    steps=10,
    updates=5,
    settings_hash="abc",
    scores={},
    promoted=True,
    verdict="better than naive",
)


@pytest.fixture
def models(tmp_path: Path) -> FileModelRegistry:
    return FileModelRegistry(tmp_path / "models")


def program(text: str) -> Callable[[str], list[str]]:
    """A child that runs these lines of Python; ``argv[1]`` is the group."""
    return lambda group: [sys.executable, "-c", text, group]


def nothing(_: Progress) -> None:
    pass


def test_progress_is_passed_on_and_the_card_is_the_child_s(models: FileModelRegistry) -> None:
    """Lines become progress; the last names the model, whose card is in the registry."""
    models.save("home", {"w": np.ones(1, dtype=np.float32)}, CARD)
    child = program(
        "import json\n"
        "print('loading', flush=True)\n"
        "print(json.dumps({'fraction': 0.25, 'loss': 0.5, 'seconds_left': 3, 'note': 'fit'}), flush=True)\n"
        "print(json.dumps({'fraction': 1.0, 'loss': None, 'seconds_left': None}))\n"
        "print(json.dumps({'outcome': 'promoted', 'version': '0001', 'verdict': 'better'}))\n"
    )
    seen = list[Progress]()

    outcome, why, card = ChildTrainer(child, models).train(HOME, seen.append)

    assert (outcome, why, card) == ("promoted", "better", CARD)
    assert seen == [
        Progress(fraction=0.25, loss=0.5, seconds_left=3.0, note="fit"),
        Progress(fraction=1.0, loss=None, seconds_left=None),
    ]


def test_too_little_history_is_an_outcome_not_a_failure(models: FileModelRegistry) -> None:
    """Skipped trainings leave no card, and say why."""
    child = program('print(\'{"outcome": "skipped", "verdict": "12 more steps"}\')')

    assert ChildTrainer(child, models).train(HOME, nothing) == ("skipped", "12 more steps", None)


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("import sys; print('disk full', file=sys.stderr); sys.exit(75)", "exit code 75"),
        ("import os, sys; print('disk full', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import sys; print('disk full', file=sys.stderr)", "exit code 0"),  # and said no outcome
    ],
)
def test_a_child_that_fails_is_logged_with_its_last_words(
    models: FileModelRegistry, caplog: pytest.LogCaptureFixture, text: str, ended: str
) -> None:
    """However it ends, the training failed and the log says why."""
    with caplog.at_level(logging.ERROR):
        assert ChildTrainer(program(text), models).train(HOME, nothing)[::2] == ("failed", None)

    (line,) = caplog.messages
    assert line.startswith(f"training failed group=home ended={ended}")
    assert line.endswith("disk full")


def test_a_command_that_does_not_exist_is_a_failure(models: FileModelRegistry) -> None:
    """The scheduler is told, nothing is raised."""
    assert ChildTrainer(lambda _: ["/no/such/program"], models).train(HOME, nothing)[::2] == ("failed", None)


def test_a_child_that_takes_too_long_is_killed_with_all_it_started(models: FileModelRegistry) -> None:
    """The limit is twice the budget and a grace; grandchildren die too, or the output would never end."""
    child = program("import subprocess; subprocess.run(['sleep', '300'])")

    assert ChildTrainer(child, models, grace_s=0.5).train(HURRIED, nothing) == ("timeout", "killed after 0 s", None)


def test_stopping_kills_the_child_and_starts_no_other(models: FileModelRegistry) -> None:
    """At shutdown a training must not hold up anything, and the next in line must not begin."""
    trainer = ChildTrainer(
        program("import time; print('{\"fraction\": 0}', flush=True); time.sleep(300)"), models, grace_s=100
    )
    started, outcomes = threading.Event(), list[object]()
    thread = threading.Thread(target=lambda: outcomes.append(trainer.train(HOME, lambda _: started.set())))
    thread.start()
    assert started.wait(20)

    trainer.stop()
    thread.join(20)

    assert outcomes == [("failed", "the service stops", None)]
    assert trainer.train(HOME, nothing) == ("failed", "the service stops", None)


def test_the_child_is_ended_when_the_listener_raises(models: FileModelRegistry) -> None:
    """A bug in what shows progress leaves no orphan behind."""
    seen = list[int]()

    def broken(step: Progress) -> None:
        seen.append(int(step.fraction))
        raise ZeroDivisionError

    child = program("import os, time; print('{\"fraction\": %d}' % os.getpid(), flush=True); time.sleep(300)")
    with pytest.raises(ZeroDivisionError):
        ChildTrainer(child, models).train(HOME, broken)

    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_the_child_is_told_the_settings_that_the_service_has(models: FileModelRegistry) -> None:
    """All of them, whatever has become of the configuration file."""
    group = replace(
        HOME,
        sources=(*HOME.sources, Source(topic="weather", role="future", value="$.t", valid=(None, 50.0))),
        exclude=(Exclusion(stream="*", since_ms=1, until_ms=2),),
        timezone="Europe/Paris",
        seasons=(24, 168),
    )
    child = program("import json, sys; print(json.dumps({'outcome': 'skipped', 'verdict': sys.stdin.read()}))")

    _, told, _ = ChildTrainer(child, models).train(group, nothing)

    assert msgspec.json.decode(told, type=Group) == group


def test_numeric_libraries_get_one_thread(models: FileModelRegistry) -> None:
    """More would spin on the engine's core."""
    child = program("import os; print('{\"fraction\": %s}' % os.environ['OMP_NUM_THREADS'])")
    seen = list[Progress]()

    ChildTrainer(child, models).train(HOME, seen.append)

    assert seen == [Progress(fraction=1.0, loss=None, seconds_left=None)]


def test_the_command_is_what_a_person_would_type(tmp_path: Path) -> None:
    """Training by hand and by schedule are the same program; the service tells where its data is."""
    assert command_line(tmp_path)("home") == [
        *(sys.executable, "-m", "forecaster", "train", "home"),
        *("--service", str(tmp_path), "--progress", "json"),
    ]
