"""Running past data through the service's own engine, on the time the data itself carries.

The same fold that serves: steps go through :meth:`Engine.handle`, and the forecasts that meet their targets are
collected. What is measured is what would have been published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecaster.inputs import Dataset
from forecaster.leads import buckets
from forecaster.nets.baseline import naives
from forecaster.pipeline.align import Aligner
from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.decode import plausible
from forecaster.pipeline.engine import Engine
from forecaster.pipeline.excluded import mask
from forecaster.pipeline.panel import dataset, panel
from forecaster.pipeline.topics import TopicFilter
from forecaster.pipeline.verify import intervals, pinball
from forecaster.ports import Columns, Predictor
from forecaster.records import Array, Event, Issued, ModelReady, Panel, Reading, Readings, Score, Series, Tick, Verified
from forecaster.settings import Group, Mqtt, Settings, Source


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fan:
    """One forecast with what came before and after it, for a picture. Times are starts of steps, epoch ms."""

    stream: str
    past_ms: Array
    past: Array
    ahead_ms: Array
    quantiles: Array
    truth: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class OfStream:
    """How well one stream was forecast, over all leads; as :class:`forecaster.records.Score` has it of the group."""

    stream: str
    count: int
    mae: float
    pinball: float
    skill: float
    coverage: dict[float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What a backtest found.

    Attributes
    ----------
    scores
        One per bucket of leads, then one over all leads (``all``).
    each
        One per stream, that of least skill first.
    model
        Version of the network that was given; ``naive`` without.
    streams, origins
        How much was forecast; an origin after which nothing came does not count.
    fan
        The last forecast all of whose truth is known, of the stream asked for; None when there is none.
    """

    scores: list[Score]
    each: list[OfStream]
    model: str
    streams: int
    origins: int
    fan: Fan | None


def before(history: Panel, column: int) -> Panel:
    """The steps of a panel before a column."""
    return replace(history, values=history.values[:, :column])


def readings(group: Group, history: Panel, grid: Grid, first: int) -> Iterator[Readings]:
    """The steps of a panel from a column on, as a service would be told of them: one event a step.

    What is known ahead is told as far ahead as the forecasts reach: a step is closed, and forecast from, when the
    target of the next one is read.
    """
    series = [
        (one, group.sources[one.source].role == "future", values.tolist())
        for one, values in zip(history.series, history.values, strict=True)
    ]
    series.sort(key=lambda one: one[1])  # the clock moves with the targets
    starts = grid.starts(history.first + np.arange(history.values.shape[1])).tolist()
    for column in range(first, len(starts)):
        told = []
        for one, ahead, values in series:
            since = column + group.horizon if ahead and column > first else column
            until = column + group.horizon + 1 if ahead else column + 1
            for step in range(since, min(until, len(starts))):
                if values[step] == values[step]:
                    told.append(Reading(one.name, one.labels, one.source, starts[step], values[step], True))
        yield Readings(group.name, tuple(told))


def of_steps(group: Group) -> Group:
    """The group, reading whole steps instead of what its sensors send: each is the only reading of its step."""
    sources = tuple(
        replace(source, kind="amount", aggregate="sum") if source.kind == "meter" else source
        for source in group.sources
    )
    return replace(group, sources=sources, lateness_s=0.0, max_streams=10**9)


