"""Fixtures of the tests that run the service as a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from launcher import Launcher
from service import Service


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture
def service(launcher: Launcher, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Makes services of the test's own, which are gone afterwards."""
    with ExitStack() as stack:
        yield lambda config, name="service": stack.enter_context(Service(launcher, tmp_path, config, name))
