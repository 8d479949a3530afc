"""What every model registry promises: the one in files, and the one for tests."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters.registry import FileModelRegistry
from forecaster.errors import ModelError
from forecaster.ports import Card, ModelRegistry
from forecaster.testing import MemoryRegistry, a_card


@pytest.fixture(params=["files", "memory"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> ModelRegistry:
    return MemoryRegistry() if request.param == "memory" else FileModelRegistry(tmp_path / "models")


def save(registry: ModelRegistry, *versions: str) -> None:
    for version in versions:
        registry.save("household", {"weight": np.full(3, int(version), dtype=np.float32)}, a_card(version))


def versions(registry: ModelRegistry) -> list[str]:
    return [card.version for card in registry.cards("household")]


def fits(_: Card) -> None:
    """Any model will do."""


def test_a_new_registry_has_no_models(registry: ModelRegistry) -> None:
    """No champion, nothing to roll back to, and the first version is 0001."""
    assert registry.cards("household") == []
    assert registry.champion("household") is None
    assert registry.rollback("household", fits) is None
    assert registry.next_version("household") == "0001"


def test_a_model_comes_back_as_it_was(registry: ModelRegistry) -> None:
    """Weights of any shape, also none and views that are not in one piece; and the whole card."""
    weights = {
        "cell.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "scale": np.array(2.5),
        "embedding": np.empty((0, 4), dtype=np.float32),
    }

    registry.save("household", weights, a_card("0001"))
    found, card = registry.load("household", "0001")

    assert card == a_card("0001")
    assert found.keys() == weights.keys()
    for name, array in weights.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


def test_a_score_that_could_not_be_computed_stays_unknown(registry: ModelRegistry) -> None:
    """NaN comes back as NaN."""
    registry.save("household", {}, a_card("0001", scores={"challenger": {"mase": float("nan"), "mae": 1.0}}))

    _, card = registry.load("household", "0001")

    assert isnan(card.scores["challenger"]["mase"])
    assert card.scores["challenger"]["mae"] == 1.0


def test_saving_does_not_promote(registry: ModelRegistry) -> None:
    """A challenger goes into service only when told."""
    save(registry, "0001")

    assert registry.champion("household") is None


def test_a_version_is_written_once(registry: ModelRegistry) -> None:
    """Whoever comes second is refused, and the first is untouched."""
    save(registry, "0001")

    with pytest.raises(ModelError, match="exists already"):
        registry.save("household", {}, a_card("0001", seed=9))
    assert registry.load("household", "0001")[1] == a_card("0001")


def test_versions_count_up(registry: ModelRegistry) -> None:
    """Beyond four digits too, ordered as numbers."""
    save(registry, "9999", "0002", "10000")

    assert versions(registry) == ["0002", "9999", "10000"]
    assert registry.next_version("household") == "10001"


def test_groups_do_not_mix(registry: ModelRegistry) -> None:
    """Each group has its own versions and champion."""
    save(registry, "0001")
    registry.promote("household", "0001")

    assert (registry.champion("fleet"), registry.next_version("fleet")) == (None, "0001")


def test_a_model_that_is_not_there_cannot_be_used(registry: ModelRegistry) -> None:
    """Loading and promoting say so; the champion stays."""
    save(registry, "0001")
    registry.promote("household", "0001")

    with pytest.raises(ModelError, match="no such model"):
        registry.load("household", "0002")
    with pytest.raises(ModelError, match="no such model"):
        registry.promote("household", "0002")
    assert registry.champion("household") == "0001"


def test_rollback_goes_back_one_champion_at_a_time(registry: ModelRegistry) -> None:
    """Until the first, which stays."""
    save(registry, "0001", "0002", "0003")
    for version in ("0001", "0003", "0002"):
        registry.promote("household", version)

    assert [registry.rollback("household", fits) for _ in range(3)] == ["0003", "0001", None]
    assert registry.champion("household") == "0001"


def test_rollback_passes_over_models_that_do_not_fit(registry: ModelRegistry) -> None:
    """To the newest that does; without one nothing changes."""
    save(registry, "0001", "0002", "0003")
    for version in ("0001", "0002", "0003"):
        registry.promote("household", version)

    def only(version: str) -> Callable[[Card], None]:
        def check(card: Card) -> None:
            if card.version != version:
                raise ModelError(f"{card.version} does not fit")

        return check

    assert registry.rollback("household", only("0003")) is None
    assert registry.champion("household") == "0003"
    assert registry.rollback("household", only("0001")) == "0001"
    assert registry.champion("household") == "0001"


def test_promoting_the_champion_changes_nothing(registry: ModelRegistry) -> None:
    """A rollback after it still goes to the one before."""
    save(registry, "0001", "0002")
    for version in ("0001", "0002", "0002"):
        registry.promote("household", version)

    assert registry.rollback("household", fits) == "0001"


def test_pruning_spares_the_champion_and_the_one_before(registry: ModelRegistry) -> None:
    """The newest are kept beside them, and a rollback passes over those that are gone."""
    save(registry, "0001", "0002", "0003", "0004", "0005")
    for version in ("0001", "0002", "0003"):
        registry.promote("household", version)

    registry.prune("household", keep=1)

    assert versions(registry) == ["0002", "0003", "0005"]
    assert [registry.rollback("household", fits) for _ in range(2)] == ["0002", None]


def test_pruning_an_empty_group_is_fine(registry: ModelRegistry) -> None:
    """Before the first training."""
    registry.prune("household", keep=5)

    assert versions(registry) == []
