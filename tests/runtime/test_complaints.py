"""Bad messages in the log, at a limited rate."""

from __future__ import annotations

import logging

import pytest

from forecaster.records import Reject
from forecaster.runtime import complaints
from forecaster.runtime.complaints import Complaints
from forecaster.testing import FakeClock


def a_reject(stream: str = "a", reason: str = "parse") -> Reject:
    return Reject(group="household", stream=stream, reason=reason, detail="neither a number nor JSON")


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_the_first_of_its_kind_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line per stream and reason, with what is wrong."""
    told = Complaints(FakeClock())
    for reject in (a_reject(), a_reject(), a_reject("b"), a_reject(reason="range")):
        told.add(reject)
    assert caplog.messages == [
        "message refused reason=parse group=household stream=a neither a number nor JSON",
        "message refused reason=parse group=household stream=b neither a number nor JSON",
        "message refused reason=range group=household stream=a neither a number nor JSON",
    ]


def test_the_others_are_counted_and_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Then it begins anew: what still goes on is told again."""
    clock = FakeClock()
    told = Complaints(clock)
    for _ in range(1000):
        told.add(a_reject())
    told.add(a_reject("b"))
    clock.advance(59)
    told.tell()
    assert len(caplog.messages) == 2

    clock.advance(1)
    told.tell()
    assert caplog.messages[2:] == ["messages refused in a minute more=999 reason=parse group=household stream=a"]
    told.add(a_reject())
    assert len(caplog.messages) == 4


def test_a_clock_set_back_does_not_silence_them(caplog: pytest.LogCaptureFixture) -> None:
    """What was counted is told, and the minute begins anew."""
    clock = FakeClock()
    told = Complaints(clock)
    for _ in range(3):
        told.add(a_reject())
    clock.advance(-86_400)
    told.tell()
    assert caplog.messages[1:] == ["messages refused in a minute more=2 reason=parse group=household stream=a"]


def test_invented_streams_do_not_flood_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a number of kinds only the number of messages is told, and no memory is used."""
    monkeypatch.setattr(complaints, "MOST", 2)
    clock = FakeClock()
    told = Complaints(clock)
    for number in range(10):
        told.add(a_reject(str(number)))
    clock.advance(60)
    told.tell()
    assert len(caplog.messages) == 3
    assert caplog.messages[-1] == "messages refused in a minute more=8 of further streams"
