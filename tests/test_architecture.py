"""The shape of the house, held by a test: imports point one way, pure rooms read no clock and open nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "forecaster"

LAYERS = [
    {"errors", "leads"},
    {"settings"},
    {"records"},
    {"inputs"},
    {"ports"},
    {"pipeline", "nets"},
    {"configuration"},
    {"adapters", "runtime", "web", "config", "testing"},
    {"daemon", "backtest"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
"""Lowest first: a room imports its own layer's own files and anything below."""

ONE_ROOM = {
    "torch": "forecaster/nets/",
    "paho": "forecaster/adapters/mqtt",
    "prometheus_client": "forecaster/adapters/metrics.py",
    "apscheduler": "forecaster/adapters/scheduler.py",
    "sqlite3": "forecaster/adapters/sqlite",
    "amqtt": "forecaster/adapters/embedded_broker.py",
    "pydantic": "forecaster/config",
    "yaml": "forecaster/configuration/document.py",
}
"""Outside things and the one place that imports them."""

IMPURE = {
    "time",
    "datetime.datetime.now",
    "socket",
    "threading",
    "logging",
    "subprocess",
    "multiprocessing",
    "asyncio",
    "queue",
    "random",
    "os",
    "pathlib",
    "paho",
    "sqlite3",
    "prometheus_client",
    "apscheduler",
}
"""What the pure rooms, pipeline and nets, do not import."""


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Dotted names a file imports; ``from a import b`` gives ``a.b``. Names for type checkers only are left out."""
    tree = ast.parse(path.read_text(), filename=str(path))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def layer(room: str) -> int:
    return next(level for level, rooms in enumerate(LAYERS) if room in rooms)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """A room imports what lies below it, and nothing beside or above it."""
    if path.parent == PACKAGE and path.name == "__init__.py":
        return
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports(path):
        if not name.startswith("forecaster."):
            continue
        other = name.split(".")[1]
        assert other == room or layer(other) < layer(room), f"{room} imports {other}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_outside_things_have_one_door(path: Path) -> None:
    """Each outside library is imported in one place."""
    where = path.relative_to(PACKAGE.parent).as_posix()
    for name in imports(path):
        door = ONE_ROOM.get(name.split(".")[0])
        assert door is None or where.startswith(door), f"{where} imports {name}; its door is {door}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_rooms_touch_nothing(path: Path) -> None:
    """No clock, socket, thread, file or log in the pure rooms."""
    if path.relative_to(PACKAGE).parts[0] not in {"pipeline", "nets"}:
        return
    for name in imports(path):
        assert name.split(".")[0] not in IMPURE, f"{path.name} imports {name}"
    source = path.read_text()
    for call in ("datetime.now(", "datetime.utcnow(", "date.today(", "print(", "open("):
        assert call not in source, f"{path.name} calls {call}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_outgrows_its_reader(path: Path) -> None:
    """Past 400 lines a file is redrawn, not extended."""
    assert len(path.read_text().splitlines()) <= 400


def test_no_two_test_files_share_a_name() -> None:
    """They live in folders without packages, where the second of a name would not be found."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert len(names) == len(set(names))
