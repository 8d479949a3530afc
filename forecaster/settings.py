"""What the operator may say, resolved: no text forms, no missing defaults.

:mod:`forecaster.config` reads YAML and builds these; everything else only reads them. Times are seconds
(``_s``) unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Literal

Unit = Literal["second", "day", "week", "month"]
Kind = Literal["gauge", "amount", "meter"]
Aggregate = Literal["mean", "last", "min", "max", "sum"]
Role = Literal["target", "past", "future", "static"]
Cell = Literal["elman", "gru", "lstm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Length of one cell of the grid: ``count`` seconds, or one calendar day, week or month.

    Attributes
    ----------
    unit
        ``second`` for fixed lengths below a day; days, weeks and months follow the calendar of the time zone.
    count
        Number of units. 1 for day, week and month.
    text
        As the operator wrote it (``15m``, ``1h``, ``month``); used in messages and payloads.
    """

    unit: Unit
    count: int
    text: str

    @property
    def longest_s(self) -> int:
        """Seconds it lasts, a month as if it had 31 days.

        Examples
        --------
        >>> Step(unit="second", count=900, text="15m").longest_s, Step(unit="month", count=1, text="month").longest_s
        (900, 2678400)
        """
        return self.count * {"second": 1, "day": 86_400, "week": 7 * 86_400, "month": 31 * 86_400}[self.unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One topic filter and how its payloads are read.

    Attributes
    ----------
    topic
        Filter with named captures, ``home/{home}/{meter}/energy``; ``+`` and a final ``#`` also capture, unnamed.
    name
        Template of the stream name, ``{home}/{meter}``. None: all captures joined by ``/``, or the topic itself
        when it has none.
    value
        JSON path of the value (``$.ENERGY.Total``, ``$.meters[0].kwh``, ``$.meters[*].kwh``); None: the payload is
        a bare number.
    time
        JSON path of the time; None: arrival time.
    time_format
        ``strptime`` format of the time; None: epoch s/ms/us or RFC 3339, told apart by form and size.
    time_zone
        IANA zone of times that carry none.
    kind
        ``gauge``: a level. ``amount``: a quantity per message. ``meter``: a cumulative counter.
    aggregate
        How the readings of one step become its value. ``sum`` for amounts and meters.
    unit
        For people and payloads; never converted.
    role
        ``target``: forecast. ``past``/``future``/``static``: covariate, the second known ahead.
    valid
        Plausible range of a raw reading, inclusive; None: no limit.
    rollover
        Value at which a meter starts again from 0; None: a fall is a reset or a dip.
    """

    topic: str
    name: str | None = None
    value: str | None = None
    time: str | None = None
    time_format: str | None = None
    time_zone: str = "UTC"
    kind: Kind = "gauge"
    aggregate: Aggregate = "mean"
    unit: str = ""
    role: Role = "target"
    valid: tuple[float | None, float | None] = (None, None)
    rollover: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Shape of the recurrent network of a group."""

    cell: Cell = "gru"
    layers: int = 1
    hidden: int = 64
    members: int = 2
    dropout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When to retrain: a cron line or an interval.

    Attributes
    ----------
    cron
        Five fields, in the group's time zone. None: use ``every_s``.
    every_s
        Seconds between trainings, counted from the age of the model, so a restart does not reset it. None, and no
        ``cron``: only by hand.
    start_from
        ISO time of the first run of an interval; None: as soon as there is history enough.
    jitter_s
        Random delay added to each run.
    """

    cron: str | None = None
    every_s: float | None = 86_400.0
    start_from: str | None = None
    jitter_s: float = 0.0

    @property
    def cool_down_s(self) -> float:
        """Seconds a model is kept though its errors rise: a quarter of the interval, an hour at least; or for ever."""
        if self.cron is None and self.every_s is None:
            return inf
        return max(3600.0, (self.every_s or 86_400.0) / 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a model is trained and judged.

    Attributes
    ----------
    schedule
        When.
    warm
        Start from the champion's weights when the shapes fit.
    budget_s
        Wall-clock limit of a training: two thirds until the network is judged, the rest for that and for learning on.
    memory_mb
        Address-space limit of the training process; 0: none.
    history_s
        How far back training looks; None: all there is.
    seed
        Makes a training repeatable bit for bit on one machine.
    keep
        Models kept on disk.
    """

    schedule: Schedule = field(default_factory=Schedule)
    warm: bool = True
    budget_s: float = 180.0
    memory_mb: int = 0
    history_s: float | None = None
    seed: int = 0
    keep: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A stretch of time that says nothing about a stream: a broken sensor, a holiday.

    Attributes
    ----------
    stream
        Name, or a pattern with ``*`` and ``?``.
    since_ms, until_ms
        Epoch milliseconds, the first included, the second not.
    """

    stream: str
    since_ms: int
    until_ms: int


COLUMNS = {"hour": 2, "weekday": 3, "month": 2, "yearday": 2}
"""Calendar covariates, and how many columns each has: first the sine and the cosine of a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The streams that share one network, grid, horizon and schedule.

    Attributes
    ----------
    name
        Key under ``groups:``; part of topics, metric labels and file names.
    sources
        Target sources first, then covariate sources in the order of their channels.
    step, timezone
        The grid.
    horizon
        H, number of leads.
    levels
        Quantile levels, increasing, 0.5 among them; Q of them.
    seasons
        Season lengths in steps, increasing; empty: none.
    calendar
        Calendar covariates, of :data:`COLUMNS`.
    lateness_s
        How long after its end a step still takes readings.
    ahead_s
        How far after its arrival a reading may be dated before it is refused as future.
    bounds
        Physical limits no quantile leaves.
    own_past
        Whether the network sees the target's own past; False: only covariates.
    lookback
        Steps of the past a predictor is shown.
    max_streams
        Streams beyond this are refused.
    exclude
        Stretches to be forgotten: kept in the history, unseen by forecasts and training.
    """

    name: str
    sources: tuple[Source, ...]
    step: Step
    horizon: int
    timezone: str = "UTC"
    levels: tuple[float, ...] = (0.025, 0.1, 0.5, 0.9, 0.975)
    seasons: tuple[int, ...] = ()
    calendar: tuple[str, ...] = ()
    lateness_s: float = 0.0
    ahead_s: float = 600.0
    bounds: tuple[float | None, float | None] = (None, None)
    own_past: bool = True
    lookback: int = 64
    max_streams: int = 10_000
    exclude: tuple[Exclusion, ...] = ()
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)

    @property
    def targets(self) -> tuple[Source, ...]:
        """Sources whose streams are forecast."""
        return tuple(source for source in self.sources if source.role == "target")

    @property
    def channels(self) -> tuple[Role, ...]:
        """Role of each input channel: the target, then the covariates."""
        return ("target", *(source.role for source in self.covariates))

    @property
    def warmup(self) -> int:
        """Most steps a hidden state is rebuilt over: two short seasons, at least 24."""
        return max(24, 2 * self.seasons[0]) if self.seasons else 24

    @property
    def season(self) -> int:
        """Steps of the smallest season, 1 without any."""
        return self.seasons[0] if self.seasons else 1

    @property
    def past(self) -> int:
        """Steps that are remembered of a stream: a window, and what a hidden state is rebuilt from."""
        return self.lookback + max(self.warmup, self.season)

    @property
    def fingerprint(self) -> str:
        """Hash of what a model depends on: another fingerprint, another model."""
        relevant = (
            *(self.step, self.timezone, self.horizon, self.levels, self.seasons, self.calendar),
            *(self.own_past, self.lookback, self.channels, self.network),
        )
        return sha256(repr(relevant).encode()).hexdigest()[:12]

    @property
    def covariates(self) -> tuple[Source, ...]:
        """Sources that are inputs only; the c-th of them is channel c, counted from 1."""
        return tuple(source for source in self.sources if source.role != "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    """The broker and our session with it. ``url``: ``mqtt://host:port`` or ``mqtts://``."""

    url: str
    client_id: str = "forecaster"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure: bool = False
    version: Literal["auto", "5", "3.1.1"] = "auto"
    qos: Literal[0, 1] = 1
    keepalive_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Where forecasts go: ``<prefix>/<group>/<stream>/forecast``."""

    prefix: str = "forecaster"
    outbox: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """The address of /metrics, /healthz and /readyz."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Per-stream series: groups they are switched on for, and the most streams they may cover."""

    per_stream: tuple[str, ...] = ()
    max_streams: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Log lines: level name, and ``text`` or ``json``."""

    level: str = "INFO"
    format: Literal["text", "json"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything.

    Attributes
    ----------
    data
        Directory of journal, history, snapshots and models.
    clock
        ``system``: time is the machine's. ``events``: time is the newest time a message carried, for recorded
        data that is replayed faster than it happened.
    snapshot_every_s
        Seconds between snapshots.
    journal_keep_s
        How long journaled events are kept for ``forecaster replay`` after a snapshot has made them unnecessary.
    """

    mqtt: Mqtt
    groups: tuple[Group, ...]
    data: Path = Path("data")
    publish: Publish = field(default_factory=Publish)
    http: Http = field(default_factory=Http)
    metrics: Metrics = field(default_factory=Metrics)
    log: Log = field(default_factory=Log)
    clock: Literal["system", "events"] = "system"
    snapshot_every_s: float = 300.0
    journal_keep_s: float = 86_400.0

    def group(self, name: str) -> Group:
        """The group of that name.

        Raises
        ------
        KeyError
            When there is none.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)
