"""Which model serves a group: the champion, or what is left of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters.registry import FileModelRegistry
from forecaster.nets.features import Usual
from forecaster.nets.network import Network
from forecaster.nets.shape import shape_of, to_json
from forecaster.runtime.models import Models
from forecaster.settings import Network as Wanted
from forecaster.testing import a_card, a_group

GROUP = a_group(network=Wanted(hidden=4))


@pytest.fixture
def registry(tmp_path: Path) -> FileModelRegistry:
    """Three models; 0001 and 0002 were promoted, in this order, 0003 was rejected."""
    registry = FileModelRegistry(tmp_path)
    shape = shape_of(GROUP, features=0)
    nothing = np.zeros(len(shape.channels))
    network = Network(shape, Usual(nothing, nothing.copy()))
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    for version in ("0001", "0002", "0003"):
        card = a_card(version, shape=to_json(shape), settings_hash=GROUP.fingerprint, promoted=version != "0003")
        registry.save(GROUP.name, weights, card)
        if card.promoted:
            registry.promote(GROUP.name, version)
    return registry


def spoil(registry: FileModelRegistry, version: str) -> None:
    """Half the weights, as a disk that was full leaves them."""
    path = registry.directory / GROUP.name / version / "weights.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def serving(registry: FileModelRegistry) -> str | None:
    model = Models(registry).best(GROUP)
    return model.version if model else None


def test_the_champion_serves(registry: FileModelRegistry) -> None:
    """Whatever was trained after it."""
    assert serving(registry) == "0002"


def test_a_broken_champion_is_replaced_by_the_one_before(
    registry: FileModelRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """And that is said, with the file and what to do; a model that was rejected is never taken."""
    spoil(registry, "0002")
    assert serving(registry) == "0001"
    error, warning = caplog.records
    assert error.levelno == logging.ERROR
    assert "0002/weights.safetensors: broken" in error.getMessage()
    assert "forecaster models rollback household" in error.getMessage()
    assert warning.getMessage() == "fell back group=household model=0001 instead_of=0002"


def test_one_that_was_rolled_back_is_the_last_resort(registry: FileModelRegistry) -> None:
    """A person went back from it for a reason."""
    registry.save(GROUP.name, *_again(registry, "0004"))
    registry.promote(GROUP.name, "0004")
    registry.rollback(GROUP.name, lambda _: None)
    spoil(registry, "0002")
    assert serving(registry) == "0001"
    spoil(registry, "0001")
    assert serving(registry) == "0004"


def _again(registry: FileModelRegistry, version: str) -> tuple[object, object]:
    weights, card = registry.load(GROUP.name, "0002")
    return weights, replace(card, version=version)


def test_without_any_model_forecasts_are_naive(registry: FileModelRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """Until the next training, which is said."""
    spoil(registry, "0001")
    spoil(registry, "0002")
    assert serving(registry) is None
    assert "no model can be used, forecasts are naive until the next training group=household" in caplog.messages


def test_a_damaged_note_of_the_champion_costs_nothing_but_an_error(
    registry: FileModelRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """The newest that was promoted serves; the log says so once and not every two seconds."""
    (registry.directory / GROUP.name / "champion.json").write_text("{")
    models = Models(registry)
    assert [models.champion(GROUP) for _ in range(3)] == ["0002"] * 3
    model = models.best(GROUP)
    assert model is not None
    assert model.version == "0002"
    assert len(caplog.records) == 1
    assert "forecaster models promote household VERSION" in caplog.text


def test_a_model_for_other_settings_does_not_serve(registry: FileModelRegistry) -> None:
    """The group asks for more leads now."""
    assert Models(registry).best(replace(GROUP, horizon=4)) is None


def test_the_age_of_a_model_is_that_of_the_newest_for_these_settings(registry: FileModelRegistry) -> None:
    """Another horizon needs another training, at once."""
    models = Models(registry)
    assert models.last_trained_ms(GROUP) == 1_772_366_400_000
    assert models.last_trained_ms(replace(GROUP, horizon=4)) is None
