"""Fixtures for every test: servers that are real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from servers import Mosquitto, require_mosquitto

from forecaster.adapters.resources import ONE_THREAD

os.environ.update(ONE_THREAD)  # as the command line does before torch is imported; two threads wait for each other
settings.register_profile("steady", deadline=None)  # a busy machine is no failure
settings.load_profile("steady")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto of the test's own, with persistence, stopped afterwards."""
    require_mosquitto()
    broker = Mosquitto(tmp_path / "mosquitto").start()
    yield broker
    broker.stop()


@pytest.fixture
def mosquitto_here() -> None:
    """For tests that configure their own broker: skips, or fails in CI, when mosquitto is not installed."""
    require_mosquitto()
