"""Durable first, acknowledged and handled after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest
from servers import eventually

from forecaster.errors import StoreError
from forecaster.ports import Columns, Journal
from forecaster.records import Event, Message, Series
from forecaster.runtime import writer
from forecaster.runtime.history_buffer import HistoryWrite
from forecaster.runtime.inbox import Inbox
from forecaster.runtime.threads import start_thread
from forecaster.runtime.writer import Unit, Writer
from forecaster.testing import MemoryHistory, MemoryJournal, at

SERIES = Series(name="a", source=0, labels=())


class FullDisk(MemoryJournal):
    """A journal that refuses until there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.room = False
        self.refusals = 0

    def append(self, events: Sequence[Event]) -> int:
        if not self.room:
            self.refusals += 1
            raise StoreError("no space left; free some")
        return super().append(events)


class Desk:
    """A writer, and all it touches."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.inbox, self.history = Inbox(), MemoryHistory()
        self.journal = journal or MemoryJournal()
        self.said: list[str] = []
        self.units: list[Unit] = []
        self.writer = Writer(self.inbox, self.journal, self.history, self._forward)

    def _forward(self, unit: Unit) -> None:
        assert self.journal.last() >= unit.position, "handed on before it was durable"
        self.units.append(unit)
        self.said.append(f"handled {len(unit.events)}")

    def put(self, *payloads: bytes) -> None:
        for payload in payloads:
            ack = f"ack {payload.decode()}"
            self.inbox.put(Message("home/a", payload, at("12:00")), lambda ack=ack: self._acknowledged(ack))

    def _acknowledged(self, ack: str) -> None:
        assert self.journal.last() > 0, "acknowledged before it was durable"
        self.said.append(ack)

    def drain(self) -> None:
        """Work until nothing is left, in this thread."""
        self.writer.stop()
        self.writer.run()


@contextmanager
def running(desk: Desk) -> Iterator[None]:
    """The writer at work in its own thread, as in the service."""
    died: list[str] = []
    thread = start_thread("journal", desk.writer.run, died.append)
    yield
    desk.writer.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert died == []


def a_write(value: float) -> HistoryWrite:
    steps = Columns(
        series=np.zeros(1, np.int32), start_ms=np.array([at("11:00")], np.int64), values=np.array([value], np.float64)
    )
    return HistoryWrite(group="household", series=[SERIES], steps=steps)


def test_events_are_acknowledged_after_their_commit() -> None:
    """One commit for all that waited; then the engine has them, then the broker is told."""
    desk = Desk()
    desk.put(b"1", b"2")

    desk.drain()

    assert desk.said == ["handled 2", "ack 1", "ack 2"]
    assert [(last, [event.payload for event in events]) for last, events in desk.journal.read()] == [(2, [b"1", b"2"])]
    assert [(unit.position, len(unit.events)) for unit in desk.units] == [(2, 2)]


def test_a_flood_is_committed_in_bounded_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that neither memory nor a single commit grows with what waits."""
    monkeypatch.setattr(writer, "UNIT", 3)
    desk = Desk()
    desk.put(*(str(number).encode() for number in range(7)))
    desk.drain()
    assert [unit.position for unit in desk.units] == [3, 6, 7]


def test_a_full_disk_holds_everything_back_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged or handled while the disk refuses; all of it is, once, when there is room again."""
    monkeypatch.setattr(writer, "RETRY_S", 0.001)
    disk = FullDisk()
    desk = Desk(disk)
    with running(desk):
        desk.put(b"1", b"2")
        eventually(lambda: disk.refusals > 2, what="trying again")
        assert desk.said == []

        disk.room = True
        eventually(lambda: len(desk.said) >= 3, what="acknowledging")

    assert sorted(desk.said) == ["ack 1", "ack 2", *(one for one in desk.said if one.startswith("handled"))]
    assert [event.payload for _, events in disk.read() for event in events] == [b"1", b"2"]


def test_a_disk_that_stays_full_does_not_hold_up_the_end() -> None:
    """Told to stop, it gives up: nothing was acknowledged, so all of it comes again. Who waits is told."""
    desk = Desk(FullDisk())
    desk.put(b"1")
    written = desk.writer.write([a_write(3.0)])

    desk.drain()

    assert desk.said == []
    assert written.cancelled()


def test_steps_are_durable_when_their_future_is_done() -> None:
    """The future stands for all that was given before it, too."""
    desk = Desk()
    first, second = desk.writer.write([a_write(3.0)]), desk.writer.write([a_write(4.0)])

    desk.drain()

    assert (first.done(), second.done()) == (True, True)
    assert desk.history.read("household")[1].values.tolist() == [4.0]


def test_nobody_waits_for_a_writer_that_has_ended() -> None:
    """A future asked for too late is cancelled, not forgotten."""
    desk = Desk()
    desk.drain()
    late: Future[None] = desk.writer.write([a_write(3.0)])
    assert late.cancelled()


def test_nobody_waits_for_a_writer_that_has_died() -> None:
    """Neither does a bug leave a snapshot hanging, and with it the whole process."""

    class Broken(MemoryJournal):
        def append(self, events: Sequence[Event]) -> int:
            raise RuntimeError("a bug")

    desk = Desk(Broken())
    desk.put(b"1")
    written = desk.writer.write([])
    with pytest.raises(RuntimeError, match="a bug"):
        desk.drain()
    assert written.cancelled()
