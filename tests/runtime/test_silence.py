"""A wrong topic looks like a quiet house: the log says what is waited for."""

from __future__ import annotations

import logging

import pytest

from forecaster.runtime.silence import Silence
from forecaster.testing import FakeClock


class Broker:
    """Whether it listens, and how many messages came."""

    def __init__(self) -> None:
        self.listens, self.messages = False, 0


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def silence(broker: Broker, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> Silence:
    caplog.set_level(logging.INFO)
    filters = ["home/+/+/energy", "weather/temperature"]
    return Silence(filters, lambda: broker.listens, lambda: broker.messages, clock)


def test_a_minute_without_anything_is_told_once(
    silence: Silence, broker: Broker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted from when the broker accepted us: before, something else is wrong, and is told elsewhere."""
    silence.tell()
    clock.advance(100)
    broker.listens = True
    for _ in range(60):
        silence.tell()
        clock.advance(1)
    assert caplog.messages == []

    for _ in range(100):
        silence.tell()
        clock.advance(1)
    assert caplog.messages == ["nothing has arrived yet; waiting for home/+/+/energy, weather/temperature"]


def test_where_something_came_nothing_is_told(
    silence: Silence, broker: Broker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Even if it was refused, which is told by its reason."""
    broker.listens, broker.messages = True, 1
    for _ in range(100):
        silence.tell()
        clock.advance(1)
    assert caplog.messages == []
