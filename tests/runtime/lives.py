"""A service in memory that can be killed after any event, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from forecaster.inputs import Inputs
from forecaster.nets.baseline import naives
from forecaster.pipeline.engine import Engine
from forecaster.ports import Columns, Predictor
from forecaster.records import Array, Closed, Effect, Event, Issued
from forecaster.runtime.history_buffer import HistoryBuffer
from forecaster.runtime.restore import restore
from forecaster.settings import Group, Mqtt, Settings
from forecaster.testing import MemoryHistory, MemoryJournal, MemorySnapshots

Forecasts = dict[tuple[str, int], Array]
"""Quantiles (H, Q) by stream and origin."""

HOUR_MS = 3_600_000


def forecasts(effects: Sequence[Effect]) -> Forecasts:
    return {
        (stream, one.origin_ms): one.quantiles[i]
        for one in effects
        if isinstance(one, Issued)
        for i, stream in enumerate(one.streams)
    }


def closed(effects: Sequence[Effect]) -> dict[tuple[str, int], float]:
    """Values by series and start of the step."""
    return {
        (name, one.start_ms): value
        for one in effects
        if isinstance(one, Closed)
        for name, value in zip(one.series, one.values.tolist(), strict=True)
    }


@dataclass(frozen=True)
class Adder:
    """A predictor whose hidden state is the decayed sum of all it has seen, so that any step missed shows."""

    version: str = "0001"
    second: ClassVar[None] = None
    horizon: int = 3
    levels: int = 5
    warmup: int = 4

    def initial_state(self, streams: int) -> Array:
        return np.zeros((streams, 1, 1, 1), np.float32)

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        for value in np.nan_to_num(inputs.values[:, 0, -inputs.steps :]).T:
            state = (state * 0.9 + value[:, None, None, None]).astype(np.float32)
        spread = np.arange(self.levels, dtype=np.float64)
        return state, np.broadcast_to(state[:, 0, :, :] + spread, (len(state), self.horizon, self.levels)).copy()


def no_model(_group: Group, _version: str) -> Predictor | None:
    return None


@dataclass
class Disk:
    """What survives a kill."""

    journal: MemoryJournal = field(default_factory=MemoryJournal)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    history: MemoryHistory = field(default_factory=MemoryHistory)


class Life:
    """One process on a disk: from restore to its kill, which is simply to stop using it.

    Attributes
    ----------
    effects
        Of the events of this life; not of the replay.
    current
        Forecasts published again at the start.
    rebuilt
        Whether something came from the history.
    """

    def __init__(
        self,
        disk: Disk,
        *groups: Group,
        find_model: Callable[[Group, str], Predictor | None] = no_model,
        clock: str = "system",
    ) -> None:
        self.disk = disk
        self.settings = Settings(mqtt=Mqtt(url="mqtt://localhost"), groups=groups, clock=clock)
        self.engine = Engine(self.settings, lambda group: naives(group)[:1])
        self.buffer = HistoryBuffer()
        self.effects: list[Effect] = []
        self.position, self.rebuilt = restore(
            *(self.engine, self.settings, disk.snapshots, disk.journal, disk.history, find_model), self.buffer.add
        )
        self.current = forecasts(list(self.engine.current()))

    def live(self, *events: Event) -> None:
        """Journal and handle events as one unit."""
        self.position = self.disk.journal.append(events)
        effects = self.engine.handle(events)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Closed):
                self.buffer.add(effect)

    def flush(self) -> None:
        """Closed steps to the history."""
        for write in self.buffer.take({group.name: self.engine.series(group.name) for group in self.settings.groups}):
            self.disk.history.append(write.group, write.series, write.steps)

    def snapshot(self) -> None:
        """As the service does: the history first."""
        self.flush()
        arrays, meta = self.engine.state()
        self.disk.snapshots.save(self.position, arrays, json.loads(json.dumps(meta)))

    def stored(self, group: str) -> dict[tuple[str, int], float]:
        """Steps in the history, by series and start."""
        series, steps = self.disk.history.read(group)
        return dict(zip(_rows(series, steps), steps.values.tolist(), strict=True))


def _rows(series: Sequence[object], steps: Columns) -> list[tuple[str, int]]:
    names = [one.name for one in series]  # type: ignore[attr-defined]
    return [(names[index], start) for index, start in zip(steps.series.tolist(), steps.start_ms.tolist(), strict=True)]