def backtest(
    group: Group,
    series: Sequence[Series],
    steps: Columns,
    since_ms: int,
    network: Callable[[Dataset], Predictor | None],
    *,
    stream: str | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Result:
    """Forecast from every step from a time on, knowing only what was before it.

    Parameters
    ----------
    series, steps
        The data, as the history gives it.
    since_ms
        First origin.
    network
        Given what was before ``since_ms``, the model to forecast with; None: naive.
    stream
        Whose forecast to keep for a picture; None: the first stream's.
    progress
        Told the fraction done.
    """
    group = of_steps(group)
    grid = Grid(group.step, group.timezone)
    history = mask(panel(series, steps, grid), group.exclude, grid)
    steps_there = history.values.shape[1]
    cut = int(np.clip(grid.index(since_ms) - history.first, 0, steps_there))
    told = max(cut - 1, 0)  # the step before the first origin closes when the next one is read, and is forecast from
    end_ms = grid.start(history.first + steps_there)
    after: list[Event] = [*readings(group, history, grid, told), Tick(end_ms)]
    engine = Engine(Settings(mqtt=Mqtt(url=""), groups=(group,), clock="events"), naives)
    engine.load(group.name, before(history, told))
    model = network(dataset(before(history, cut), group, grid))
    if model is not None:
        engine.handle([ModelReady(group.name, model.version, model)])
    tally, streams, origins = Tally(group), set[str](), set[int]()
    issued: dict[int, Issued] = {}
    for done, event in enumerate(after, start=1):
        for effect in engine.handle([event]):
            match effect:
                case Verified():
                    tally.add(effect)
                case Issued() if effect.origin_ms < end_ms:
                    origins.add(effect.origin_ms)
                    streams.update(effect.streams)
                    issued[effect.origin_ms] = effect
        while len(issued) > group.horizon:
            del issued[min(issued)]
        progress(done / len(after))
    fan = _fan(history, grid, issued, stream) if issued else None
    version = model.version if model is not None else "naive"
    return Result(
        scores=tally.scores(),
        each=tally.each(),
        model=version,
        streams=len(streams),
        origins=len(origins),
        fan=fan,
    )


def _fan(history: Panel, grid: Grid, issued: Mapping[int, Issued], stream: str | None) -> Fan | None:
    """The oldest forecast kept: its truth is complete."""
    forecast = issued[min(issued)]
    name = stream or forecast.streams[0]
    if name not in forecast.streams:
        return None
    row = next(index for index, one in enumerate(history.series) if one.name == name)
    origin = grid.index(forecast.origin_ms) - history.first
    leads = len(forecast.starts_ms)
    shown = slice(max(0, origin - 7 * leads // 2), origin)
    truth = np.full(leads, np.nan)
    known = history.values[row, origin : origin + leads]
    truth[: len(known)] = known
    return Fan(
        stream=name,
        past_ms=grid.starts(history.first + np.arange(shown.start, shown.stop)),
        past=history.values[row, shown],
        ahead_ms=forecast.starts_ms,
        quantiles=forecast.quantiles[forecast.streams.index(name)],
        truth=truth,
    )


class Tally:
    """Errors of all forecasts that met their targets, summed per lead, and per stream."""

    def __init__(self, group: Group) -> None:
        self._levels = np.array(group.levels)
        self._median = group.levels.index(0.5)
        self._intervals = intervals(group.levels)
        self._horizon = group.horizon
        self._sums = np.zeros((group.horizon, 3 + len(self._intervals)))
        self._counts = np.zeros(group.horizon, np.int64)
        self._each: dict[str, Array] = {}  # as summed per lead, then their number, (4 + intervals,)

    def add(self, verified: Verified) -> None:
        """Count the forecasts of one step."""
        truth = np.broadcast_to(verified.truth[:, None], verified.naive.shape)
        losses = [
            np.abs(truth - verified.quantiles[..., self._median]),
            np.abs(truth - verified.naive),
            pinball(verified.quantiles, truth, self._levels),
        ]
        for _, low, high in self._intervals:
            losses.append((verified.quantiles[..., low] <= truth) & (truth <= verified.quantiles[..., high]))
        found = np.stack(losses, -1).astype(np.float64)  # (B, H, 3 + intervals)
        usable = np.isfinite(found.sum(-1))
        found = np.where(usable[..., None], found, 0.0)
        self._counts += usable.sum(0)
        self._sums += found.sum(0)
        for name, sums in zip(verified.streams, np.c_[found.sum(1), usable.sum(1)], strict=True):
            self._each[name] = self._each.get(name, 0.0) + sums

    def each(self) -> list[OfStream]:
        """One score per stream, that of least skill first; those without a skill last."""
        found = []
        for name, sums in self._each.items():
            *totals, count = sums.tolist()
            if count:
                error, naive, loss, *hits = (total / count for total in totals)
                found.append(
                    OfStream(
                        stream=name,
                        count=int(count),
                        mae=error,
                        pinball=loss,
                        skill=1 - error / naive if naive > 0 else float("nan"),
                        coverage=self._coverage(hits),
                    )
                )
        return sorted(found, key=lambda one: (np.isnan(one.skill), one.skill, one.stream))

    def scores(self) -> list[Score]:
        """One score per bucket of leads, then one over all; MASE is scaled by the naive error one step ahead."""
        scale = self._sums[0, 1] / max(self._counts[0], 1)
        found = []
        for name, leads in (buckets(self._horizon) | {"all": slice(None)}).items():
            count = int(self._counts[leads].sum())
            if count:
                error, naive, loss, *hits = (self._sums[leads].sum(0) / count).tolist()
                found.append(
                    Score(
                        leads=name,
                        count=count,
                        mae=error,
                        mase=error / scale if scale > 0 else float("nan"),
                        pinball=loss,
                        skill=1 - error / naive if naive > 0 else float("nan"),
                        coverage=self._coverage(hits),
                    )
                )
        return found

    def _coverage(self, hits: Sequence[float]) -> dict[float, float]:
        """Fraction of truths inside each interval, by its level."""
        return {nominal: hit for (nominal, _, _), hit in zip(self._intervals, hits, strict=True)}


def steps_of(readings: Columns, streams: int, source: Source, group: Group) -> Columns:
    """Readings in order of time, each that of one of ``streams``, as the steps that the service would have closed.

    ``start_ms`` is the time of a reading in what is given, the start of a step in what is returned. Values that the
    source calls implausible, and what a meter does not believe, are left out.
    """
    grid = Grid(group.step, group.timezone)
    aligner = Aligner(replace(group, lateness_s=0.0, sources=(source,)), grid)
    for _ in range(streams):
        aligner.add(source)
    low, high = plausible(source)
    good = (low <= readings.values) & (readings.values <= high)
    told = (column[good].tolist() for column in (readings.series, readings.start_ms, readings.values))
    for row, time_ms, value in zip(*told, strict=True):
        aligner.accept(row, source, time_ms, value)
    aligner.pass_time(grid.start(grid.index(int(readings.start_ms.max())) + 1))
    nothing = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    steps = [nothing, *((np.full(len(rows), cell), rows, values) for cell, rows, values, _ in aligner.settle())]
    index, rows, values = (np.concatenate(part) for part in zip(*steps, strict=True))
    there = np.isfinite(values)
    return Columns(series=rows[there].astype(np.int32), start_ms=grid.starts(index[there]), values=values[there])


def as_streams(names: Sequence[str], source: Source) -> list[Series]:
    """Series for the streams of a table, which has names and no topics.

    The parts of a name become the captures of the source where there are as many; else each capture is the whole name.

    Examples
    --------
    >>> [one.labels for one in as_streams(["a/1", "b"], Source(topic="home/{home}/+/energy"))]
    [(('home', 'a'),), (('home', 'b'),)]
    """
    captures = TopicFilter.parse(source.topic).names
    found = []
    for name in names:
        parts = name.split("/")
        fitting = parts if len(parts) == len(captures) else [name] * len(captures)
        labels = tuple((key, part) for key, part in zip(captures, fitting, strict=True) if key)
        found.append(Series(name=name, source=0, labels=labels))
    return found
