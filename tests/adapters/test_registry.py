"""Model files: damage is told with the file and the way out, and never stops a fall-back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters.registry import FileModelRegistry
from forecaster.errors import ModelError, StoreError
from forecaster.ports import Card
from forecaster.testing import a_card

WEIGHTS = {"weight": np.arange(4, dtype=np.float32)}


@pytest.fixture
def registry(tmp_path: Path) -> FileModelRegistry:
    """Two models of one group, the second the champion."""
    opened = FileModelRegistry(tmp_path)
    for version in ("0001", "0002"):
        opened.save("household", WEIGHTS, a_card(version))
        opened.promote("household", version)
    return opened


def fits(_: Card) -> None:
    """Any model will do."""


def damage(path: Path, how: Callable[[bytes], bytes]) -> None:
    path.write_bytes(how(path.read_bytes()))


def test_a_model_is_two_files_anyone_can_check(registry: FileModelRegistry, tmp_path: Path) -> None:
    """The card is strict JSON, unknown scores are null, and names the checksum that sha256sum prints."""
    registry.save("household", WEIGHTS, a_card("0003", scores={"naive": {"mae": float("nan")}}))
    folder = tmp_path / "household" / "0003"

    card = json.loads((folder / "card.json").read_text(), parse_constant=pytest.fail)

    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "weights.safetensors"]
    assert card["scores"] == {"naive": {"mae": None}}
    assert card["weights_sha256"] == sha256((folder / "weights.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "how",
    [lambda data: data[:-1], lambda data: b"", lambda data: data[:-1] + b"\xff", lambda data: b"garbage"],
    ids=["truncated", "empty", "flipped", "garbage"],
)
def test_broken_weights_are_told(registry: FileModelRegistry, tmp_path: Path, how: Callable[[bytes], bytes]) -> None:
    """The message names the file and the command that goes back; the registry itself can still do so."""
    damage(tmp_path / "household" / "0002" / "weights.safetensors", how)

    with pytest.raises(
        ModelError, match=r"0002/weights\.safetensors: broken, .*; go back: forecaster models rollback household"
    ):
        registry.load("household", "0002")
    assert registry.rollback("household", fits) == "0001"


def test_weights_of_another_model_are_told(registry: FileModelRegistry, tmp_path: Path) -> None:
    """A sound file in the wrong place is not what the card describes."""
    registry.save("household", {"weight": np.zeros(4, dtype=np.float32)}, a_card("0003"))
    (tmp_path / "household" / "0003" / "weights.safetensors").replace(
        tmp_path / "household" / "0002" / "weights.safetensors"
    )

    with pytest.raises(ModelError, match="checksum differs"):
        registry.load("household", "0002")
    with pytest.raises(ModelError, match=r"weights\.safetensors: broken, No such file"):
        registry.load("household", "0003")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '"text"', "{}", '{"scores": 1}', '{"scores": {}}', "\x00", '{"scores": {"a": 1}}'],
)
def test_a_card_that_is_none_is_told(
    registry: FileModelRegistry, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Loading refuses it; a listing passes over it with a warning."""
    damage(tmp_path / "household" / "0001" / "card.json", lambda data: content.encode())

    with pytest.raises(ModelError, match=r"0001/card\.json: broken, not a card"):
        registry.load("household", "0001")
    with caplog.at_level(logging.WARNING):
        assert registry.cards("household") == [a_card("0002")]
    assert caplog.records[0].getMessage().startswith("model skipped group=household model=0001 reason=")


def test_a_broken_model_is_not_promoted(registry: FileModelRegistry, tmp_path: Path) -> None:
    """The champion stays in service."""
    registry.save("household", WEIGHTS, a_card("0003"))
    damage(tmp_path / "household" / "0003" / "weights.safetensors", lambda data: data[:-1])

    with pytest.raises(ModelError, match="broken"):
        registry.promote("household", "0003")
    assert registry.champion("household") == "0002"


def test_rollback_passes_over_broken_models(registry: FileModelRegistry, tmp_path: Path) -> None:
    """The newest former champion that can be loaded goes into service; without one nothing changes."""
    registry.save("household", WEIGHTS, a_card("0003"))
    registry.promote("household", "0003")
    damage(tmp_path / "household" / "0002" / "weights.safetensors", lambda data: b"")

    assert registry.rollback("household", fits) == "0001"
    assert registry.rollback("household", fits) is None
    assert registry.champion("household") == "0001"


@pytest.mark.parametrize("content", ["", "{}", '{"version": "../../x", "history": []}', '{"version": 2, "history": 0}'])
def test_a_damaged_champion_file_is_told_and_mended(registry: FileModelRegistry, tmp_path: Path, content: str) -> None:
    """It says which command mends it; training goes on meanwhile, and promoting mends it."""
    damage(tmp_path / "household" / "champion.json", lambda data: content.encode())

    with pytest.raises(ModelError, match=r"champion\.json: damaged .*; choose again: forecaster models promote househ"):
        registry.champion("household")
    assert registry.next_version("household") == "0003"
    registry.promote("household", "0001")
    assert registry.champion("household") == "0001"


@pytest.mark.parametrize("group", ["", ".", "..", "a/b", "/tmp", "a b", "büro"])
def test_a_group_name_cannot_leave_the_directory(registry: FileModelRegistry, group: str) -> None:
    """The configuration refuses such names too; a path is worth two checks."""
    with pytest.raises(ModelError, match="cannot name a directory"):
        registry.next_version(group)


@pytest.mark.parametrize("version", ["", "..", "../0001", "best", "-1"])
def test_a_version_is_a_number(registry: FileModelRegistry, version: str) -> None:
    """Whatever a person types after ``forecaster models promote``."""
    with pytest.raises(ModelError, match="a version is a number"):
        registry.promote("household", version)


def test_what_a_kill_left_behind_is_no_model(registry: FileModelRegistry, tmp_path: Path) -> None:
    """A training killed while saving leaves nothing that counts, and pruning removes it."""
    folder = tmp_path / "household" / ".0003.123.tmp"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"half")

    assert [card.version for card in registry.cards("household")] == ["0001", "0002"]
    assert registry.next_version("household") == "0003"
    registry.prune("household", keep=5)
    assert not folder.exists()


def test_a_model_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The directory lies below a file; the message says what to do."""
    (tmp_path / "models").write_text("")

    with pytest.raises(StoreError, match=r"weights\.safetensors: cannot write: .*; free space on that disk"):
        FileModelRegistry(tmp_path / "models").save("household", WEIGHTS, a_card())
