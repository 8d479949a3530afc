"""The engine's thread: units in, effects out, the clock watched in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from servers import eventually

from forecaster.nets.baseline import naives
from forecaster.pipeline.engine import Engine
from forecaster.records import Accepted, Closed, Effect, Event, Message, Tick
from forecaster.runtime import loop as loops
from forecaster.runtime.inbox import Inbox
from forecaster.runtime.loop import Loop
from forecaster.runtime.threads import start_thread
from forecaster.runtime.writer import Unit
from forecaster.settings import Mqtt, Settings
from forecaster.testing import FakeClock, a_group, at


class Room:
    """A loop around an engine of one hourly group, with a clock that goes only when told."""

    def __init__(self) -> None:
        self.clock, self.inbox = FakeClock(at("12:30")), Inbox()
        self.engine = Engine(Settings(mqtt=Mqtt(url="mqtt://localhost"), groups=(a_group(),)), naives)
        self.effects: list[Effect] = []
        self.rounds = self.durable = 0
        self.loop = Loop(self.engine, self.inbox, self.clock, self.effects.extend, self._round, position=0)

    def _round(self) -> None:
        self.rounds += 1

    def hear(self, *events: Event) -> None:
        """A durable unit for the engine."""
        self.durable += len(events)
        self.loop.offer(Unit(self.durable, list(events)))

    def drain(self) -> None:
        """Handle what is queued, in this thread."""
        self.loop.stop()
        self.loop.run()

    def asked(self) -> list[Event]:
        """What the loop has put into the inbox, on its way to the journal."""
        return [event for event, _ in self.inbox.take(100, 0.0)]

    def closed(self) -> list[int]:
        return [effect.start_ms for effect in self.effects if isinstance(effect, Closed)]


def power(time: str, value: float = 1.0) -> Message:
    return Message("home/a/power", f"{value:g}".encode(), at(time))


def test_effects_are_carried_out_and_the_position_follows() -> None:
    """A snapshot taken now would name the last event handled."""
    room = Room()
    room.hear(power("11:10"), power("11:20"))
    room.hear(power("12:10"))
    room.drain()
    assert room.loop.position == 3
    assert room.closed() == [at("11:00")]


def test_units_that_have_piled_up_are_handled_as_one() -> None:
    """While the engine is busy the units behind it grow together; a call between two of them keeps its place."""
    room = Room()
    batches: list[list[Effect]] = []
    room.loop = Loop(room.engine, room.inbox, room.clock, batches.append, room._round, position=0)
    room.hear(power("12:10"))
    room.hear(power("12:15"), power("12:20"))
    seen = room.loop.call(lambda: (room.loop.position, len(batches)))
    room.hear(power("12:25"))
    room.drain()
    assert seen.result(0) == (3, 1)
    assert [[one.count for one in batch if isinstance(one, Accepted)] for batch in batches] == [[3], [1]]


def test_what_waits_is_counted_in_events() -> None:
    """Not in units, each of which may hold thousands; calls are none."""
    room = Room()
    room.hear(power("12:10"), power("12:15"))
    room.hear(power("12:20"))
    room.loop.call(lambda: None)
    assert room.loop.waiting() == 3
    room.drain()
    assert room.loop.waiting() == 0


def test_units_that_come_one_by_one_are_gathered_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is handled at once; those right after it wait for each other."""
    monkeypatch.setattr(loops, "APART_S", 0.5)
    room = Room()
    batches: list[list[Effect]] = []
    room.loop = Loop(room.engine, room.inbox, room.clock, batches.append, room._round, position=0)
    thread = start_thread("engine", room.loop.run, print)
    room.hear(power("12:10"))
    eventually(lambda: room.loop.position == 1)
    room.hear(power("12:15"))
    room.hear(power("12:20"))
    eventually(lambda: room.loop.position == 3)
    room.loop.stop()
    thread.join(10)
    assert [[one.count for one in batch if isinstance(one, Accepted)] for batch in batches] == [[1], [2]]


