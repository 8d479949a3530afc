"""Everything that is carried for one group of streams, and what happens when a step closes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from forecaster.inputs import Inputs
from forecaster.pipeline.align import Aligner
from forecaster.pipeline.anomaly import anomaly
from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.drift import Drift
from forecaster.pipeline.excluded import Excluded, cells
from forecaster.pipeline.forecasts import Forecasts
from forecaster.pipeline.spikes import winsorized
from forecaster.pipeline.streams import NOBODY, Streams
from forecaster.pipeline.table import Column, Table
from forecaster.pipeline.verify import Ledger
from forecaster.pipeline.window import Window
from forecaster.ports import Predictor
from forecaster.records import (
    Array,
    Closed,
    Drifted,
    Effect,
    Issued,
    Panel,
    Reading,
    Reason,
    Score,
    Series,
    Swapped,
    Verified,
)
from forecaster.settings import Exclusion, Group

CHUNK = 512
"""Streams predicted at once: bounds the memory of a step at which everything closes, and what is in the cache."""

AGAIN = 20_000_000
"""Steps looked back and ahead, over all forecasts that are made again when something is to be forgotten: at most some
seconds, for the service counts as stuck after thirty."""


class GroupState:
    """The streams of one group: their open cells, windows, hidden states and outstanding forecasts."""

    def __init__(self, settings: Group, naives: Sequence[Predictor]) -> None:
        self.settings = settings
        self._grid = Grid(settings.step, settings.timezone)
        self._season = settings.season
        self._streams = Streams(settings)
        self.aligner = Aligner(settings, self._grid)
        self.aligner.add(settings.sources[0])  # row 0, nobody
        # a forecast that comes once a season must still reach the horizon at the end of it
        known_ahead = max(settings.horizon, self._season) if "future" in settings.channels else 0
        self._ahead = settings.horizon + known_ahead
        self._window = Window(settings.past, self._ahead, self._season)
        self._window.add()
        self._ledger = Ledger(settings)
        self._carried = Table(
            {
                "through": Column((), np.int64, np.iinfo(np.int64).min),  # newest closed step
                "observed": Column((), np.int64, 0),  # steps that had a value
                "outside": Column((), np.bool_, False),  # the newest of them that had a forecast was an anomaly
            }
        )
        self._forecasts = Forecasts(settings, naives)
        self._drift = Drift(self._season)
        self._excluded = Excluded(settings.exclude, self._grid)

    # --- readings -------------------------------------------------------------------------------------------------

    def add(self, series: Series) -> int | None:
        """Row of a series, made when it is new; None when the group is full."""
        row = self._streams.row(series.name)
        if row is not None or self._streams.full(series.source):
            return row
        row, is_stream = self._streams.add(series)
        self.aligner.add(self.settings.sources[series.source])
        self._window.add()
        if is_stream:
            self._ledger.add()
            self._carried.add()
            self._forecasts.add()
        return row

    def accept(self, reading: Reading, now_ms: int, retained: bool) -> Reason | None:
        """Take a reading, or say why not."""
        source = self.settings.sources[reading.source]
        row = self._streams.row(reading.stream)
        if row is None:
            row = self.add(Series(name=reading.stream, source=reading.source, labels=reading.labels))
        if row is None:
            return "max_streams"
        if source.role == "future":
            closed = self.aligner.follow_clock(row, now_ms)
            index = self._grid.index(reading.time_ms)
            if closed < index <= closed + self._ahead and not self._excluded.at(index, [reading.stream]).any():
                self._window.know(row, index, reading.value)
            return None  # a forecast array starts before now and ends beyond what we keep; that is no fault
        if retained and not reading.own_time and (source.kind == "amount" or not self.aligner.is_new(row)):
            return "retained"
        if retained and reading.time_ms <= self.aligner.newest_ms(row):
            return "retained"
        time_ms = reading.time_ms
        if not reading.own_time:  # what waited at the broker arrives within one millisecond, and is no duplicate
            time_ms = max(time_ms, self.aligner.newest_ms(row) + 1)
        return self.aligner.accept(row, source, time_ms, reading.value)

    # --- steps ----------------------------------------------------------------------------------------------------

    def settle(self) -> Iterator[Effect]:
        """Close what is due: verify, advance, forecast, oldest step first."""
        for index, rows, values, skipped in self.aligner.settle():
            if rows.size:
                yield from self._close(index, rows, values)
            for row in skipped:
                self._window.clear(row, index)
                slot = self._streams.slots(np.array([row]))
                self._forecasts.blank(slot[slot >= 0])

    def _close(self, index: int, rows: Array, values: Array) -> Iterator[Effect]:
        self._forecasts.keep(index)
        names = self._streams.names(rows)
        excluded = self._excluded.at(index, names)
        for first in range(0, len(rows), CHUNK):
            some = slice(first, first + CHUNK)
            self._window.take(rows[some], index, np.where(excluded[some], np.nan, values[some]))
        values = np.where(np.isnan(values), self._window.at(rows, index), values)
        start_ms = self._grid.start(index)
        yield Closed(group=self.settings.name, series=names, start_ms=start_ms, values=values)
        is_stream = self._streams.slots(rows) >= 0
        rows, came = rows[is_stream], np.where(excluded, np.nan, values)[is_stream]
        for first in range(0, len(rows), CHUNK):
            some = slice(first, first + CHUNK)
            slots = self._streams.slots(rows[some])
            yield from self._verify(index, slots, rows[some], came[some])
            yield from self._forecast(index, slots, rows[some])

    def _verify(self, index: int, slots: Array, rows: Array, came: Array) -> Iterator[Verified | Drifted]:
        """Compare what came with what had been said, and learn from it as far as it is believed."""
        seen = ~np.isnan(came)
        if not seen.any():
            return
        slots, rows, came = slots[seen], rows[seen], came[seen]
        truth = self._window.at(rows, index)
        quantiles, naive = self._ledger.said(slots, index)
        self._ledger.score(slots, truth, quantiles, naive, self._window.at(rows, index - self._season))
        self._learn(index, slots, rows)
        self._carried["observed"][slots] += 1
        scores, outside = anomaly(came, quantiles[:, 0], self.settings.levels), self._carried["outside"][slots]
        self._carried["outside"][slots] = np.where(np.isnan(scores), outside, scores > 1)
        yield Verified(
            group=self.settings.name,
            streams=self._streams.names(rows),
            start_ms=self._grid.start(index),
            truth=came,
            quantiles=quantiles,
            naive=naive,
            anomaly=scores,
            over=outside & (scores <= 1),
        )
        median = quantiles[:, 0, self.settings.levels.index(0.5)]
        usual = np.maximum(self._ledger.usual_error(slots), 1e-9)
        if self._drift.step(index, np.abs(truth - median) / usual):
            yield Drifted(group=self.settings.name)

    def _forecast(self, index: int, slots: Array, rows: Array) -> Iterator[Issued]:
        made = self._forecasts.make(slots, index, self._inputs(index, rows))
        self._carried["through"][slots] = index
        self._ledger.issue(slots, index, *made)
        yield from self._issued(index, rows, made.quantiles, made.sources)

    def _issued(self, index: int, rows: Array, quantiles: Array, sources: Array) -> Iterator[Issued]:
        """Forecasts that can be published: a stream never observed has none."""
        good = np.isfinite(quantiles).all((1, 2))
        if not good.any():
            return
        first = index + 1
        yield Issued(
            group=self.settings.name,
            streams=self._streams.names(rows[good]),
            origin_ms=self._grid.start(first),
            starts_ms=self._grid.starts(np.arange(first, first + self.settings.horizon)),
            quantiles=quantiles[good],
            models=self._forecasts.told(sources[good]),
        )

    def _inputs(self, index: int, rows: Array, steps: int = 1) -> Inputs:
        """What a predictor may see at the end of step ``index``, or at so many steps up to it."""
        settings = self.settings
        past, ahead = settings.lookback + steps - 1, settings.horizon
        beside = self._streams.beside(rows)
        beside = np.where(self._window.newest(beside) >= index, beside, NOBODY)  # a covariate that has fallen silent
        cells = self._window.view(beside, index, past, ahead)  # (B, C, W + H)
        future = cells[..., past:].copy()
        future[:, [role != "future" for role in settings.channels]] = np.nan
        first = index - past + 1
        return Inputs(
            values=cells[..., :past],
            future=future,
            calendar=self._grid.calendar(first, past + ahead, settings.calendar),
            shift=self._grid.shift(first, past + ahead),
            streams=self._streams.names(rows),
            steps=steps,
        )

    # --- models ---------------------------------------------------------------------------------------------------

    @property
    def version(self) -> str:
        """Of the model in service."""
        return self._forecasts.version

    def swap(self, network: Predictor | None) -> list[Effect]:
        """Forecast with another model, what was forecast from the newest step too."""
        self._forecasts.swap(network)
        effects: list[Effect] = [Swapped(group=self.settings.name, version=self.version)]
        for index, slots in self._by_newest(np.arange(len(self._streams))):
            effects += self._again(index, slots, index, index + 1)
        return effects

    def forget(self, exclusion: Exclusion) -> Iterator[Issued]:
        """Take a stretch for never observed, what is yet to come of it too.

        What was learned from it is learned again without, where it is not too long ago, and streams it was in are
        forecast again.
        """
        first, end = cells(exclusion, self._grid)
        self._excluded.add(exclusion.stream, first, end)
        matching = [row for row, one in self._streams.numbered() if fnmatchcase(one.name, exclusion.stream)]
        changed = self._window.forget(np.array(matching, np.int64), first, end)
        slots = np.arange(len(self._streams))
        slots = slots[np.isin(self._streams.beside(self._streams.rows(slots)), changed).any(-1)]
        self._forecasts.blank(slots)
        most = AGAIN // (self.settings.lookback + self.settings.horizon) // max(1, len(slots))
        for index, some in self._by_newest(slots):
            yield from self._again(index, some, *self._forecasts.unlearn(some, first, index, most))

    def _again(self, index: int, slots: Array, first: int, learned: int) -> Iterator[Issued]:
        """Forecast from step ``index`` once more, for the next may be a month away; hidden states are blank.

        Forecasts are made again from step ``first`` on, and steps from ``learned`` on teach again.
        """
        said = np.isfinite(self._ledger.issued(slots, index)[0]).all((1, 2))
        self._walk(slots[~said], index, index)
        slots = slots[said]
        if not slots.size:
            return
        rows = self._streams.rows(slots)
        self._walk(slots, first, first - 1)
        for step in range(first, index + 1):
            if step >= learned:
                self._learn(step, slots, rows)
            if step < index:
                self._forecasts.make(slots, step, self._inputs(step, rows))
        yield from self._forecast(index, slots, rows)

    def _learn(self, index: int, slots: Array, rows: Array) -> None:
        """Of what had been said for step ``index``, from what came."""
        self._forecasts.mature(slots, index, int(self._grid.shift(index, 1)[0]), self._window.at(rows, index))

    def _walk(self, slots: Array, index: int, last: int) -> None:
        """Walk the network over the steps before ``index`` that it asks for, up to step ``last``."""
        network = self._forecasts.network
        steps = min(network.warmup, self.settings.warmup) - (index - last) if network else 0
        if steps > 0 and slots.size:
            self._forecasts.walk(slots, self._inputs(last, self._streams.rows(slots), steps))

    def _by_newest(self, slots: Array) -> Iterator[tuple[int, Array]]:
        """Those of some streams that still speak and have closed a step, in chunks of the same newest step.

        One that has fallen silent for longer than a lookback begins afresh if it speaks again.
        """
        slots = slots[self.aligner.awake[self._streams.rows(slots)] & (self._carried["observed"][slots] > 0)]
        through = self._carried["through"][slots]
        for index in np.unique(through).tolist():
            some = slots[through == index]
            for first in range(0, len(some), CHUNK):
                yield index, some[first : first + CHUNK]

    # --- starting and looking in ----------------------------------------------------------------------------------

    def load(self, history: Panel) -> None:
        """Fill the windows of a fresh object from stored steps, for a start without a snapshot that fits."""
        last = history.first + history.values.shape[1] - 1
        added = [(self.add(series), values) for series, values in zip(history.series, history.values, strict=True)]
        rows = np.array([row for row, _ in added if row is not None], np.int64)
        if not rows.size or last < history.first:
            return
        values = np.stack([values for row, values in added if row is not None])
        taken = winsorized(values, self.settings.past, self._season)
        for index in range(max(history.first, last - self.settings.past + 1), last + 1):
            self._window.push(rows, index, taken[:, index - history.first])
        observed = ~np.isnan(values)
        seen = np.where(observed.any(1), last - observed[:, ::-1].argmax(1), history.first)
        self.aligner.resume(rows, last, seen, values[np.arange(len(rows)), seen - history.first])
        slots = self._streams.slots(rows)
        self._carried["through"][slots[slots >= 0]] = seen[slots >= 0]
        self._carried["observed"][slots[slots >= 0]] = observed.sum(1)[slots >= 0]

    def forecast(self) -> None:
        """After :meth:`load`: rebuild hidden states and forecast, for :meth:`current`; the next step may be far."""
        for index, slots in self._by_newest(np.arange(len(self._streams))):
            self._walk(slots, index, index - 1)
            for _ in self._forecast(index, slots, self._streams.rows(slots)):
                pass

    def current(self) -> Iterator[Issued]:
        """The newest forecast of every stream again, as it was issued."""
        for index, slots in self._by_newest(np.arange(len(self._streams))):
            quantiles, sources = self._ledger.issued(slots, index)
            yield from self._issued(index, self._streams.rows(slots), quantiles, sources)

    def series(self) -> dict[str, Series]:
        """All series by name."""
        return {one.name: one for one in self._streams.series}

    def unit(self, stream: str) -> str:
        """Unit of a stream, as configured for its source."""
        row = self._streams.row(stream)
        return self.settings.sources[self._streams.series[row - 1].source].unit if row is not None else ""

    def scores(self) -> list[Score]:
        """Rolling scores, one per bucket of leads."""
        return self._ledger.scores()

    def observed(self) -> int:
        """Most observed steps of any stream."""
        return int(self._carried["observed"].max(initial=0))

    def taken(self) -> int:
        """Observed steps of all streams together."""
        return int(self._carried["observed"].sum())

    def states(self) -> dict[str, int]:
        """How many streams are ``active``, ``warming`` (less than a season observed) or ``stale`` (silent)."""
        slots = np.arange(len(self._streams))
        awake = self.aligner.awake[self._streams.rows(slots)]
        young = awake & (self._carried["observed"][slots] < self._season)
        return {"active": int((awake & ~young).sum()), "warming": int(young.sum()), "stale": int((~awake).sum())}

    def state(self) -> tuple[dict[str, Array], dict[str, object]]:
        """Arrays and plain data for the snapshot."""
        parts = {
            "aligner": self.aligner.state(),
            "window": self._window.state(),
            "ledger": self._ledger.state(),
            "carried": self._carried.state(),
            "forecasts": self._forecasts.state(),
            "drift": self._drift.state(),
        }
        arrays = {f"{part}.{name}": array for part, found in parts.items() for name, array in found.items()}
        series = [[one.name, one.source, one.labels] for one in self._streams.series]
        network = self._forecasts.network
        model = network.version if network else None
        return arrays, {"series": series, "model": model, "settings": self._fitting()}

    def _fitting(self) -> list[object]:
        """What a state depends on: with any of it changed, it is of no use."""
        sources = [[one.topic, one.name, one.value, one.kind, one.aggregate, one.role] for one in self.settings.sources]
        return [self.settings.fingerprint, sources]

    def restore(self, arrays: Mapping[str, Array], meta: Mapping[str, object], network: Predictor | None) -> None:
        """Take over what :meth:`state` gave, forecasting with ``network`` (None: naive) from here on.

        Raises
        ------
        ValueError
            When it does not fit these settings; this object is then of no further use.
        """
        if meta["settings"] != self._fitting():
            raise ValueError("the settings of the group have changed")
        series = meta["series"]
        assert isinstance(series, list)
        for name, source, labels in series:
            one = Series(name=name, source=source, labels=tuple((key, value) for key, value in labels))
            if self.add(one) is None:
                raise ValueError("it has more streams than max_streams allows now")
        parts: dict[str, dict[str, Array]] = {}
        for key, array in arrays.items():
            part, name = key.split(".", 1)
            parts.setdefault(part, {})[name] = array
        self.aligner.restore(parts["aligner"])
        self._window.restore(parts["window"])
        self._ledger.restore(parts["ledger"])
        self._carried.restore(parts["carried"])
        self._drift.restore(parts["drift"])
        same_network = meta["model"] == (network.version if network else None)
        self._forecasts.swap(network)
        self._forecasts.restore(parts["forecasts"], same_network=same_network)
        if not same_network:
            for index, slots in self._by_newest(np.arange(len(self._streams))):
                self._walk(slots, index, index)  # hidden states are blank
