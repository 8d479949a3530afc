"""Stand-ins for the outside world, shipped so that users can test their own configuration without a broker.

Each does what its port promises, in memory; one suite of tests holds them and the real ones to that. The builders at
the end make small valid things, so that a test writes down only what it is about.

Examples
--------
>>> broker = FakeBroker()
>>> broker.start(["home/+/power"], lambda message, ack: ack())
>>> broker.deliver("home/kitchen/power", b"21.5")
>>> [message.topic for message in broker.acknowledged]
['home/kitchen/power']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from forecaster.errors import ModelError
from forecaster.ports import Card, Columns, Offer, Outcome, Progress
from forecaster.records import Array, Event, Forget, Message, ModelReady, Readings, Series, Tick
from forecaster.settings import Group, Source, Step

DAY = "2026-03-01"
"""The Sunday on which tests without a date happen."""


def at(text: str) -> int:
    """Epoch milliseconds of a time; UTC unless it says otherwise, on ``DAY`` unless it has a date.

    Examples
    --------
    >>> at("2026-03-01T12:00") == at("12:00") == at("13:00+01:00")
    True
    """
    time = datetime.fromisoformat(text if "-" in text[:5] else f"{DAY}T{text}")
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


class FakeClock:
    """A clock that goes only when told."""

    def __init__(self, now_ms: int = at("12:00")) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Epoch milliseconds, as set."""
        return self._now_ms

    def advance(self, seconds: float) -> None:
        """Let time pass; a negative number is a clock set back."""
        self._now_ms += round(seconds * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was given to :meth:`FakeBroker.publish`."""

    topic: str
    payload: bytes
    retain: bool = True
    expiry_s: int | None = None


class FakeBroker:
    """A broker without a network: what is delivered is offered at once, what is published is kept in a list.

    Attributes
    ----------
    filters
        Subscriptions, from ``start``.
    published
        All publications, oldest first.
    acknowledged
        Delivered messages in the order in which they were acknowledged.
    up
        What ``connected`` says once started; a test sets it to False for a broker that is away.
    status
        Given to ``stop``; None before.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.filters: tuple[str, ...] = ()
        self.published: list[Published] = []
        self.acknowledged: list[Message] = []
        self.up = True
        self.status: str | None = None
        self._offer: Offer | None = None

    def start(self, filters: Sequence[str], offer: Offer) -> None:
        """Subscribe."""
        self.filters, self._offer = tuple(filters), offer

    def deliver(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Let a message arrive now, by the clock. Filters are not applied: a broker sends what was asked for.

        Raises
        ------
        RuntimeError
            When nobody has subscribed yet, or any more.
        """
        if self._offer is None:
            raise RuntimeError("deliver() needs a broker that was started and not stopped")
        message = Message(topic, payload, self.clock.now_ms(), retained)
        self._offer(message, lambda: self.acknowledged.append(message))

    def publish(self, topic: str, payload: bytes, *, retain: bool = True, expiry_s: int | None = None) -> None:
        """Keep it in ``published``."""
        self.published.append(Published(topic=topic, payload=payload, retain=retain, expiry_s=expiry_s))

    def connected(self) -> bool:
        """Whether it was started and is ``up``."""
        return self.up and self._offer is not None

    def stop(self, status: str = "stopped", timeout_s: float = 5.0) -> None:
        """Nothing is delivered any more."""
        self.status, self._offer = status, None


class FakeTrainer:
    """Trainings that end at once with the results given, in turn; afterwards ``skipped``.

    Attributes
    ----------
    trained
        Names of the groups, in order.
    """

    def __init__(self, *results: tuple[Outcome, str, Card | None]) -> None:
        self.trained: list[str] = []
        self.stopped = False
        self._results = list(results)

    def train(self, group: Group, progress: Callable[[Progress], None]) -> tuple[Outcome, str, Card | None]:
        """The next result, after one line of progress."""
        self.trained.append(group.name)
        progress(Progress(fraction=1.0, loss=None, seconds_left=0.0))
        return self._results.pop(0) if self._results else ("skipped", "", None)

    def stop(self) -> None:
        """Remember it in ``stopped``."""
        self.stopped = True


class MemoryJournal:
    """A journal that forgets when the process ends."""

    def __init__(self) -> None:
        self._units: list[tuple[int, list[Event]]] = []
        self._last = 0

    def append(self, events: Sequence[Event]) -> int:
        """Keep the events as one unit, predictors left out."""
        if events:
            self._last += len(events)
            kept = [replace(event, predictor=None) if isinstance(event, ModelReady) else event for event in events]
            self._units.append((self._last, kept))
        return self._last

    def read(self, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """Units after a position, oldest first; of a unit that lies across it, the events after it."""
        for last, events in list(self._units):
            if last > after:
                yield last, events[max(0, after - last + len(events)) :]

    def last(self) -> int:
        """Position of the last event ever kept; 0 when there was none."""
        return self._last

    def before(self, time_ms: int) -> int:
        """Position up to which every unit is from before a time."""
        position = 0
        for last, events in self._units:
            times = [time for event in events if (time := _time_ms(event)) is not None]
            if times and times[-1] >= time_ms:
                break
            position = last
        return position

    def prune(self, upto: int) -> None:
        """Forget whole units at or below a position."""
        self._units = [unit for unit in self._units if unit[0] > upto]


class MemoryHistory:
    """A history that forgets when the process ends."""

    def __init__(self) -> None:
        self._series: dict[str, dict[str, Series]] = {}
        self._values: dict[str, dict[tuple[str, int], float]] = {}

    def append(self, group: str, series: Sequence[Series], steps: Columns) -> None:
        """Add steps; a step given again replaces the old value."""
        if not len(steps.series):
            return
        self._series.setdefault(group, {}).update({one.name: one for one in series})
        values = self._values.setdefault(group, {})
        for index, start_ms, value in zip(steps.series, steps.start_ms, steps.values, strict=True):
            values[series[index].name, int(start_ms)] = float(value)

    def read(self, group: str, since_ms: int | None = None) -> tuple[tuple[Series, ...], Columns]:
        """All steps of a group at or after a time, ordered by (series, start), each (series, start) once."""
        values = self._values.get(group, {})
        rows = [(name, start) for name, start in values if since_ms is None or start >= since_ms]
        named = {name for name, _ in rows}
        series = [one for name, one in self._series.get(group, {}).items() if name in named]
        index = {one.name: number for number, one in enumerate(series)}
        rows.sort(key=lambda row: (index[row[0]], row[1]))
        return tuple(series), Columns(
            series=np.array([index[name] for name, _ in rows], dtype=np.int32),
            start_ms=np.array([start for _, start in rows], dtype=np.int64),
            values=np.array([values[row] for row in rows], dtype=np.float64),
        )

    def prune(self, group: str, span_ms: int, now_ms: int) -> None:
        """Forget steps that started longer before the newest, or before now where that is earlier."""
        values = self._values.get(group, {})
        newest_ms = max((start_ms for _, start_ms in values), default=0)
        first_ms = min(newest_ms, now_ms) - span_ms
        self._values[group] = {row: value for row, value in values.items() if row[1] >= first_ms}

    def compact(self, group: str) -> None:
        """Nothing to do."""


class MemorySnapshots:
    """Snapshots that are forgotten when the process ends."""

    def __init__(self, keep: int = 3) -> None:
        self.keep = keep
        self._kept: list[tuple[int, dict[str, Array], dict[str, object]]] = []

    def save(self, position: int, arrays: Mapping[str, Array], meta: Mapping[str, object]) -> None:
        """Keep a copy."""
        copies = {name: np.array(array) for name, array in arrays.items()}
        self._kept = [*self._kept, (position, copies, dict(meta))][-self.keep :]

    def newest(self) -> Iterator[tuple[int, dict[str, Array], dict[str, object]]]:
        """Snapshots, newest first: position, arrays, meta."""
        for position, arrays, meta in reversed(self._kept):
            yield position, {name: array.copy() for name, array in arrays.items()}, dict(meta)


class MemoryRegistry:
    """Models that are forgotten when the process ends."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], tuple[dict[str, Array], Card]] = {}
        self._lines: dict[str, list[str]] = {}

    def save(self, group: str, weights: Mapping[str, Array], card: Card) -> None:
        """Keep a copy. Does not promote."""
        if (group, card.version) in self._models:
            raise ModelError(f"{group}/{card.version}: exists already")
        self._models[group, card.version] = {name: np.array(array) for name, array in weights.items()}, card

    def load(self, group: str, version: str) -> tuple[dict[str, Array], Card]:
        """Weights and card. Raises ModelError when missing."""
        if (group, version) not in self._models:
            raise ModelError(f"{group}/{version}: no such model")
        weights, card = self._models[group, version]
        return {name: array.copy() for name, array in weights.items()}, card

    def cards(self, group: str) -> list[Card]:
        """Models, newest last."""
        return [self._models[group, version][1] for version in self._versions(group)]

    def next_version(self, group: str) -> str:
        """A version nobody has used."""
        return f"{max(map(int, ['0', *self._versions(group), *self._line(group)])) + 1:04d}"

    def champion(self, group: str) -> str | None:
        """Version in service, None before the first."""
        return next(reversed(self._line(group)), None)

    def promote(self, group: str, version: str) -> None:
        """Make it the champion, remembering the previous one. Raises ModelError when it is missing."""
        self.load(group, version)
        if self.champion(group) != version:
            self._line(group).append(version)

    def rollback(self, group: str, check: Callable[[Card], None]) -> str | None:
        """Make the newest former champion that is there and passes the check champion again; its version, or None."""
        line = self._line(group)[:-1]
        while line:
            try:
                check(self.load(group, line[-1])[1])
            except ModelError:
                line.pop()
            else:
                self._lines[group] = line
                return line[-1]
        return None

    def prune(self, group: str, keep: int) -> None:
        """Remove all but the newest ``keep``; never the champion or the one before it."""
        versions = self._versions(group)
        for version in set(versions[: max(0, len(versions) - keep)]) - set(self._line(group)[-2:]):
            del self._models[group, version]

    def _versions(self, group: str) -> list[str]:
        return sorted((version for name, version in self._models if name == group), key=int)

    def _line(self, group: str) -> list[str]:
        return self._lines.setdefault(group, [])


def a_source(**changes: Any) -> Source:
    """A source of bare numbers, ``home/{home}/power``, changed as said."""
    return replace(Source(topic="home/{home}/power", unit="W"), **changes)


def a_group(**changes: Any) -> Group:
    """A group of one source, hourly, three leads, changed as said."""
    step = Step(unit="second", count=3600, text="1h")
    return replace(Group(name="household", sources=(a_source(),), step=step, horizon=3), **changes)


def a_card(version: str = "0001", **changes: Any) -> Card:
    """The card of a small model that was promoted, changed as said."""
    card = Card(
        version=version,
        kind="gru",
        shape={"hidden": 8, "levels": [0.1, 0.5, 0.9]},
        trained_at="2026-03-01T12:00:00Z",
        data_from="2026-01-01T00:00:00Z",
        data_until="2026-03-01T11:00:00Z",
        seconds=1.5,
        seed=0,
        streams=2,
        steps=1416,
        updates=100,
        settings_hash=a_group().fingerprint,
        scores={"challenger": {"mae": 1.0}, "naive": {"mae": 2.0}},
        promoted=True,
        verdict="better than seasonal naive by 50 %",
    )
    return replace(card, **changes)


def _time_ms(event: Event) -> int | None:
    match event:
        case Message():
            return event.received_ms
        case Tick():
            return event.now_ms
        case Readings():
            return max(reading.time_ms for reading in event.readings)
        case ModelReady() | Forget():
            return None
