"""A start: the newest snapshot, the journal after it, and stored history for groups that neither fits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.engine import Engine
from forecaster.pipeline.panel import panel
from forecaster.ports import Columns, History, Journal, Predictor, Snapshots
from forecaster.records import Closed, Effect, Event, Message, ModelReady, Tick
from forecaster.settings import Group, Settings

log = logging.getLogger(__name__)

FindModel = Callable[[Group, str], Predictor | None]
"""The predictor of a group by version, or None when it can no longer be loaded."""


def restore(
    engine: Engine,
    settings: Settings,
    snapshots: Snapshots,
    journal: Journal,
    history: History,
    find_model: FindModel,
    keep: Callable[[Closed], None],
) -> int:
    """Bring an engine to where the last one stopped or was killed; nothing is published meanwhile.

    Parameters
    ----------
    keep
        Takes the steps that close during the replay: the last of them may not have reached the history.

    Returns
    -------
    int
        Journal position of the last event in the state.
    """
    position = start = begin(engine, settings, snapshots, journal, history, find_model)
    for reached, effects in replay(engine, settings, journal, find_model, start):
        position = reached
        for effect in effects:
            if isinstance(effect, Closed):
                keep(effect)
    log.info("state restored position=%d replayed=%d", position, position - start)
    return position


def begin(
    engine: Engine,
    settings: Settings,
    snapshots: Snapshots,
    journal: Journal,
    history: History,
    find_model: FindModel,
    upto: int | None = None,
) -> int:
    """Fill a fresh engine from the newest usable snapshot; groups it does not fit get their steps from the history.

    Parameters
    ----------
    upto
        Journal position at which to begin at the latest, and with steps from before it only; None: the newest.

    Returns
    -------
    int
        Journal position of the state; 0 when there is no such snapshot.
    """
    position, lost = _from_snapshot(engine, settings, snapshots, journal, find_model, upto)
    complete = next((last - len(events) for last, events in journal.read(0)), 0) == 0
    if position == 0 and complete:
        return 0  # the journal tells everything from the beginning
    before_ms = None if upto is None else _first_ms(journal, position)
    for name, reason in lost.items():
        group = settings.group(name)
        series, steps = history.read(name)
        known = panel(
            series, steps if before_ms is None else _before(steps, before_ms), Grid(group.step, group.timezone)
        )
        engine.load(name, known)
        log.info("state from history group=%s steps=%d reason=%s", name, known.values.shape[1], reason)
    return position


def replay(
    engine: Engine, settings: Settings, journal: Journal, find_model: FindModel, after: int
) -> Iterator[tuple[int, list[Effect]]]:
    """Handle the journaled events after a position; position and effects of each unit."""
    groups = {group.name: group for group in settings.groups}
    for position, events in journal.read(after):
        yield position, engine.handle([_with_model(event, groups, find_model) for event in events])


def _from_snapshot(
    engine: Engine,
    settings: Settings,
    snapshots: Snapshots,
    journal: Journal,
    find_model: FindModel,
    upto: int | None,
) -> tuple[int, dict[str, str]]:
    """Position of the newest usable snapshot (0: none), and the groups it does not restore, with the reason."""
    for position, arrays, meta in snapshots.newest():
        if position > journal.last():
            log.warning("snapshot is newer than the journal, ignored position=%d journal=%d", position, journal.last())
            continue
        if upto is not None and position > upto:
            continue
        groups = meta["groups"]
        assert isinstance(groups, dict)
        networks = {
            group.name: model
            for group in settings.groups
            if group.name in groups and (model := find_model(group, groups[group.name]["version"])) is not None
        }
        return position, engine.restore(arrays, meta, networks)
    return 0, {group.name: "no snapshot" for group in settings.groups}


def _first_ms(journal: Journal, after: int) -> int:
    """Time of the first event after a position that has one."""
    for _, events in journal.read(after):
        for event in events:
            match event:
                case Message():
                    return event.received_ms
                case Tick():
                    return event.now_ms
    return 0


def _before(steps: Columns, time_ms: int) -> Columns:
    old = steps.start_ms < time_ms
    return Columns(series=steps.series[old], start_ms=steps.start_ms[old], values=steps.values[old])


def _with_model(event: Event, groups: dict[str, Group], find_model: FindModel) -> Event:
    if isinstance(event, ModelReady) and event.group in groups:
        return replace(event, predictor=find_model(groups[event.group], event.version))
    return event