def test_a_step_that_is_due_is_closed_through_the_journal() -> None:
    """The clock never touches the engine by itself: a replay must see the same ticks."""
    room = Room()
    room.hear(power("12:10"))
    room.clock.advance(1800)
    room.drain()
    assert room.asked() == [Tick(at("13:00"))]
    assert room.closed() == []


def test_one_tick_is_on_its_way_at_a_time() -> None:
    """However slow the disk is, the inbox does not fill with ticks; the next follows when the first is handled."""
    room = Room()
    room.hear(power("12:10"))
    room.clock.advance(1800)
    room.hear(power("12:20"))
    room.hear(power("12:25"))
    room.drain()
    (tick,) = room.asked()

    room.clock.advance(3600)
    room.hear(tick)
    room.drain()

    assert room.closed() == [at("12:00")]
    assert room.asked() == [Tick(at("14:00"))]


def test_nothing_is_ticked_while_every_stream_is_silent() -> None:
    """An idle service writes nothing to disk."""
    room = Room()
    room.clock.advance(86_400)
    room.drain()
    assert room.asked() == []


def test_a_tick_comes_without_any_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent sensor still closes its steps: the thread wakes up by itself."""
    monkeypatch.setattr(loops, "HEARTBEAT_S", 0.01)
    room = Room()
    thread = start_thread("engine", room.loop.run, print)
    room.hear(Tick(at("12:00")), power("12:10"))
    eventually(lambda: room.loop.position == 2)
    room.clock.advance(3600)

    assert eventually(room.asked) == [Tick(at("13:30"))]
    eventually(lambda: room.rounds > 1, what="the call every second")
    room.loop.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_the_clock_waits_while_messages_from_before_may_come() -> None:
    """A tick would close the steps they belong to; their own times move on what is theirs."""
    room = Room()
    waiting = True
    room.loop = Loop(
        room.engine, room.inbox, room.clock, room.effects.extend, room._round, position=0, held=lambda: waiting
    )
    room.hear(Tick(at("10:00")), power("10:10"))
    room.drain()
    assert room.asked() == []

    waiting = False
    room.hear(power("10:20"))
    room.drain()
    assert room.asked() == [Tick(at("12:30"))]


def test_a_call_runs_between_units() -> None:
    """It sees all units offered before it, and none offered after."""
    room = Room()
    room.hear(power("12:10"), power("12:20"))
    seen = room.loop.call(lambda: room.loop.position)
    room.hear(power("12:25"))
    room.drain()
    assert seen.result(0) == 2


def test_nobody_waits_for_a_loop_that_has_ended() -> None:
    """Calls left over, and those that come too late, are cancelled."""
    room = Room()
    room.loop.stop()
    left = room.loop.call(lambda: 1)
    room.loop.run()
    assert left.cancelled()
    assert room.loop.call(lambda: 1).cancelled()


def test_nobody_waits_for_a_loop_that_has_died() -> None:
    """A bug ends the thread; calls behind it are cancelled."""
    room = Room()

    def broken(effects: Sequence[Effect]) -> None:
        raise RuntimeError("a bug")

    room.loop = Loop(room.engine, room.inbox, room.clock, broken, room._round, position=0)
    room.hear(power("12:10"))
    left = room.loop.call(lambda: 1)
    with pytest.raises(RuntimeError, match="a bug"):
        room.loop.run()
    assert left.cancelled()


def test_who_calls_is_told_of_a_bug_in_the_call() -> None:
    """It ends the thread, for state may be half changed; and the caller does not wait for ever."""
    room = Room()
    died: list[str] = []

    def broken() -> int:
        raise RuntimeError("a bug")

    call = room.loop.call(broken)
    thread = start_thread("engine", room.loop.run, died.append)
    with pytest.raises(RuntimeError, match="a bug"):
        call.result(10)
    thread.join(10)
    assert died == ["engine"]


def test_a_clock_set_back_closes_nothing_twice() -> None:
    """Time that has passed has passed; the steps go on from where they were."""
    room = Room()
    room.hear(power("12:10"), Tick(at("13:00")))
    room.clock.advance(-7200)
    room.hear(replace(power("12:40"), received_ms=at("10:30")))
    room.drain()
    assert room.asked() == []
    assert room.closed() == [at("12:00")]
