"""The thread that owns the engine: units in, effects out, the clock watched in between."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from forecaster.pipeline.engine import Engine
from forecaster.ports import Clock
from forecaster.records import Effect, Tick
from forecaster.runtime.inbox import Inbox
from forecaster.runtime.writer import Unit

T = TypeVar("T")

HEARTBEAT_S = 1.0


class Loop:
    """Feeds the engine, and carries its effects out.

    Parameters
    ----------
    carry_out
        Takes the effects of each unit.
    every_second
        Called about once a second, in this thread, between two units.

    Attributes
    ----------
    position
        Journal position of the last event handled.
    heartbeat_ms
        When this thread last came round.
    """

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        clock: Clock,
        carry_out: Callable[[list[Effect]], None],
        every_second: Callable[[], None],
        position: int,
    ) -> None:
        self._engine, self._inbox, self._clock = engine, inbox, clock
        self._carry_out, self._every_second = carry_out, every_second
        self._queue: SimpleQueue[Unit | Callable[[], None] | None] = SimpleQueue()
        self._tick_sent_ms: int | None = None
        self.position = position
        self.heartbeat_ms = clock.now_ms()

    def offer(self, unit: Unit) -> None:
        """Queue a durable unit."""
        self._queue.put(unit)

    def call(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in the engine's thread, between two units."""
        future: Future[T] = Future()
        self._queue.put(lambda: future.set_result(function()))
        return future

    def stop(self) -> None:
        """Let :meth:`run` return after what is queued."""
        self._queue.put(None)

    def waiting(self) -> int:
        """Units that wait for the engine."""
        return self._queue.qsize()

    def run(self) -> None:
        """Work until stopped; the body of the thread."""
        while True:
            now_ms = self._clock.now_ms()
            if now_ms - self.heartbeat_ms >= HEARTBEAT_S * 1000:
                self.heartbeat_ms = now_ms
                self._every_second()
            try:
                item = self._queue.get(timeout=self._patience_s(now_ms))
            except Empty:
                self._tick()
                continue
            if item is None:
                return
            if isinstance(item, Unit):
                self._handle(item)
            else:
                item()

    def _handle(self, unit: Unit) -> None:
        effects = self._engine.handle(unit.events)
        self.position = unit.position
        if any(isinstance(event, Tick) for event in unit.events):
            self._tick_sent_ms = None
        self._carry_out(effects)
        self._tick()

    def _patience_s(self, now_ms: int) -> float:
        """How long to wait for a unit: until a step closes by the clock, at most a heartbeat."""
        due_ms = self._engine.due_ms()
        if due_ms is None or self._tick_sent_ms is not None:
            return HEARTBEAT_S
        return min(HEARTBEAT_S, max(0.0, (due_ms - now_ms) / 1000))

    def _tick(self) -> None:
        """Send the time round through the journal when it closes a step; one tick at a time is on its way."""
        due_ms, now_ms = self._engine.due_ms(), self._clock.now_ms()
        if due_ms is not None and now_ms >= due_ms and self._tick_sent_ms is None:
            self._tick_sent_ms = now_ms
            self._inbox.put(Tick(now_ms))
