"""``forecaster models``: what is in service, and choosing another."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

from forecaster.adapters.registry import FileModelRegistry
from forecaster.commands.models import asked_for, listing, promote, roll_back, run
from forecaster.config import load
from forecaster.errors import ConfigurationError, ModelError, ModelMismatch
from forecaster.nets.shape import shape_of, to_json
from forecaster.settings import Mqtt, Settings
from forecaster.testing import MemoryRegistry, a_card, a_group

HOME = a_group()
SHAPE = to_json(shape_of(HOME, features=0))
SCORES = {"challenger": {"mae": 0.25, "mase": 0.8, "pinball": 0.3}, "naive": {"mae": 0.5, "mase": 1.0, "pinball": 0.4}}


def registry(*versions: str) -> MemoryRegistry:
    models = MemoryRegistry()
    for version in versions:
        models.save("household", {}, a_card(version, shape=SHAPE, scores=SCORES, verdict=f"verdict {version}"))
    return models


def lines(shown: RenderableType) -> list[str]:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=80, highlight=False, record=True, file=nowhere)
        console.print(shown)
        text = console.export_text()
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and "──" not in line]


def test_models_are_listed_newest_first_with_the_champion_marked() -> None:
    """What serves, since when, on which data, how good, and why."""
    models = registry("0001", "0002")
    models.promote("household", "0001")

    assert lines(listing(HOME, models)) == [
        "household",
        "version kind trained data until MAE MASE vs best naive verdict",
        "0002 gru 2026-03-01 12:00 2026-03-01 0.25 0.8 −23 % promoted",
        "● 0001 gru 2026-03-01 12:00 2026-03-01 0.25 0.8 −23 % promoted",
        "● in service: verdict 0001",
    ]


def test_a_model_is_compared_with_the_best_naive_forecast_as_it_was_judged() -> None:
    """One that was rejected for a climatology it did not reach is not 56 % better."""
    models = registry()
    scores = {
        "challenger": {"mase": 0.8, "pinball": 0.2},
        "naive": {"mase": 1.6, "pinball": 0.5},
        "climatology": {"mase": 0.6, "pinball": 0.15},
        "smart_persistence": {"mase": 3.4, "pinball": 0.8},
    }
    models.save("household", {}, a_card("0001", shape=SHAPE, scores=scores))

    (row,) = (line for line in lines(listing(HOME, models)) if line.startswith("0001"))

    assert "+33 %" in row


def test_a_group_without_models_says_how_to_get_one() -> None:
    """An empty table would leave a person alone."""
    assert lines(listing(HOME, registry())) == ["household no models yet; train one: forecaster train household"]


def test_promote_puts_any_fitting_model_into_service() -> None:
    """By hand, whatever the verdict was."""
    models = registry("0001", "0002")

    promote(HOME, "0002", models)

    assert models.champion("household") == "0002"


def test_a_model_that_does_not_fit_is_refused() -> None:
    """The service could not use it."""
    models = registry("0001")

    with pytest.raises(ModelMismatch, match=r"trained for 3 leads, group 'household' asks for 48"):
        promote(a_group(horizon=48), "0001", models)
    with pytest.raises(ModelError):
        promote(HOME, "0009", models)

    assert models.champion("household") is None


def test_rollback_goes_back_one_model_until_there_is_none() -> None:
    """The way back of the way there."""
    models = registry("0001", "0002")
    models.promote("household", "0001")
    models.promote("household", "0002")

    assert roll_back(HOME, models) == "0001"
    with pytest.raises(ModelError, match=r"no earlier model of group household can serve it; list them"):
        roll_back(HOME, models)


def test_rollback_passes_over_models_for_other_settings() -> None:
    """They would not serve; without one that fits the model in service stays."""
    models, longer = registry("0001", "0002"), a_group(horizon=48)
    models.save("household", {}, a_card("0003", shape=to_json(shape_of(longer, features=0))))
    for version in ("0001", "0003", "0002"):
        models.promote("household", version)

    assert roll_back(HOME, models) == "0001"

    models.promote("household", "0003")
    with pytest.raises(ModelError, match=r"no earlier model of group household can serve it"):
        roll_back(longer, models)
    assert models.champion("household") == "0003"


def test_no_group_means_all_and_a_wrong_one_is_told() -> None:
    """The nearest name is offered."""
    settings = Settings(mqtt=Mqtt(url="mqtt://broker"), groups=(HOME, a_group(name="plant")))

    assert [group.name for group in asked_for(settings, None)] == ["household", "plant"]
    assert [group.name for group in asked_for(settings, "plant")] == ["plant"]
    with pytest.raises(ConfigurationError, match=r"no group 'plants' in the configuration; did you mean 'plant'\?"):
        asked_for(settings, "plants")
    with pytest.raises(ConfigurationError, match=r"there are: household, plant"):
        asked_for(settings, "xyz")


def test_where_there_are_no_models_it_is_said_where_they_were_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data directory is relative to where the command was started, which is not always where the service was."""
    path = tmp_path / "forecaster.yaml"
    path.write_text(
        'mqtt: {url: "mqtt://127.0.0.1"}\ndata: data\n'
        'groups: {household: {streams: [{topic: "home/{home}/power"}], step: 1h, horizon: 3}}\n'
    )
    monkeypatch.chdir(tmp_path)

    assert run(Namespace(config=path, action="list", group=None)) == 0

    assert f"looked in {tmp_path / 'data' / 'models'}" in capsys.readouterr().out


def test_the_command_works_on_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """List, promote, list, roll back: what a person would do."""
    path = tmp_path / "forecaster.yaml"
    path.write_text(
        f'mqtt: {{url: "mqtt://127.0.0.1"}}\ndata: {tmp_path}\n'
        'groups: {household: {streams: [{topic: "home/{home}/power"}], step: 1h, horizon: 3}}\n'
    )
    models = FileModelRegistry(tmp_path / "models")
    group = load(path, {}).groups[0]
    shape = to_json(shape_of(group, features=0))
    for version in ("0001", "0002"):
        models.save("household", {"w": np.ones(1, dtype=np.float32)}, a_card(version, shape=shape))
    worse = a_card("0003", shape=shape, promoted=False, verdict="rejected: 66 % more error than seasonal naive")
    models.save("household", {"w": np.ones(1, dtype=np.float32)}, worse)

    def said(action: str, version: str | None = None) -> str:
        assert run(Namespace(config=path, action=action, group="household", version=version)) == 0
        return capsys.readouterr().out.strip()

    assert said("promote", "0001") == "household-0001 is in service"
    assert said("promote", "0002") == "household-0002 is in service"
    assert said("rollback") == "household-0001 is in service again"
    assert "●" in said("list")
    assert models.champion("household") == "0001"
    assert "when it was trained it was rejected: 66 % more error than seasonal naive" in said("promote", "0003")
