"""Every seam of the service in one file. Pure code knows these; adapters fill them.

A port is here only because two implementations exist: the real one, and at least the one in
:mod:`forecaster.testing` that lets logic be tested without the outside thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from forecaster.inputs import Inputs
from forecaster.records import Array, Event, Message, Series
from forecaster.settings import Group


class Clock(Protocol):
    """Tells the time to the shell; pure code is told by events."""

    def now_ms(self) -> int:
        """Epoch milliseconds, UTC."""


PART_OF_SECOND = 0.5
"""How far medians go from a predictor's own to those of its second opinion, as long as nothing else is known."""


YOUNG = 4
"""Steps since its first reading, at least, until a stream is forecast by a network; or a season, if that is longer."""


def youth(seasons: Sequence[int], lookback: int) -> int:
    """Steps since its first reading until a stream is forecast by a network, and learned from; before, it is naive.

    In units of a scale known from one or two readings errors can be huge. At most half of a lookback, so that one gap
    does not make a stream young again.

    Examples
    --------
    >>> youth((24, 168), lookback=672), youth((), lookback=30), youth((12,), lookback=6)
    (24, 4, 3)
    """
    return min(max(YOUNG, min(seasons, default=1)), (lookback + 1) // 2)


class Opinion(Protocol):
    """Another view of the medians, for some of the streams; pure, as a :class:`Predictor` is."""

    def initial_state(self, streams: int) -> Array:
        """State of streams never seen, float32 (streams, ...)."""

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Advance the state; it, and medians float64 (B, H), NaN of streams and leads it says nothing of."""


class Predictor(Protocol):
    """Turns carried state and a view of the past into a forecast: the network, or the naive.

    Pure: the state goes in and comes out, so the engine can snapshot it and swap the predictor under it.

    Attributes
    ----------
    version
        Name of the model; becomes part of each forecast.
    warmup
        Steps of history to step through, from the initial state, before the first forecast is as good as if the
        state had been carried for ever.
    second
        What is asked beside it, None for nothing. How far that is followed, what comes true tells.
    """

    version: str
    warmup: int

    @property
    def second(self) -> Opinion | None: ...

    def initial_state(self, streams: int) -> Array:
        """State of streams never seen, float32 (streams, P, L, N); any of the axes but the first may be 0."""

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """Advance the state (B, P, L, N) by the step, or steps, at the end of ``inputs`` and forecast all leads.

        Returns
        -------
        state, quantiles
            New state (same shape) and float64 (B, H, Q), increasing along Q. Finite wherever the stream has at least
            one observed value in its window, NaN elsewhere.
        """


Offer = Callable[[Message, Callable[[], None]], None]
"""How a broker hands over a message: ``offer(message, ack)``. Must return at once; ``ack`` may be called later from
any thread, when the message is durable."""


class Broker(Protocol):
    """The MQTT session."""

    def start(self, filters: Sequence[str], offer: Offer) -> None:
        """Connect in the background, for ever, and subscribe on every connect."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = True, expiry_s: int | None = None) -> None:
        """Queue for publication, QoS 1; never blocks. While the broker is away the newest per topic is kept."""

    def connected(self) -> bool:
        """Whether messages can flow now: connected, subscribed, network thread alive."""

    def stop(self, status: str = "stopped", timeout_s: float = 5.0) -> None:
        """Publish the status, flush what is queued, disconnect."""


class Journal(Protocol):
    """Durable log of what changed state. Positions increase from 1; 0 means before everything."""

    def append(self, events: Sequence[Event]) -> int:
        """Write and commit the events as one unit; the position of the last one. Durable when it returns."""

    def read(self, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """Units after a position, oldest first, each with the position of its last event.

        Of a unit that lies across the position, the events after it.
        """

    def last(self) -> int:
        """Position of the last event written; 0 when empty."""

    def before(self, time_ms: int) -> int:
        """Position up to which every unit is from before a time; 0 when there is none. For pruning by age."""

    def prune(self, upto: int) -> None:
        """Forget whole units whose positions are all at or below ``upto``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Closed steps to be written: ``len(series)`` of them, at one start each.

    Attributes
    ----------
    series
        Index into the list of series given beside it, int32 (N,).
    start_ms
        int64 (N,).
    values
        float64 (N,), NaN for gaps.
    """

    series: Array
    start_ms: Array
    values: Array


class History(Protocol):
    """Closed steps of every series of every group, kept for training, warm-up and backtests."""

    def append(self, group: str, series: Sequence[Series], steps: Columns) -> None:
        """Add steps, durable when it returns. A step given again replaces the old value."""

    def read(self, group: str, since_ms: int | None = None) -> tuple[tuple[Series, ...], Columns]:
        """All steps of a group at or after a time, ordered by (series, start), each (series, start) once."""

    def prune(self, group: str, span_ms: int, now_ms: int) -> None:
        """Forget steps that started longer before the newest, or before now where that is earlier."""

    def compact(self, group: str) -> None:
        """Keep reading fast after many small appends; to be called now and then. Changes nothing that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known about a model, stored as JSON beside its weights.

    Attributes
    ----------
    version
        ``0007``: counts up per group.
    kind
        What the network is, ``gru``, ``lstm``, ``elman``.
    shape
        All that is needed to build the network again (cell, layers, hidden, horizon, levels, channels, calendar,
        seasons, lookback, warmup, …), plain JSON values.
    trained_at, data_from, data_until
        RFC 3339 UTC.
    seconds, seed, streams, steps, updates
        How it was trained, and on how much; the updates are those until it was judged.
    settings_hash
        Of the group's settings it was trained for.
    scores
        On the held-out tail, before anything was learned from it:
        ``{"challenger": {"mae": …, "mase": …, "pinball": …}, "champion": …, "naive": …}``; ``half`` of challenger and
        naive where the challenger alone was no better.
    promoted
        Whether it beat naive and was no worse than the champion, or is the champion with newer data.
    verdict
        One sentence: why it was promoted or not.
    more
        Updates after that, on all there is.
    judged_from
        Where the tail begins, RFC 3339 UTC; "" where it is not known.
    """

    version: str
    kind: str
    shape: Mapping[str, object]
    trained_at: str
    data_from: str
    data_until: str
    seconds: float
    seed: int
    streams: int
    steps: int
    updates: int
    settings_hash: str
    scores: Mapping[str, Mapping[str, float]]
    promoted: bool
    verdict: str
    more: int = 0
    judged_from: str = ""


class ModelRegistry(Protocol):
    """Models on disk, per group; one of them is the champion."""

    def save(self, group: str, weights: Mapping[str, Array], card: Card) -> None:
        """Write both atomically; a reader sees all of it or nothing. Does not promote."""

    def load(self, group: str, version: str) -> tuple[dict[str, Array], Card]:
        """Weights and card. Raises ModelError when missing or broken."""

    def cards(self, group: str) -> list[Card]:
        """Readable models, newest last."""

    def next_version(self, group: str) -> str:
        """A version nobody has used."""

    def champion(self, group: str) -> str | None:
        """Version in service, None before the first."""

    def promote(self, group: str, version: str) -> None:
        """Make it the champion, remembering the previous one. Raises ModelError when it cannot be loaded."""

    def rollback(self, group: str, check: Callable[[Card], None]) -> str | None:
        """Make the newest former champion that passes a check champion again; its version, None when there is none.

        The check raises ModelError for a model that cannot serve.
        """

    def prune(self, group: str, keep: int) -> None:
        """Remove all but the newest ``keep``; never the champion or the one before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A line of a training run: fraction done in [0, 1], loss, seconds left, what is going on."""

    fraction: float
    loss: float | None
    seconds_left: float | None
    note: str = ""


Outcome = str
"""How a training ended: ``promoted``, ``rejected``, ``failed``, ``skipped`` (too little history), ``timeout``."""


class Trainer(Protocol):
    """Runs one training at a time, away from the engine."""

    def train(self, group: Group, progress: Callable[[Progress], None]) -> tuple[Outcome, str, Card | None]:
        """Train, judge, save; blocks until done. How it ended, why, and the card when a model came out of it."""

    def stop(self) -> None:
        """Kill a training that runs."""


class Snapshots(Protocol):
    """State of the engine on disk, the newest few."""

    def save(self, position: int, arrays: Mapping[str, Array], meta: Mapping[str, object]) -> None:
        """Write atomically; it includes all events up to ``position``."""

    def newest(self) -> Iterable[tuple[int, dict[str, Array], dict[str, object]]]:
        """Valid snapshots, newest first: position, arrays, meta. Broken ones are skipped with a warning."""
