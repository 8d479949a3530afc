"""A clock that was far ahead for a moment: what it does, that the log says it, and that the advice helps."""

from __future__ import annotations

import pytest
from lives import Disk, Life, closed

from forecaster.records import Event, Message, Reject, Tick
from forecaster.runtime.clock_back import ClockBack
from forecaster.testing import FakeClock, a_group, a_source, at

GROUP = a_group(sources=(a_source(value="$.v", time="$.t"),))


def said(time: str) -> Message:
    return Message("home/a/power", f'{{"v": 1, "t": "2026-03-01T{time}:00Z"}}'.encode(), at(time))


def refused(life: Life) -> list[str]:
    return [effect.reason for effect in life.effects if isinstance(effect, Reject)]


def test_the_log_says_once_that_time_is_ahead_of_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    """And again when it has happened again. Being put right by seconds is not worth a line."""
    clock = FakeClock(at("12:00"))
    back = ClockBack(lambda: at("13:00"), clock)
    for _ in range(3):
        back.tell()
    assert len(caplog.messages) == 1
    assert "the clock says 2026-03-01T12:00:00Z" in caplog.messages[0]
    assert "before 2026-03-01T13:00:00Z is refused as late" in caplog.messages[0]

    clock.advance(3600)
    back.tell()
    clock.advance(-59)
    back.tell()
    assert len(caplog.messages) == 1

    clock.advance(-3600)
    back.tell()
    assert len(caplog.messages) == 2


def test_without_snapshots_and_journal_a_clock_that_was_ahead_is_forgotten() -> None:
    """As docs/operations.md advises: stop, move both away, start. The step open at that moment stays closed."""
    disk = Disk()
    life = Life(disk, GROUP)
    before: list[Event] = [said("08:10"), said("09:10"), said("10:10")]
    life.live(*before, Tick(at("11:00")), said("11:10"), Tick(at("2027-03-01T11:20")))
    life.live(said("11:30"), said("12:10"))
    assert refused(life) == ["late", "late"]
    life.snapshot()

    after = Life(Disk(history=disk.history), GROUP)
    after.live(said("12:10"), said("12:20"), Tick(at("13:00")))
    assert refused(after) == []
    assert closed(after.effects)["a", at("12:00")] == 1.0
