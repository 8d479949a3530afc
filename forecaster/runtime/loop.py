"""The thread that owns the engine: units in, effects out, the clock watched in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, TypeVar

from forecaster.pipeline.engine import Engine
from forecaster.ports import Clock
from forecaster.records import Effect, Tick
from forecaster.runtime.inbox import Inbox
from forecaster.runtime.writer import Unit

T = TypeVar("T")

HEARTBEAT_S = 1.0
AT_ONCE = 1000
"""Events that are enough for one call of the engine."""
APART_S = 0.02
"""Between the beginnings of two calls with fewer: a call costs about as much for ten streams as for one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function to be run in the engine's thread, and who waits for it."""

    future: Future[Any]
    function: Callable[[], Any]

    def run(self) -> None:
        """Run it; an error, which is a bug, is told to who waits and then ends the thread."""
        try:
            self.future.set_result(self.function())
        except BaseException as error:
            self.future.set_exception(error)
            raise


class Loop:
    """Feeds the engine, and carries its effects out.

    Parameters
    ----------
    carry_out
        Takes the effects of each unit.
    every_second
        Called about once a second, in this thread, between two units.
    held
        Whether the clock must not close steps now, because messages from before may still be coming.

    Attributes
    ----------
    position
        Journal position of the last event handled.
    heartbeat_s
        When this thread last came round, on the monotonic clock.
    """

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        clock: Clock,
        carry_out: Callable[[list[Effect]], None],
        every_second: Callable[[], None],
        position: int,
        held: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine, self._inbox, self._clock = engine, inbox, clock
        self._carry_out, self._every_second = carry_out, every_second
        self._held = held
        self._queue: Queue[Unit | Call | None] = Queue()
        self._tick_sent = False
        self._called_s = -APART_S
        self._ended = False
        self.position = position
        self.heartbeat_s = time.monotonic()

    def offer(self, unit: Unit) -> None:
        """Queue a durable unit."""
        self._queue.put(unit)

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in the engine's thread, between two units; cancelled when that thread has ended."""
        future: Future[T] = Future()
        self._queue.put(Call(future, function))
        if self._ended:
            self._cancel_calls()
        return future

    def stop(self) -> None:
        """Let :meth:`run` return after what is queued."""
        self._queue.put(None)

    def waiting(self) -> int:
        """Events that wait for the engine, in units that are durable."""
        with self._queue.mutex:
            return sum(len(item.events) for item in self._queue.queue if isinstance(item, Unit))

    def run(self) -> None:
        """Work until stopped; the body of the thread."""
        try:
            while self._turn():
                pass
        finally:
            self._ended = True
            self._cancel_calls()

    def _cancel_calls(self) -> None:
        with suppress(Empty):
            while True:
                item = self._queue.get_nowait()
                if isinstance(item, Call):
                    item.future.cancel()

    def _turn(self) -> bool:
        """Take one thing from the queue, if one comes in time; False when it says to stop."""
        if time.monotonic() - self.heartbeat_s >= HEARTBEAT_S:
            self.heartbeat_s = time.monotonic()
            self._every_second()
        try:
            item = self._queue.get(timeout=self._patience_s())
        except Empty:
            self._tick()
            return True
        match item:
            case Unit():
                self._handle(self._with_those_behind(item))
            case Call():
                item.run()
        return item is not None

    def _with_those_behind(self, unit: Unit) -> Unit:
        """Units that wait behind one another as one: together they cost the engine much less than one by one."""
        if len(unit.events) < AT_ONCE:
            time.sleep(max(0.0, self._called_s + APART_S - time.monotonic()))
        waiting = self._queue.queue  # nobody else takes from it, so what is first stays so
        while len(unit.events) < AT_ONCE and waiting and isinstance(waiting[0], Unit):
            following = waiting[0]
            unit = Unit(following.position, unit.events + following.events)
            self._queue.get()
        return unit

    def _handle(self, unit: Unit) -> None:
        self._called_s = time.monotonic()
        effects = self._engine.handle(unit.events)
        self.position = unit.position
        if any(isinstance(event, Tick) for event in unit.events):
            self._tick_sent = False
        self._carry_out(effects)
        self._tick()

    def _patience_s(self) -> float:
        """How long to wait for a unit: until a step closes by the clock, at most a heartbeat."""
        due_ms = self._engine.due_ms()
        if due_ms is None or self._tick_sent or self._held():
            return HEARTBEAT_S
        return min(HEARTBEAT_S, max(0.0, (due_ms - self._clock.now_ms()) / 1000))

    def _tick(self) -> None:
        """Send the time round through the journal when it closes a step; one tick at a time is on its way."""
        due_ms, now_ms = self._engine.due_ms(), self._clock.now_ms()
        if due_ms is not None and now_ms >= due_ms and not self._tick_sent and not self._held():
            self._tick_sent = True
            self._inbox.put(Tick(now_ms))
