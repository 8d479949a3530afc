"""The fold: state and events in, effects out. No clock, no I/O; one thread owns it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from forecaster.pipeline.align import NEVER
from forecaster.pipeline.decode import Router
from forecaster.pipeline.group import GroupState
from forecaster.pipeline.redelivery import Redelivery
from forecaster.ports import Predictor
from forecaster.records import (
    Accepted,
    Array,
    Effect,
    Event,
    Forget,
    Issued,
    Message,
    ModelReady,
    Panel,
    Reading,
    Readings,
    Reject,
    Score,
    Series,
    Tick,
)
from forecaster.settings import Group, Settings


class Engine:
    """All groups of a service.

    Parameters
    ----------
    settings
        What to subscribe to, and how to treat it.
    naives
        Makes the predictor that serves a group before it has a model, and that every model is measured against.
    """

    def __init__(self, settings: Settings, naives: Callable[[Group], Sequence[Predictor]]) -> None:
        self._settings = settings
        self._naives = naives
        self._router = Router(settings.groups, clock=settings.clock)
        self._by_events = settings.clock == "events"
        self._groups = [GroupState(group, naives(group)) for group in settings.groups]
        self._index = {group.name: index for index, group in enumerate(settings.groups)}
        self._redelivery = Redelivery()
        self._now_ms = NEVER
        self._due_ms = NEVER

    @property
    def filters(self) -> list[str]:
        """MQTT topic filters to subscribe to."""
        return self._router.filters()

    def handle(self, events: Sequence[Event]) -> list[Effect]:
        """Take events in their order; what is to be done, in order.

        Splitting the events over several calls changes the batching of forecasts, not their values.
        """
        effects: list[Effect] = []
        accepted = [0] * len(self._groups)
        delays: list[list[float]] = [[] for _ in self._groups]
        for event in events:
            match event:
                case Message():
                    self._take(event, effects, accepted, delays)
                case Tick():
                    self._pass_time(event.now_ms)
                case Forget():
                    if event.group in self._index:
                        group = self._groups[self._index[event.group]]
                        effects += group.settle()
                        effects += group.forget(event.exclusion)
                case Readings():
                    index = self._index[event.group]
                    for reading in event.readings:
                        self._use(index, reading, reading.time_ms, False, effects, accepted)
                case ModelReady():
                    if event.group in self._index:
                        group = self._groups[self._index[event.group]]
                        effects += group.settle()
                        effects += group.swap(event.predictor)
        for group, count, found in zip(self._groups, accepted, delays, strict=True):
            if count:
                effects.append(Accepted(group=group.settings.name, count=count, delays_s=np.array(found)))
            effects += group.settle()
        return effects

    def _take(self, message: Message, effects: list[Effect], accepted: list[int], delays: list[list[float]]) -> None:
        if self._redelivery.known(message):
            effects.append(Reject(group=None, stream=None, reason="duplicate", detail="delivered again"))
            return
        for index, found in self._router.read(message):
            if isinstance(found, Reject):
                effects.append(found)
            elif self._use(index, found, message.received_ms, message.retained, effects, accepted) and found.own_time:
                delays[index].append((message.received_ms - found.time_ms) / 1000)

    def _use(
        self, index: int, reading: Reading, received_ms: int, retained: bool, effects: list[Effect], accepted: list[int]
    ) -> bool:
        """Give a reading to its group; whether it was taken.

        Time passes with what was measured, and with ticks. An arrival says nothing about it: what waited at the broker
        while we were away arrives now, and what was measured next to it is still to come. Where recorded data is
        replayed each group has a time of its own, for one may be replayed after another.
        """
        group = self._groups[index]
        if group.settings.sources[reading.source].role == "future":
            effects += group.settle()  # steps that close later would make room in the window for what is known ahead
        elif self._by_events:
            group.aligner.pass_time(reading.time_ms)
            self._now_ms = max(self._now_ms, reading.time_ms)
        elif reading.own_time:
            self._pass_time(min(reading.time_ms, received_ms))
        now_ms = reading.time_ms if self._by_events else max(self._now_ms, received_ms)
        reason = group.accept(reading, now_ms, retained)
        if reason is not None:
            effects.append(Reject(group=group.settings.name, stream=reading.stream, reason=reason))
            return False
        accepted[index] += 1
        return True

    def _pass_time(self, now_ms: int) -> None:
        self._now_ms = max(self._now_ms, now_ms)
        if now_ms < self._due_ms:
            return
        for group in self._groups:
            group.aligner.pass_time(now_ms)
        self._due_ms = min(group.aligner.due_ms() for group in self._groups)

    @property
    def now_ms(self) -> int:
        """The time that has passed: the newest tick, or measurement that told its time."""
        return self._now_ms

    def due_ms(self) -> int | None:
        """When a tick is needed to close a step though no message comes; None: never (time is in the messages)."""
        if self._by_events or not any(group.aligner.awake.any() for group in self._groups):
            return None
        return self._due_ms

    # --- looking in -----------------------------------------------------------------------------------------------

    def current(self) -> Iterator[Issued]:
        """The newest forecast of every stream again."""
        for group in self._groups:
            yield from group.current()

    def scores(self, group: str) -> list[Score]:
        """Rolling scores of a group, one per bucket of leads that has any."""
        return self._groups[self._index[group]].scores()

    def states(self, group: str) -> dict[str, int]:
        """Number of streams by state: active, warming, stale."""
        return self._groups[self._index[group]].states()

    def observed(self, group: str) -> int:
        """Most observed steps of any stream of a group."""
        return self._groups[self._index[group]].observed()

    def taken(self, group: str) -> int:
        """Observed steps of all streams of a group together: whether anything is new."""
        return self._groups[self._index[group]].taken()

    def series(self, group: str) -> dict[str, Series]:
        """Series of a group by name."""
        return self._groups[self._index[group]].series()

    def unit(self, group: str, stream: str) -> str:
        """Unit of a stream, as configured."""
        return self._groups[self._index[group]].unit(stream)

    def version(self, group: str) -> str:
        """Model in service."""
        return self._groups[self._index[group]].version

    # --- snapshot and restore -------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Array], dict[str, object]]:
        """Arrays and plain JSON data that :meth:`restore` takes; valid between two calls of :meth:`handle`."""
        arrays = {f"/{name}": array for name, array in self._redelivery.state().items()}
        groups: dict[str, object] = {}
        for group in self._groups:
            found, groups[group.settings.name] = group.state()
            arrays |= {f"{group.settings.name}/{name}": array for name, array in found.items()}
        return arrays, {"groups": groups, "now_ms": self._now_ms}

    def restore(
        self, arrays: Mapping[str, Array], meta: Mapping[str, object], networks: Mapping[str, Predictor]
    ) -> dict[str, str]:
        """Take over a state; groups it does not fit start empty and are returned with the reason.

        Parameters
        ----------
        networks
            Model in service per group; a group without one is served by naive.
        """
        groups = meta["groups"]
        assert isinstance(groups, dict)
        assert isinstance(meta["now_ms"], int)
        self._now_ms, self._due_ms = meta["now_ms"], NEVER
        self._redelivery.restore({key[1:]: array for key, array in arrays.items() if key.startswith("/")})
        misfits = {}
        for index, settings in enumerate(self._settings.groups):
            name = settings.name
            fresh = GroupState(settings, self._naives(settings))
            own = {key.split("/", 1)[1]: array for key, array in arrays.items() if key.startswith(f"{name}/")}
            try:
                if name not in groups:
                    raise ValueError("the group is new")
                fresh.restore(own, groups[name], networks.get(name))
            except (ValueError, KeyError) as misfit:
                misfits[name] = str(misfit)
                fresh = GroupState(settings, self._naives(settings))
                fresh.swap(networks.get(name))
            self._groups[index] = fresh
        return misfits

    def part(self, groups: Iterable[str]) -> Engine:
        """An engine of some of the groups, the very same ones: what it handles, the others do not see."""
        chosen = [self._index[name] for name in groups]
        part = Engine(replace(self._settings, groups=tuple(self._settings.groups[i] for i in chosen)), self._naives)
        part._groups = [self._groups[index] for index in chosen]
        return part

    def load(self, group: str, history: Panel) -> None:
        """Fill an empty group from stored steps."""
        self._groups[self._index[group]].load(history)

    def forecast(self, group: str) -> None:
        """Forecast from the newest steps of a group that was filled, for :meth:`current`."""
        self._groups[self._index[group]].forecast()
